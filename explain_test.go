package zmap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/vishvananda/netlink"

	"github.com/zmap-go/zmap/lab"
	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/probe"
	"github.com/zmap-go/zmap/target"
)

func explain(t *testing.T, c Config) *Explanation {
	t.Helper()
	e, err := Explain(t.Context(), c)
	if err != nil {
		t.Fatalf("explain %+v: %v", c, err)
	}
	return e
}

// randomConfig is a scan of up to 2,048 targets, with a rate and without a network.
func randomConfig(r *rand.Rand, dir string) Config {
	c := Config{AllowSpecial: private(), Ports: []string{"80", "80,443,8080"}[r.IntN(2)], Seed: seed(r.Uint64()), Tries: 1 + r.IntN(3)}
	for range 1 + r.IntN(4) {
		c.Networks = append(c.Networks, fmt.Sprintf("10.0.%d.%d/%d", r.IntN(6), r.IntN(256), 22+r.IntN(11)))
	}
	if r.IntN(2) == 0 {
		c.Blocklist = filepath.Join(dir, "block")
		_ = os.WriteFile(c.Blocklist, fmt.Appendf(nil, "10.0.%d.0/25\n", r.IntN(6)), 0o600)
	}
	if r.IntN(2) == 0 {
		c.MaxTargets = TargetLimit{N: 1 + r.Uint64N(500)}
	}
	if c.Shards = 1 + r.Uint32N(3); c.MaxTargets.N > 0 {
		c.Shards = min(c.Shards, uint32(c.MaxTargets.N))
	}
	return c
}

// TestExplainFollowsRun holds explanations against what dry runs of the same configurations do. The shards of a scan are
// dry runs of their own: together they ask what the plan says.
func TestExplainFollowsRun(t *testing.T) {
	r := rand.New(rand.NewPCG(81, 82))
	dir := t.TempDir()
	for range 25 {
		c := randomConfig(r, dir)
		c.Rate = Unlimited
		var asked, shares uint64
		fullest := make(map[netip.Prefix]uint64)
		var e *Explanation
		var err error
		for c.Shard = range c.Shards {
			c.DryRun = &DryRun{W: io.Discard, Fast: true}
			e, err = Explain(t.Context(), c)
			if errors.Is(err, target.ErrEmpty) || err != nil && strings.Contains(err.Error(), "fewer targets than shards") {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			report, out := dryRun(t, c, true)
			checkSamePlan(t, c, &e.Plan, &report.Plan)
			if c.Shards == 1 && (report.Targets != e.Share || report.Sent != e.Probes) {
				t.Errorf("%+v: explained with %d targets and %d probes, ran with %d and %d", c, e.Share, e.Probes, report.Targets, report.Sent)
			}
			asked, shares = asked+report.Targets, shares+e.Share
			for _, a := range records(t, out) {
				p, _ := a.Addr().Prefix(24)
				fullest[p]++
			}
		}
		if err != nil {
			continue
		}
		want := e.Total
		if e.MaxTargets > 0 {
			want = min(want, e.MaxTargets)
		}
		// Without a limit each shard rounds its part down; with one, a shard may have less than its part of the limit.
		if asked > want || shares > want || shares+uint64(c.Shards) <= want && e.MaxTargets == 0 {
			t.Errorf("%+v: asked %d in all, explained as %d, want %d", c, asked, shares, want)
		}
		for p, n := range fullest {
			if c.Shards == 1 && n > e.Load.Probes {
				t.Errorf("%+v: %s got %d probes, explained as at most %d", c, p, n, e.Load.Probes)
			}
		}
		if e.MaxTargets == 0 && uint64(len(fullest)) != e.Load.Nets {
			t.Errorf("%+v: %d networks got probes, explained as %d", c, len(fullest), e.Load.Nets)
		}
	}
}

// checkSamePlan compares what was explained with what was run. A dry run has no link that could differ.
func checkSamePlan(t *testing.T, c Config, explained, ran *Plan) {
	t.Helper()
	d := cmp.Diff(ran, explained, cmpopts.IgnoreFields(Plan{}, "ID", "Space", "Asked", "Schema"),
		cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}), cmpopts.EquateEmpty(),
		cmp.Comparer(func(a, b error) bool { return fmt.Sprint(a) == fmt.Sprint(b) }))
	if d != "" {
		t.Errorf("%+v: plans of Run and Explain (-ran +explained):\n%s", c, d)
	}
	if !slices.Equal(slices.Collect(explained.Space.Prefixes()), slices.Collect(ran.Space.Prefixes())) {
		t.Errorf("%+v: explained with another space", c)
	}
}

// TestEstimateIsArithmetic checks the equations between the figures.
func TestEstimateIsArithmetic(t *testing.T) {
	r := rand.New(rand.NewPCG(83, 84))
	near := func(what string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 1e-6*want+1e-6 {
			t.Errorf("%s is %g, want %g", what, got, want)
		}
	}
	dir := t.TempDir()
	for range 200 {
		c := randomConfig(r, dir)
		c.Rate = math.Exp(r.Float64() * 15)
		c.Cooldown = time.Duration(1+r.IntN(20)) * time.Second
		if r.IntN(3) == 0 {
			c.MaxRuntime = time.Duration(1+r.IntN(1000)) * time.Millisecond
		}
		e, err := Explain(t.Context(), c)
		if err != nil {
			continue
		}
		if e.Rate != c.Rate || e.Listening != c.Cooldown {
			t.Errorf("rate %g, cooldown %v, want %g and %v", e.Rate, e.Listening, c.Rate, c.Cooldown)
		}
		all := e.Share * uint64(c.Tries)
		if c.MaxRuntime == 0 && e.Probes != all || e.Probes > all || e.Probes == 0 ||
			e.Probes < all && float64(e.Probes) > max(1, c.Rate*c.MaxRuntime.Seconds()) {
			t.Errorf("%d probes of %d with rate %g and %v", e.Probes, all, c.Rate, c.MaxRuntime)
		}
		near("time of sending", e.Sending.Seconds(), float64(e.Probes)/c.Rate)
		near("speed on the wire", e.Bits, 8*float64(e.WireLen)*c.Rate)
		near("bytes", float64(e.Bytes), float64(e.Probes)*float64(e.WireLen))
		if e.WireLen != max(84, e.FrameLen+24) {
			t.Errorf("a frame of %d bytes takes %d", e.FrameLen, e.WireLen)
		}
		l := e.Load
		if d := float64(l.Gap) - 1e9/l.Rate; d > 1 || d < -1 {
			t.Errorf("gap %v at %g a second", l.Gap, l.Rate)
		}
		if l.Nets == 1 {
			near("rate into the only network", l.Rate, c.Rate)
		}
		if l.Rate > c.Rate*1.000001 || l.Rate*float64(l.Nets) < c.Rate*0.999999 || l.Addrs > 256 || l.Probes > e.Probes {
			t.Errorf("rate %g, of which one of %d networks gets %+v", c.Rate, l.Nets, l)
		}
	}
}

// TestExplainOfEverything has the figures that a scan of the Internet is known by.
func TestExplainOfEverything(t *testing.T) {
	e := explain(t, Config{Ports: "443", Bandwidth: 1e9, Networks: []string{"0.0.0.0/0"}, Blocklist: os.DevNull})
	if e.Share != 1<<32-1 || e.Rate != 1e9/8/90 && e.Rate != math.Floor(1e9/8/90) || e.WireLen != 90 {
		t.Errorf("%d targets at %g a second, %d bytes each", e.Share, e.Rate, e.WireLen)
	}
	if h := e.Sending.Hours(); h < 0.85 || h > 0.87 {
		t.Errorf("sending takes %v, want some 52 minutes", e.Sending)
	}
	if l := e.Load; l.Nets != 1<<24 || l.Addrs != 256 || l.Gap < 12*time.Second || l.Gap > 13*time.Second {
		t.Errorf("load %+v, want a probe every 12 seconds", l)
	}
	var most uint64
	for _, m := range e.Memory {
		most += m.Most
	}
	if most < 512<<20 || most > 650<<20 {
		t.Errorf("memory %+v comes to %d bytes, want that of a bit for each address and a bit", e.Memory, most)
	}
}

// TestExplainSendsNothing explains scans of a test Internet, whose neighbours and gateway a scan would ask for their
// hardware addresses, with every module. What it says of the link is what a scan then opens.
func TestExplainSendsNothing(t *testing.T) {
	startNet(t, lab.Hosts{Prefix: prefix("10.13.0.0/24"), Kind: lab.Kernel})
	frames := func() uint64 { return scanLink(t).Attrs().Statistics.TxPackets }
	args := map[string]string{"udp": "text:x", "dns": "A,example.com"}
	before := frames()
	files := openFiles(t)
	for _, m := range probe.Modules() {
		p, err := probe.New(m.Name, probe.Args{Text: args[m.Name]})
		if err != nil {
			t.Fatal(err)
		}
		c := Config{Networks: []string{"10.13.0.0/24", "172.31.255.0/28"}, AllowSpecial: private(), Probe: p}
		if p.Describe().Ports {
			c.Ports = "80"
		}
		e := explain(t, c)
		if e.Probe != m.Name || e.Total != 256+16 || e.Neighbours != 16 || e.Asking < time.Second || e.Link != "socket" || e.Missing != nil {
			t.Errorf("%s: %+v", m.Name, e)
		}
	}
	if n := openFiles(t); n != files {
		t.Errorf("%d files are open, %d before", n, files)
	}
	if n := frames(); n != before {
		t.Errorf("%d frames were sent", n-before)
	}
	c, _ := synScan("10.13.0.0/24")
	e := explain(t, c)
	r := run(t, c)
	if e.Link != r.Link || e.Why != r.Why || e.Share != r.Targets || e.Path.Interface != r.Path.Interface {
		t.Errorf("explained as %q because %q, %d targets; ran by %q because %q, %d targets", e.Link, e.Why, e.Share, r.Link, r.Why, r.Targets)
	}
	took := r.SendEnd.Sub(r.SendStart)
	if took < e.Sending*8/10 || took > 3*e.Sending+50*time.Millisecond {
		t.Errorf("sending took %v, explained as %v", took, e.Sending)
	}
}

// scanLink is the interface of the test Internet.
func scanLink(t *testing.T) netlink.Link {
	t.Helper()
	l, err := netlink.LinkByName("scan0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestExplainFindsMistakes compares the errors of Explain with those of Run.
func TestExplainFindsMistakes(t *testing.T) {
	startNet(t, lab.Hosts{Prefix: prefix("10.13.0.0/24"), Kind: lab.Kernel})
	list := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(list, []byte("10.0.0.1\nnonsense/\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	near, err := netlink.ParseAddr("10.98.0.1/15")
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.AddrAdd(scanLink(t), near); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Config){
		"ports":         func(c *Config) { c.Ports = "" },
		"filter":        func(c *Config) { c.Outputs[0].Filter = "nope = 1" },
		"several":       func(c *Config) { c.Ports, c.Outputs[0].Filter = "x", "nope = 1" },
		"network":       func(c *Config) { c.Networks = []string{"10.0.0.0/33"} },
		"blocklist":     func(c *Config) { c.Blocklist = list },
		"no blocklist":  func(c *Config) { c.Blocklist = list + "x" },
		"address list":  func(c *Config) { c.AddressList = list },
		"none left":     func(c *Config) { c.Networks = []string{"0.0.0.0/32"} },
		"shards":        func(c *Config) { c.Seed, c.Shards, c.Networks = seed(1), 9, []string{"10.0.0.0/30"} },
		"max-targets":   func(c *Config) { c.Seed, c.Shards, c.MaxTargets = seed(1), 9, TargetLimit{N: 8} },
		"interface":     func(c *Config) { c.Interface = "nope0" },
		"link":          func(c *Config) { c.Link = "nope" },
		"window":        func(c *Config) { c.Ports, c.DedupWindow = "80,81", 1<<30+1 },
		"too many near": func(c *Config) { c.Networks = []string{"10.98.0.0/15"} },
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := synScan("10.13.0.0/24")
			change(&c)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			_, want := Run(ctx, c)
			_, got := Explain(ctx, c)
			if want == nil || fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("Explain says\n%v\nRun\n%v", got, want)
			}
		})
	}
}

// TestExplainWithoutNetwork says that what is missing is what a scan would fail for.
func TestExplainWithoutNetwork(t *testing.T) {
	c, _ := synScan("10.13.0.0/24")
	e := explain(t, c)
	_, err := Run(t.Context(), c)
	if err == nil || len(e.Missing) != 1 || e.Missing[0].Error() != err.Error() || e.Link != "" {
		t.Errorf("missing: %v, want what Run says: %v", e.Missing, err)
	}
	c.Outputs = nil
	if _, err := Explain(t.Context(), c); err != nil {
		t.Errorf("without a sink: %v", err)
	}
	if _, err := Run(t.Context(), c); err == nil {
		t.Error("a scan without a sink has no error")
	}
	c.Interface = "lo"
	if e := explain(t, c); !errors.Is(errors.Join(e.Missing...), link.ErrDown) && len(e.Missing) == 0 {
		t.Errorf("missing on lo, which is down: %v", e.Missing)
	}
}

package zmap

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/zmap-go/zmap/internal/engine"
	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/probe"
	"github.com/zmap-go/zmap/sink"
)

// dryRun runs c without a network and returns what it shows. Before a lab is made, the test's namespace has no route and
// no interface but lo: a dry run needs neither.
func dryRun(t *testing.T, c Config, fast bool) (*Report, string) {
	t.Helper()
	var out bytes.Buffer
	c.DryRun = &DryRun{W: &out, Fast: fast}
	if c.Outputs == nil {
		c.Outputs = to(&table{})
	}
	if c.Rate == 0 {
		c.Rate = Unlimited
	}
	r := run(t, c)
	return r, out.String()
}

// records returns the targets of a fast dry run, in order.
func records(t *testing.T, out string) []netip.AddrPort {
	t.Helper()
	if len(out)%6 != 0 {
		t.Fatalf("%d bytes are no multiple of 6", len(out))
	}
	var all []netip.AddrPort
	for b := []byte(out); len(b) > 0; b = b[6:] {
		all = append(all, netip.AddrPortFrom(netip.AddrFrom4([4]byte(b)), binary.BigEndian.Uint16(b[4:])))
	}
	return all
}

func seed(n uint64) *uint64 { return &n }

// TestDryRunOrder compares the first targets with C ZMap's for the same seed.
func TestDryRunOrder(t *testing.T) {
	for _, c := range []struct {
		name   string
		config Config
		total  uint64
		first  string
	}{
		{
			"a network",
			Config{Networks: []string{"10.0.0.0/24"}, AllowSpecial: private(), Seed: seed(1234)},
			256,
			"10.0.0.122 10.0.0.111 10.0.0.78 10.0.0.236 10.0.0.196 10.0.0.76",
		},
		{
			"everything",
			Config{Seed: seed(2), MaxTargets: TargetLimit{N: 5}, Blocklist: os.DevNull},
			5,
			"255.1.24.37 129.174.209.34 44.158.9.27 121.168.112.235 177.65.239.237",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.config.Ports = "80"
			r, out := dryRun(t, c.config, true)
			got := records(t, out)
			for i, want := range strings.Fields(c.first) {
				if i < len(got) && got[i] != netip.AddrPortFrom(netip.MustParseAddr(want), 80) {
					t.Errorf("target %d is %v, want %s:80", i, got[i], want)
				}
			}
			if uint64(len(got)) != c.total || r.Targets != c.total || r.Sent != c.total {
				t.Errorf("%d records, %d targets, %d frames; want %d", len(got), r.Targets, r.Sent, c.total)
			}
			if _, again := dryRun(t, c.config, true); again != out {
				t.Error("the same seed gives another order the second time")
			}
		})
	}
}

// dryText is the text of one frame, with the port, the source and the target address in groups.
var dryText = regexp.MustCompile(`^tcp \{ source: (\d+) \| dest: (\d+) \| seq: \d+ \| checksum: (?:0X[0-9A-F]{2,4}|0000) \}
ip \{ saddr: ([0-9.]+) \| daddr: ([0-9.]+) \| checksum: (?:0X[0-9A-F]{2,4}|0000) \}
eth \{ shost: ([0-9a-f:]{17}) \| dhost: ([0-9a-f:]{17}) \}
$`)

func TestDryRunText(t *testing.T) {
	mac := packet.MAC{0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f}
	c := Config{
		Networks: []string{"10.0.0.0/24"}, AllowSpecial: private(), Ports: "443", Seed: seed(1234), SourceMAC: &mac,
		Sources: []netip.Addr{netip.MustParseAddr("192.0.2.2")},
	}
	_, out := dryRun(t, c, false)
	_, fast := dryRun(t, c, true)
	blocks := strings.SplitAfter(out, strings.Repeat("-", 54)+"\n")
	targets := records(t, fast)
	if len(blocks) != 257 || blocks[256] != "" {
		t.Fatalf("%d pieces, the last %q; want 257, the last empty", len(blocks), blocks[len(blocks)-1])
	}
	for i, target := range targets {
		block := strings.TrimSuffix(blocks[i], strings.Repeat("-", 54)+"\n")
		m := dryText.FindStringSubmatch(block)
		if m == nil {
			t.Fatalf("frame %d is %q, which does not match %v", i, block, dryText)
		}
		var sport int
		if _, err := fmt.Sscan(m[1], &sport); err != nil || sport < 32768 || sport > 61000 {
			t.Fatalf("frame %d is sent from port %s", i, m[1])
		}
		want := []string{"443", "192.0.2.2", target.Addr().String(), "0a:0b:0c:0d:0e:0f", "00:00:00:00:00:00"}
		if !equal(m[2:], want) {
			t.Fatalf("frame %d: port, addresses and hardware addresses %q, want %q", i, m[2:], want)
		}
	}
}

func TestDryRunOfPings(t *testing.T) {
	p, err := probe.New("icmp_echoscan", probe.Args{})
	if err != nil {
		t.Fatal(err)
	}
	_, out := dryRun(t, Config{Networks: []string{"10.0.0.0/30"}, AllowSpecial: private(), Probe: p, Tries: 2}, false)
	if n := strings.Count(out, "icmp { type: 8 | code: 0 | checksum: 0X"); n != 8 {
		t.Errorf("%d pings of 4 targets and 2 tries, want 8:\n%s", n, out)
	}
}

// TestShardsShareMaxTargets has three machines ask a hundred targets together, none twice.
func TestShardsShareMaxTargets(t *testing.T) {
	asked := make(map[netip.AddrPort]int)
	for shard := range uint32(3) {
		c := Config{Networks: []string{"10.0.0.0/20"}, AllowSpecial: private(), Ports: "80,81", MaxTargets: TargetLimit{N: 100}}
		c.Seed, c.Shard, c.Shards = seed(9), shard, 3
		r, out := dryRun(t, c, true)
		for _, target := range records(t, out) {
			asked[target]++
		}
		if want := uint64(100+2-shard) / 3; r.Targets != want || r.MaxTargets != 100 {
			t.Errorf("shard %d asked %d of %d targets, want %d of 100", shard, r.Targets, r.MaxTargets, want)
		}
	}
	if len(asked) != 100 {
		t.Errorf("%d different targets were asked, want 100", len(asked))
	}
}

// TestDryRunHonoursLimits has two senders share a rate that would take a minute, and ends them after a moment.
func TestDryRunHonoursLimits(t *testing.T) {
	c := Config{Networks: []string{"10.0.0.0/16"}, AllowSpecial: private(), Ports: "80", Rate: 1000, Senders: 2, MaxRuntime: 200 * time.Millisecond}
	r, out := dryRun(t, c, true)
	n := uint64(len(records(t, out)))
	most := uint64(1.02*c.Rate*r.SendEnd.Sub(r.SendStart).Seconds()) + 2
	if r.Reason != engine.MaxRuntime || n == 0 || n > most || n != r.Sent {
		t.Errorf("%v after %d records in %v, want max-runtime after at most %d", r.Reason, n, r.SendEnd.Sub(r.SendStart), most)
	}
}

// TestDryRunWithoutReader is zmap --dryrun | head.
func TestDryRunWithoutReader(t *testing.T) {
	c := Config{Networks: []string{"10.0.0.0/16"}, AllowSpecial: private(), Ports: "80", Outputs: to(&table{}), Rate: Unlimited}
	c.DryRun = &DryRun{W: failingWriter{sink.ErrReaderGone}}
	r, err := Run(t.Context(), c)
	if r.Reason != engine.ReaderGone || !errors.Is(err, sink.ErrReaderGone) {
		t.Errorf("reason %q, error %v; want reader gone", r.Reason, err)
	}
	c.DryRun = &DryRun{W: failingWriter{errFull}}
	if r, err = Run(t.Context(), c); r.Reason.Clean() || !errors.Is(err, errFull) {
		t.Errorf("reason %q, error %v; want one that wraps %v", r.Reason, err, errFull)
	}
}

// A failingWriter takes nothing.
type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

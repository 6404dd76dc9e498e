package zmap

import (
	"bytes"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zmap-go/zmap/citizen"
	"github.com/zmap-go/zmap/lab"
	"github.com/zmap-go/zmap/target"
)

// TestSpecialNetworksGetNothing scans networks of which the default blocklist has some, with hosts that would all answer.
func TestSpecialNetworksGetNothing(t *testing.T) {
	net := startNet(t,
		lab.Hosts{Prefix: prefix("10.50.0.0/28"), Kind: lab.Kernel},
		lab.Hosts{Prefix: prefix("192.0.2.0/28"), Kind: lab.Kernel},
		lab.Hosts{Prefix: prefix("20.50.0.0/28"), Kind: lab.Kernel},
	)
	networks := []string{"10.50.0.0/28", "20.50.0.0/28", "192.0.2.0/28"}
	ours := writeList(t, "10.50.0.3 # asked us\n192.0.2.0/24\n10.0.0.0/8\n")
	for _, c := range []struct {
		name      string
		blocklist string
		allow     []citizen.Class
		found     []netip.Prefix
		left      string // classes that the report names
	}{
		{"by default", "", nil, []netip.Prefix{prefix("20.50.0.0/28")}, "private,documentation"},
		{"by name", citizen.ListSpecial, nil, []netip.Prefix{prefix("20.50.0.0/28")}, "private,documentation"},
		{"private ones allowed", "", private(), []netip.Prefix{prefix("20.50.0.0/28"), prefix("10.50.0.0/28")}, "private,documentation"},
		{"both allowed", "", []citizen.Class{citizen.Documentation, citizen.Private}, []netip.Prefix{prefix("20.50.0.0/28"), prefix("10.50.0.0/28"), prefix("192.0.2.0/28")}, ""},
		{"of C ZMap's list", citizen.ListZMap, private(), []netip.Prefix{prefix("20.50.0.0/28"), prefix("10.50.0.0/28")}, "private,documentation"},
		{"no list", os.DevNull, nil, []netip.Prefix{prefix("20.50.0.0/28"), prefix("10.50.0.0/28"), prefix("192.0.2.0/28")}, ""},
		{"of a file", ours, private(), []netip.Prefix{prefix("20.50.0.0/28"), prefix("10.50.0.0/28")}, "private,documentation"},
	} {
		t.Run(c.name, func(t *testing.T) {
			config, rows := synScan(networks...)
			config.Blocklist, config.AllowSpecial = c.blocklist, c.allow
			var r *Report
			probes := watched(t, net, lab.Probes, func() { r = run(t, config) })
			want := func(yield func(netip.Addr) bool) {
				for _, p := range c.found {
					for a := range addrsOf(p) {
						if (c.blocklist != ours || a != netip.MustParseAddr("10.50.0.3")) && !yield(a) {
							return
						}
					}
				}
			}
			eachOnce(t, "addresses asked", byTarget(probes), want)
			eachOnce(t, "hosts found", rows.count(row.first), want)
			got := ""
			if r.Excluded != nil {
				got = citizen.JoinClasses(r.Excluded.Classes)
			}
			if got != c.left {
				t.Errorf("classes to allow for the rest are %q, want %q", got, c.left)
			}
		})
	}
}

// TestSpecialErrors names networks that the default blocklist has, and no others.
func TestSpecialErrors(t *testing.T) {
	c, rows := synScan("10.50.0.0/28")
	c.AllowSpecial = nil
	_, err := Run(t.Context(), c)
	special, ok := errors.AsType[*citizen.SpecialError](err)
	if !ok || !errors.Is(err, target.ErrEmpty) || citizen.JoinClasses(special.Classes) != "private" || len(rows.rows) != 0 {
		t.Errorf("error %v, want one that names the class", err)
	}
	c.Networks, c.AddressList = nil, writeList(t, "10.1.2.3\n127.0.0.1\n")
	_, err = Run(t.Context(), c)
	if special, ok = errors.AsType[*citizen.SpecialError](err); !ok || citizen.JoinClasses(special.Classes) != "private,loopback" {
		t.Errorf("of a list of addresses: error %v, want one that names the classes", err)
	}
}

// TestDefaultBlocklistOrder: the default leaves what C ZMap's list leaves, so scans have the same order, and the first targets have the
// numbers that are known for seed 2 and 3702258432 addresses.
func TestDefaultBlocklistOrder(t *testing.T) {
	var first []netip.AddrPort
	for _, list := range []string{"", citizen.ListSpecial, citizen.ListZMap} {
		r, out := dryRun(t, Config{Ports: "80", Blocklist: list, Seed: seed(2), MaxTargets: TargetLimit{N: 4}}, true)
		if r.Space.Addrs() != 3702258432 {
			t.Errorf("list %q leaves %d addresses", list, r.Space.Addrs())
		}
		var want []netip.AddrPort
		for _, row := range []uint64{2175701282, 748538139, 2041065707, 2973872109} {
			want = append(want, netip.AddrPortFrom(r.Space.AddrAt(row), 80))
		}
		got := records(t, out)
		if !slices.Equal(got, want) {
			t.Errorf("list %q: first targets %v, want %v", list, got, want)
		}
		if first == nil {
			first = got
		}
		if !slices.Equal(got, first) {
			t.Errorf("list %q: first targets %v, the default's are %v", list, got, first)
		}
	}
}

// TestListWarnings reads lists with mistakes that may be passed over: the log has them all, also the name that is looked up
// last.
func TestListWarnings(t *testing.T) {
	var log bytes.Buffer
	c := Config{
		Networks: []string{"20.0.0.0/30", "nobody.invalid"}, Allowlist: writeList(t, "20.0.1.0/30\n1.2.3.4-1.2.3.9\n"), Ports: "80",
		IgnoreListErrors: true,
		Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.MessageKey {
				return a
			}
			return slog.Attr{}
		}})),
	}
	r, _ := dryRun(t, c, true)
	if r.Targets != 8 {
		t.Errorf("%d targets, want 8", r.Targets)
	}
	for _, part := range []string{"networks are named, and there is the allowlist", "list:2", `argument \"nobody.invalid\"`} {
		if n := bytes.Count(log.Bytes(), []byte(part)); n != 1 {
			t.Errorf("the log says %q %d times, want once:\n%s", part, n, log.String())
		}
	}
}

// TestUnknownListsAndClasses are mistakes in the configuration.
func TestUnknownListsAndClasses(t *testing.T) {
	c, _ := synScan("20.0.0.0/30")
	c.Blocklist, c.AllowSpecial = "builtin:none", []citizen.Class{citizen.Private, "none"}
	_, err := Run(t.Context(), c)
	if diff := cmp.Diff([]string{"AllowSpecial", "Blocklist"}, fields(err)); diff != "" {
		t.Errorf("error %v is about other fields (-want +got):\n%s", err, diff)
	}
}

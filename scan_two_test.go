package zmap

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/zmap-go/zmap/lab"
	"github.com/zmap-go/zmap/probe"
	"github.com/zmap-go/zmap/sink"
)

// TestScansBesideEachOther runs two scans with different networks, modules, seeds, sinks and hooks, first one after the other and then
// at once, three times: each finds what it found alone, and neither sees anything of the other.
func TestScansBesideEachOther(t *testing.T) {
	startNet(t, lab.Hosts{Prefix: prefix("10.21.0.0/22"), Kind: lab.Kernel}, lab.Hosts{Prefix: prefix("10.22.0.0/23"), Kind: lab.Kernel},
		lab.Hosts{Prefix: prefix("10.22.2.0/24"), Kind: lab.Refuse})
	ping, err := probe.New("icmp_echoscan", probe.Args{})
	if err != nil {
		t.Fatal(err)
	}
	scans := []func() result{
		func() result {
			c, rows := synScan("10.21.0.0/20", "10.22.2.0/24")
			c.Seed, c.Outputs[0].Filter = seed(1), "repeat = 0"
			return scanned(t, c, func() []string { return texts(rows) })
		},
		func() result {
			var out strings.Builder
			c, _ := synScan("10.22.0.0/20")
			c.Seed, c.Ports, c.Probe = seed(2), "", ping
			c.Outputs = to(sink.NewCSV(&out, sink.Options{Fields: "saddr,classification,success", NoHeader: true}))
			return scanned(t, c, func() []string { return strings.Fields(out.String()) })
		},
	}
	alone := []result{scans[0](), scans[1]()}
	if len(alone[0].rows) != 1024+256 || len(alone[1].rows) != 512+256 {
		t.Fatalf("alone the scans find %d and %d, want 1280 and 768", len(alone[0].rows), len(alone[1].rows))
	}
	for range 3 {
		together := make([]result, 2)
		var wg sync.WaitGroup
		for i, scan := range scans {
			wg.Go(func() { together[i] = scan() })
		}
		wg.Wait()
		for i := range scans {
			if a, b := alone[i], together[i]; !slices.Equal(a.rows, b.rows) || !slices.Equal(a.hits, b.hits) || a.counts != b.counts {
				t.Errorf("scan %d: %d rows, %d hits, %s alone; %d, %d, %s beside the other", i, len(a.rows), len(a.hits), a.counts,
					len(b.rows), len(b.hits), b.counts)
			}
		}
	}
}

// A result is what a scan found, in order of the addresses.
type result struct {
	rows   []string
	hits   []netip.Addr
	counts string
}

// scanned runs a scan and returns what it found.
func scanned(t *testing.T, c Config, rows func() []string) result {
	var r result
	c.Hooks.Hit = func(h Hit) { r.hits = append(r.hits, h.Addr) }
	report, err := Run(t.Context(), c)
	if err != nil || report.Hooks != nil {
		t.Errorf("scan of %v: error %v, hooks that failed: %v", c.Networks, err, report.Hooks)
	}
	r.rows = rows()
	slices.Sort(r.rows)
	slices.SortFunc(r.hits, netip.Addr.Compare)
	r.counts = fmt.Sprintf("%d targets, %d probes, %d answers, %d first successes, seed %d, reason %s", report.Targets, report.Sent,
		report.Passed, report.SuccessUnique, report.Seed, report.Reason)
	return r
}

// texts are the parts of a table's rows that are the same in each scan.
func texts(s *table) []string {
	var out []string
	for _, r := range s.rows {
		out = append(out, fmt.Sprint(r.addr("saddr"), r.num("sport"), r.class(), r.flag("success")))
	}
	return out
}

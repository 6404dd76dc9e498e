package zmap

import (
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/zmap-go/zmap/internal/engine"
	"github.com/zmap-go/zmap/lab"
	"github.com/zmap-go/zmap/probe"
)

// TestStopSendFailures sends frames that the interface refuses: they are longer than it takes from the start of the scan on.
func TestStopSendFailures(t *testing.T) {
	net := startNet(t, lab.Hosts{Prefix: prefix(stopNetwork), Kind: lab.Kernel})
	scan0, err := netlink.LinkByName(net.Link().Interface)
	if err != nil {
		t.Fatal(err)
	}
	c, rows := synScan(stopNetwork)
	c.Hooks.Start = func(*Plan, *Control) {
		if err := netlink.LinkSetMTU(scan0, 576); err != nil {
			t.Error(err)
		}
	}
	c.Ports, c.Rate = "", stopRate
	if c.Probe, err = probe.New("icmp_echoscan", probe.Args{Text: "text:" + strings.Repeat("x", 1000)}); err != nil {
		t.Fatal(err)
	}
	most := uint64(50)
	c.MaxSendFailures = &most
	r, err := Run(t.Context(), c)
	if r.Reason != engine.SendFailures || err == nil || !strings.HasPrefix(err.Error(), "too many send failures: ") {
		t.Errorf("reason %q, error %v; want too many send failures", r.Reason, err)
	}
	if r.Refused <= most || r.Sent != 0 || r.Targets >= stopTargets || len(rows.rows) != 0 {
		t.Errorf("%d frames refused, %d sent, %d targets, %d rows; want more than %d, 0, less than %d, 0",
			r.Refused, r.Sent, r.Targets, len(rows.rows), most, stopTargets)
	}
	checkReport(t, r, c)
}

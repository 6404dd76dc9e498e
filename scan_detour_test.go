package zmap

import (
	"net/netip"
	"testing"
	"time"

	"github.com/zmap-go/zmap/lab"
)

// TestAnswersByAnotherInterface scans where everything comes back by another interface than it leaves by. Told so, the scan
// finds what there is, with several source addresses; else it hears nothing.
func TestAnswersByAnotherInterface(t *testing.T) {
	n := startWorld(t, lab.World{Ports: []uint16{80}, Detour: true, Sources: 3, Hosts: []lab.Hosts{
		{Prefix: prefix("10.23.0.0/24"), Kind: lab.Kernel},
		{Prefix: prefix("10.23.1.0/24"), Kind: lab.Refuse},
		{Prefix: prefix("10.23.2.0/24"), Kind: lab.Late, Delay: 100 * time.Millisecond},
		{Prefix: prefix("10.23.3.0/24"), Kind: lab.ICMPError, Type: 3, Code: 1},
	}})
	c, rows := synScan("10.23.0.0/22")
	c.Receive = n.Link().Detour
	first := n.Link().Scanner
	c.Sources = []netip.Addr{first, first.Next().Next()}
	r := run(t, c)
	truth := n.Truth()
	eachOnce(t, "listening hosts", rows.count(row.first), truth.Addrs(lab.SYN(80), lab.SYNACK))
	eachOnce(t, "refusals", rows.count(func(r row) bool { return r.class() == "rst" }), truth.Addrs(lab.SYN(80), lab.RST))
	eachOnce(t, "errors", rows.count(func(r row) bool { return r.class() == "icmp" }), truth.Addrs(lab.SYN(80), lab.Unreachable))
	if r.Path.Interface != n.Link().Interface || r.Path.SourceMAC.String() != n.Link().ScannerMAC.String() {
		t.Errorf("sent on %s from %v, want %s and %v", r.Path.Interface, r.Path.SourceMAC, n.Link().Interface, n.Link().ScannerMAC)
	}
	c, rows = synScan("10.23.0.0/22")
	if r := run(t, c); len(rows.rows) != 0 || r.Received != 0 {
		t.Errorf("%d rows and %d frames where none arrives", len(rows.rows), r.Received)
	}
}

package zmap

import (
	"iter"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/zmap-go/zmap/lab"
)

// nextDoor puts a network of the test Internet next door: no router is between it and the scanner, so that its hosts have to be
// asked for their hardware addresses. Only those of kind Kernel answer.
func nextDoor(t *testing.T, n *lab.Net, network string) {
	t.Helper()
	p := prefix(network)
	route := &netlink.Route{
		LinkIndex: n.Link().Index, Scope: netlink.SCOPE_LINK, Src: n.Link().Scanner.AsSlice(),
		Dst: &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), 32)},
	}
	if err := netlink.RouteAdd(route); err != nil {
		t.Fatal(err)
	}
}

// TestTargetsOnTheLocalNetwork scans hosts next door and hosts behind the gateway at once. Those next door that do not answer
// ARP are named, and get no probe for any of their ports.
func TestTargetsOnTheLocalNetwork(t *testing.T) {
	n := startNet(t,
		lab.Hosts{Prefix: prefix("10.21.0.0/26"), Kind: lab.Kernel},
		lab.Hosts{Prefix: prefix("10.21.0.128/26"), Kind: lab.Kernel},
		lab.Hosts{Prefix: prefix("10.22.0.0/24"), Kind: lab.Kernel},
	)
	nextDoor(t, n, "10.21.0.0/24")
	c, rows := synScan("10.21.0.0/24", "10.22.0.0/24")
	c.Ports = "80,81"
	r := run(t, c)
	open := func(r row) bool { return r.first() && r.num("sport") == 80 }
	eachOnce(t, "listening hosts", rows.count(open), n.Truth().Addrs(lab.SYN(80), lab.SYNACK))
	refused := func(r row) bool { return r.class() == "rst" && r.num("sport") == 81 }
	eachOnce(t, "closed ports", rows.count(refused), n.Truth().Addrs(lab.SYN(81), lab.RST))
	silent := slices.Collect(silentNextDoor())
	if !slices.Equal(r.Silent, silent) {
		t.Errorf("%d addresses are named as silent, want %d: %v", len(r.Silent), len(silent), r.Silent)
	}
	got := []uint64{r.Targets, r.Unreachable, r.Sent, r.SuccessUnique}
	want := []uint64{2 * 512, 2 * 128, 2 * (512 - 128), 128 + 256}
	if !equal(got, want) {
		t.Errorf("targets, unreachable ones, frames sent, successes: %d, want %d", got, want)
	}
	if syns := tally(t, n).SYNs; syns != r.Sent {
		t.Errorf("%d SYNs arrived at the hosts, want %d", syns, r.Sent)
	}
}

// silentNextDoor yields the addresses of 10.21.0.0/24 that TestTargetsOnTheLocalNetwork has no host for.
func silentNextDoor() iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		for a := range addrsOf(prefix("10.21.0.0/24")) {
			if a.As4()[3]&64 != 0 && !yield(a) {
				return
			}
		}
	}
}

// TestTooManyNextDoor is refused before anybody is asked.
func TestTooManyNextDoor(t *testing.T) {
	n := startNet(t)
	nextDoor(t, n, "10.64.0.0/15")
	c, rows := synScan("10.64.0.0/15")
	noWay(t, c, rows, "more than 65535 of them are on scan0", "with a gateway MAC address")
	c, rows = synScan("10.64.0.0/15")
	c.Packets = true
	if err := noWay(t, c, rows, "more than 65535 of them are on scan0"); strings.Contains(err.Error(), "gateway") {
		t.Errorf("error %q names what is of no use for IP packets", err)
	}
}

package zmap

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/zmap-go/zmap/lab"
	"github.com/zmap-go/zmap/probe"
)

// startTun makes a tun interface with a world behind it.
func startTun(t *testing.T, mtu int, w lab.World) *lab.Tun {
	t.Helper()
	tun, err := lab.OpenTun("tun0", mtu, netip.MustParseAddr("10.25.0.1"), w)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tun.Close(); err != nil {
			t.Error(err)
		}
	})
	return tun
}

// tunCooldown is long enough for the far end, which shares this process and its processors with the scan.
const tunCooldown = time.Second

// tunWorld has a bit of everything.
func tunWorld() lab.World {
	return lab.World{Ports: []uint16{80}, Hosts: []lab.Hosts{
		{Prefix: prefix("10.26.0.0/24"), Kind: lab.Kernel},
		{Prefix: prefix("10.26.1.0/25"), Kind: lab.Refuse},
		{Prefix: prefix("10.26.1.128/25"), Kind: lab.Silent},
		{Prefix: prefix("10.26.2.0/25"), Kind: lab.Late, Delay: 100 * time.Millisecond},
		{Prefix: prefix("10.26.2.128/25"), Kind: lab.Twice},
		{Prefix: prefix("10.26.3.0/25"), Kind: lab.ICMPError, Type: 3, Code: 1, Router: netip.MustParseAddr("10.26.9.9")},
		{Prefix: prefix("10.26.3.128/25"), Kind: lab.ForgeOnly, Forgery: lab.WrongAck},
	}}
}

// TestInterfaceWithoutLinkLayer scans over a tun device: packets begin at the IP header, and there are no hardware addresses.
func TestInterfaceWithoutLinkLayer(t *testing.T) {
	tun := startTun(t, 1400, tunWorld())
	c, rows := synScan("10.26.0.0/22")
	c.Cooldown = tunCooldown
	r := run(t, c)
	checkTunRows(t, tun, r, rows)
	if r.Link != "socket" || r.Path.Ether || !r.Path.HopMAC.IsZero() || !r.Path.SourceMAC.IsZero() || r.Path.MTU != 1400 {
		t.Errorf("link %s, path %+v; want socket, and no hardware addresses", r.Link, r.Path)
	}
}

// checkTunRows compares rows with what is behind the interface.
func checkTunRows(t *testing.T, tun *lab.Tun, r *Report, rows *table) {
	t.Helper()
	truth := tun.Truth()
	eachOnce(t, "first successes", rows.count(row.first), truth.Addrs(lab.SYN(80), lab.SYNACK))
	twice := ofKind(truth, truth.Addrs(lab.SYN(80), lab.SYNACK), lab.Twice)
	eachOnce(t, "repeats", rows.count(func(r row) bool { return r.flag("repeat") }), twice)
	eachOnce(t, "refusals", rows.count(func(r row) bool { return r.class() == "rst" }), truth.Addrs(lab.SYN(80), lab.RST))
	eachOnce(t, "errors", rows.count(func(r row) bool { return r.class() == "icmp" }), truth.Addrs(lab.SYN(80), lab.Unreachable))
	if r.Sent != 1024 || r.Refused != 0 || r.Unreachable != 0 || r.Lost != 0 || r.Path.Interface != tun.Name() {
		t.Errorf("by %s: %d sent, %d refused, %d unreachable, %d lost; want %s, 1024, 0, 0, 0",
			r.Path.Interface, r.Sent, r.Refused, r.Unreachable, r.Lost, tun.Name())
	}
}

// TestProbeLongerThanTheInterfaceTakes is refused before the first one, but for dry runs. One that just fits is not.
func TestProbeLongerThanTheInterfaceTakes(t *testing.T) {
	startTun(t, 600, tunWorld())
	datagram := func(n int) Config { // of n bytes with the IP header
		c, _ := synScan("10.26.0.0/28")
		p, err := probe.New("udp", probe.Args{Text: "text:" + strings.Repeat("x", n-28)})
		if err != nil {
			t.Fatal(err)
		}
		c.Probe = p
		return c
	}
	c := datagram(600)
	if r := run(t, c); r.Sent != 16 || r.Refused != 0 {
		t.Errorf("%d sent, %d refused; want 16 and 0", r.Sent, r.Refused)
	}
	c = datagram(601)
	c.Hooks.Start = func(*Plan, *Control) { t.Error("the scan began") }
	r, err := Run(t.Context(), c)
	if err == nil || r.Sent != 0 {
		t.Fatalf("%d sent, error %v; want one", r.Sent, err)
	}
	for _, word := range []string{"601 bytes", "tun0 takes at most 600", "udp", "ip link set tun0 mtu 601"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("error %q does not say %q", err, word)
		}
	}
	var out bytes.Buffer
	c = datagram(601)
	c.DryRun = &DryRun{W: &out}
	r, err = Run(t.Context(), c)
	if err != nil || out.Len() == 0 || r.Path.Missing == nil || !strings.Contains(r.Path.Missing.Error(), "601 bytes") {
		t.Errorf("dry run: error %v, %d bytes, %v would be missing; want that the probe is too long", err, out.Len(), r.Path.Missing)
	}
}

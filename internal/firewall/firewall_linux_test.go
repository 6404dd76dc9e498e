package firewall

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"

	"github.com/zmap-go/zmap/lab/wire"
	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/link/afpacket"
	"github.com/zmap-go/zmap/packet"
)

const (
	ours4, other4, theirs4 = "10.88.0.1", "10.88.0.3", "10.88.0.2"
	ours6, theirs6         = "fd88::1", "fd88::2"
	first, last            = 10_000, 10_099 // the scan's ports
)

// A bed is an interface of the kernel's, whose far end is a packet socket.
type bed struct {
	cfg link.Config // of a scan by the interface
	far *link.Link
	n   uint16 // segments sent; each comes from a port of its own
}

// lay makes a bed, which lasts until the test ends.
func lay(t *testing.T) *bed {
	t.Helper()
	w := wire.Lay(t, wire.Plan{})
	name := w.A.Attrs().Name
	_ = os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/disable_ipv6", []byte("0"), 0)
	_ = os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/accept_dad", []byte("0"), 0)
	for _, a := range []string{ours4 + "/24", other4 + "/24", ours6 + "/64"} {
		addr, err := netlink.ParseAddr(a)
		must(t, err)
		must(t, netlink.AddrAdd(w.A, addr))
	}
	for _, a := range []string{theirs4, theirs6} {
		must(t, netlink.NeighAdd(&netlink.Neigh{
			LinkIndex: w.A.Attrs().Index, State: netlink.NUD_PERMANENT, IP: net.ParseIP(a), HardwareAddr: w.B.Attrs().HardwareAddr,
		}))
	}
	return &bed{
		cfg: link.Config{
			Interface: name, Ether: true,
			Filter: link.Filter{Local: []netip.Addr{netip.MustParseAddr(ours4), netip.MustParseAddr(ours6)}, TCP: link.TCPAll},
		},
		far: wire.Open(t, afpacket.Engine{}, w.B, link.Config{Ether: true, Filter: link.Filter{TCP: link.TCPAll}}),
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// scan opens a link with a policy for the scan's ports.
func (b *bed) scan(t *testing.T, p link.RSTPolicy) *link.Link {
	t.Helper()
	cfg := b.cfg
	cfg.Filter.Ports = []link.PortRange{{First: first, Last: last, RST: p}}
	l, err := Engine{afpacket.Engine{}}.Open(t.Context(), cfg)
	must(t, err)
	return l
}

// answer sends a segment to the kernel and returns the flags of what it answers; nothing, if it does not.
func (b *bed) answer(t *testing.T, to string, flags packet.TCPFlags) packet.TCPFlags {
	t.Helper()
	dst := netip.MustParseAddrPort(to)
	b.n++
	src := netip.AddrPortFrom(netip.MustParseAddr(theirs4), b.n)
	if dst.Addr().Is6() {
		src = netip.AddrPortFrom(netip.MustParseAddr(theirs6), b.n)
	}
	tx := b.far.TX[0]
	slots := make([]link.Slot, 1)
	if tx.Reserve(slots, time.Second) != 1 {
		t.Fatal("no slot")
	}
	slots[0].N = segment(slots[0].Data, src, dst, flags)
	must(t, tx.Submit(slots))
	var got packet.TCPFlags
	for end := time.Now().Add(100 * time.Millisecond); got == 0 && time.Now().Before(end); {
		_, err := b.far.RX[0].Poll(10*time.Millisecond, func(f *link.Frame) {
			var p packet.Parsed
			if p.Decode(f.Data, packet.LinkEthernet) == packet.KindTCP && p.Src == dst.Addr() && p.SrcPort == dst.Port() {
				got = p.TCP.Flags()
			}
		})
		must(t, err)
	}
	return got
}

// segment writes a frame.
func segment(b []byte, src, dst netip.AddrPort, flags packet.TCPFlags) int {
	copy(b, []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0})
	f := packet.TCPFields{SrcPort: src.Port(), DstPort: dst.Port(), Seq: 1000, Ack: 2000, Flags: flags, Window: 1000}
	n := packet.EthernetLen + packet.IPv4Len
	if dst.Addr().Is6() {
		b[12], b[13], n = 0x86, 0xdd, packet.EthernetLen+packet.IPv6Len
		packet.IPv6Fields{PayloadLen: f.Len(), NextHeader: packet.ProtoTCP, HopLimit: 64, Src: src.Addr(), Dst: dst.Addr()}.Encode(b[packet.EthernetLen:])
	} else {
		packet.IPv4Fields{TotalLen: packet.IPv4Len + f.Len(), TTL: 64, Proto: packet.ProtoTCP, Src: src.Addr(), Dst: dst.Addr()}.Encode(b[packet.EthernetLen:])
	}
	f.Encode(b[n:])[:f.Len()].FillChecksum(packet.PseudoHeader(src.Addr(), dst.Addr(), packet.ProtoTCP, f.Len()))
	return n + f.Len()
}

// TestWhatTheStackSees has the kernel answer what it sees of segments that it knows nothing of, under each policy, and before and
// after there is one.
func TestWhatTheStackSees(t *testing.T) {
	const (
		synack = packet.SYN | packet.ACK
		rst    = packet.RST
		none   = packet.TCPFlags(0)
	)
	b := lay(t)
	l, err := net.Listen("tcp", "0.0.0.0:10050")
	must(t, err)
	defer l.Close()
	for _, c := range []struct {
		to                      string
		send                    packet.TCPFlags
		free, handover, oneshot packet.TCPFlags
	}{
		{ours4 + ":10000", synack, rst, none, none},
		{ours4 + ":10099", synack, rst, none, none},
		{"[" + ours6 + "]:10000", synack, rst, none, none},
		{ours4 + ":10001", packet.ACK, rst, rst, none},
		{"[" + ours6 + "]:10001", packet.ACK, rst, rst, none},
		{ours4 + ":10002", packet.SYN, rst | packet.ACK, rst | packet.ACK, none},
		{ours4 + ":9999", synack, rst, rst, rst},               // not the scan's port
		{ours4 + ":10100", synack, rst, rst, rst},              // nor that
		{other4 + ":10000", synack, rst, rst, rst},             // not the scan's address
		{ours4 + ":10050", packet.SYN, synack, synack, synack}, // a server of this host
	} {
		try := func(when string, want packet.TCPFlags) {
			t.Helper()
			if got := b.answer(t, c.to, c.send); got.Has(packet.RST) != want.Has(packet.RST) || got.Has(packet.SYN) != want.Has(packet.SYN) {
				t.Errorf("%s: %v to %s is answered by %v, want %v", when, c.send, c.to, got, want)
			}
		}
		try("before", c.free)
		for policy, want := range map[link.RSTPolicy]packet.TCPFlags{link.RSTHandover: c.handover, link.RSTOneshot: c.oneshot} {
			s := b.scan(t, policy)
			try(fmt.Sprint("policy ", policy), want)
			must(t, s.Close())
			try("after", c.free)
		}
	}
	if n := tables(t); n != 0 {
		t.Errorf("%d tables are left", n)
	}
}

// tables counts those of the kernel.
func tables(t *testing.T) int {
	t.Helper()
	c, err := nftables.New()
	must(t, err)
	all, err := c.ListTables()
	must(t, err)
	return len(all)
}

// TestKilled has rules go with their process, even if that gets no chance to do anything.
func TestKilled(t *testing.T) {
	if name := os.Getenv("FIREWALL_HOLD"); name != "" { // the process to be killed
		_, err := raise(link.Config{Interface: name, Filter: link.Filter{Ports: []link.PortRange{{First: first, Last: last, RST: link.RSTOneshot}}}})
		must(t, err)
		fmt.Println("standing")
		select {}
	}
	b := lay(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestKilled$")
	cmd.Env = append(os.Environ(), "FIREWALL_HOLD="+b.cfg.Interface)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "standing\n" {
		t.Fatal(line, err)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	if n := tables(t); n != 1 {
		t.Errorf("%d tables while it runs, want 1", n)
	}
	if got := b.answer(t, ours4+":10000", packet.SYN|packet.ACK); got != 0 {
		t.Errorf("a SYN-ACK is answered by %v", got)
	}
	must(t, cmd.Process.Kill())
	_ = cmd.Wait()
	if n := tables(t); n != 0 {
		t.Errorf("%d tables after it was killed", n)
	}
}

// TestOthersMayNotTouchIt has another program fail to remove the table, and leave other tables alone.
func TestOthersMayNotTouchIt(t *testing.T) {
	b := lay(t)
	c, err := nftables.New()
	must(t, err)
	c.AddTable(&nftables.Table{Name: "mine", Family: nftables.TableFamilyINet})
	must(t, c.Flush())
	s := b.scan(t, link.RSTOneshot)
	all, err := c.ListTables()
	must(t, err)
	if len(all) != 2 {
		t.Fatalf("%d tables, want 2", len(all))
	}
	for _, table := range all {
		if table.Name != "mine" {
			c.DelTable(table)
		}
	}
	if err := c.Flush(); err == nil {
		t.Error("another program removes the table")
	}
	must(t, s.Close())
	if all, err = c.ListTables(); err != nil || len(all) != 1 || all[0].Name != "mine" {
		t.Errorf("left are %v, %v", all, err)
	}
	c.DelTable(all[0])
	must(t, c.Flush())
}

// TestCheck agrees with Open, and with what rules cannot do.
func TestCheck(t *testing.T) {
	b := lay(t)
	for policy, want := range map[link.RSTPolicy]bool{link.RSTPass: true, link.RSTReset: false, link.RSTHandover: true, link.RSTOneshot: true} {
		cfg := b.cfg
		cfg.Filter.Ports = []link.PortRange{{First: first, Last: last, RST: policy}}
		e := Engine{afpacket.Engine{}}
		_, err := e.Check(t.Context(), cfg)
		l, openErr := e.Open(t.Context(), cfg)
		if (err == nil) != want || (openErr == nil) != want {
			t.Errorf("policy %d: check says %v, open %v", policy, err, openErr)
		}
		if openErr == nil {
			must(t, l.Close())
		}
	}
}

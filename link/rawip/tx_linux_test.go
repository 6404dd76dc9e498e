package rawip

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/zmap-go/zmap/lab/wire"
	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/link/afpacket"
	"github.com/zmap-go/zmap/link/linktest"
	"github.com/zmap-go/zmap/link/mmsg"
)

// datagram is an IP packet to a host.
func datagram(to string) []byte {
	dst := netip.MustParseAddr(to)
	s := linktest.Spec{Src: netip.MustParseAddr("10.0.0.1"), Dst: dst, Proto: linktest.ProtoUDP, Port: 9, Pad: 12}
	if dst.Is6() {
		s.Src = netip.MustParseAddr("2001:db8:ffff::1")
	}
	return s.Frame(false)
}

// submit sends the packets in one batch.
func submit(t testing.TB, tx link.TX, packets ...[]byte) error {
	t.Helper()
	slots := make([]link.Slot, len(packets))
	if n := tx.Reserve(slots, 0); n != len(packets) {
		t.Fatalf("%d slots, want %d", n, len(packets))
	}
	for i := range slots {
		slots[i].N = copy(slots[i].Data, packets[i])
	}
	return tx.Submit(slots)
}

// arrived returns the destinations of packets and the hardware addresses that they were sent to, until nothing comes any more.
func arrived(t *testing.T, rx link.RX) []string {
	t.Helper()
	var all []string
	for {
		n, err := rx.Poll(60*time.Millisecond, func(f *link.Frame) {
			ip := f.Data[14:]
			dst := netip.AddrFrom16([16]byte(ip[24:40]))
			if ip[0]>>4 == 4 {
				dst = netip.AddrFrom4([4]byte(ip[16:20]))
			}
			all = append(all, fmt.Sprintf("%v by %v", dst, net.HardwareAddr(f.Data[:6])))
		})
		must(t, err)
		if n == 0 {
			return all
		}
	}
}

// Every packet takes the way that the kernel's routes have for its destination: hosts next door get it at their own hardware
// address, others at that of the gateway of their route.
func TestNextHopOfEachPacket(t *testing.T) {
	p := wire.Lay(t, wire.Plan{Routed: true})
	must(t, netlink.LinkSetARPOn(p.A))
	must(t, netlink.AddrAdd(p.A, &netlink.Addr{IPNet: network("10.0.0.1/24")}))
	must(t, netlink.AddrAdd(p.A, &netlink.Addr{IPNet: network("2001:db8:ffff::1/64"), Flags: unix.IFA_F_NODAD}))
	for i, host := range []string{"10.0.0.7", "10.0.0.8", "10.0.0.9", "2001:db8:ffff::7"} {
		must(t, netlink.NeighSet(&netlink.Neigh{
			LinkIndex: p.A.Attrs().Index, IP: net.ParseIP(host), State: netlink.NUD_PERMANENT,
			HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 0, byte(i)},
		}))
	}
	for dst, via := range map[string]string{"10.8.0.0/16": "10.0.0.8", "10.9.0.0/16": "10.0.0.9", "2001:db8:9::/48": "2001:db8:ffff::7"} {
		must(t, netlink.RouteAdd(&netlink.Route{LinkIndex: p.A.Attrs().Index, Dst: network(dst), Gw: net.ParseIP(via)}))
	}
	a := wire.Open(t, Engine{}, p.A, link.Config{})
	b := wire.Open(t, afpacket.Engine{}, p.B, link.Config{Ether: true, Filter: link.Filter{UDP: true}})
	must(t, submit(t, a.TX[0],
		datagram("10.0.0.7"), datagram("10.8.1.2"), datagram("2001:db8:9::1"), datagram("10.9.1.2"), datagram("10.0.0.9"),
	))
	must(t, submit(t, a.Control, datagram("2001:db8:ffff::7")))
	want := "10.0.0.7 by 02:00:00:00:00:00, 10.8.1.2 by 02:00:00:00:00:01, 2001:db8:9::1 by 02:00:00:00:00:03, " +
		"10.9.1.2 by 02:00:00:00:00:02, 10.0.0.9 by 02:00:00:00:00:02, 2001:db8:ffff::7 by 02:00:00:00:00:03"
	if got := strings.Join(arrived(t, b.RX[0]), ", "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, want := a.TX[0].Stats(), (link.TXStats{Queued: 5, Sent: 5}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// What the kernel does not send is refused packet by packet, and those between leave. A target without a route is not among it:
// for a socket that is bound to an interface, IPv4 takes it for one on the link.
func TestRefusals(t *testing.T) {
	p := wire.Lay(t, wire.Plan{Routed: true})
	must(t, netlink.AddrAdd(p.A, &netlink.Addr{IPNet: network("10.0.0.1/24")}))
	must(t, netlink.RouteAdd(&netlink.Route{LinkIndex: p.A.Attrs().Index, Scope: netlink.SCOPE_LINK, Dst: network("10.1.0.0/16")}))
	a := wire.Open(t, Engine{}, p.A, link.Config{Retries: 10})
	b := wire.Open(t, afpacket.Engine{}, p.B, link.Config{Ether: true, Filter: link.Filter{UDP: true}})
	good := datagram("10.1.0.9")
	long := append(datagram("10.1.0.9"), make([]byte, 1480)...)
	other := append([]byte(nil), good...)
	other[0] = 0x55 // of no version of IP
	for name, bad := range map[string][]byte{
		"no IPv6 route": datagram("2001:db8::1"), "broadcast": datagram("10.0.0.255"),
		"too long": long, "cut short": good[:19], "empty": nil, "no IP": other,
	} {
		before := a.TX[0].Stats()
		must(t, submit(t, a.TX[0], bad, good, bad, bad, good, bad))
		got := a.TX[0].Stats()
		if got.Sent-before.Sent != 2 || got.Refused-before.Refused != 4 || got.Retried != 0 {
			t.Errorf("%s: %+v before, %+v then; want 2 more sent and 4 refused, without retries", name, before, got)
		}
	}
	if got := len(arrived(t, b.RX[0])); got != 12 {
		t.Errorf("%d packets arrived, want 12", got)
	}
}

// The kernel tells when a queueing discipline is full.
func TestFullQueueIsRefused(t *testing.T) {
	p := wire.Lay(t, wire.Plan{Routed: true})
	everywhere(t, p)
	must(t, netlink.QdiscAdd(&netlink.Tbf{
		QdiscAttrs: netlink.QdiscAttrs{LinkIndex: p.A.Attrs().Index, Handle: netlink.MakeHandle(1, 0), Parent: netlink.HANDLE_ROOT},
		Rate:       1000, Limit: 3000, Buffer: 1600 * 1000,
	}))
	tx := wire.Open(t, Engine{}, p.A, link.Config{Retries: 2}).TX[0]
	var packets [][]byte
	for range 64 {
		packets = append(packets, datagram("10.1.2.3"))
	}
	for range 5 {
		must(t, submit(t, tx, packets...))
	}
	if s := tx.Stats(); s.Queued != 320 || s.Sent+s.Refused != 320 || s.Refused == 0 || s.Sent == 0 || s.Retried == 0 {
		t.Errorf("got %+v, want 320 accounted for, some of them refused after retries", s)
	}
}

// A remote host can send ICMP errors about packets of the sockets' own protocol, which nobody sends. Kernels return the error in
// place of sending the next packet, which must leave all the same; those since the beginning of 2026 drop such errors.
func TestErrorsFromRemote(t *testing.T) {
	p := wire.Lay(t, wire.Plan{Routed: true})
	everywhere(t, p)
	must(t, netlink.AddrAdd(p.A, &netlink.Addr{IPNet: network("10.0.0.1/32")}))
	a := wire.Open(t, Engine{}, p.A, link.Config{})
	b := wire.Open(t, afpacket.Engine{}, p.B, link.Config{Ether: true, Filter: link.Filter{UDP: true}})
	other, err := ipv4.socket(outlet{afpacket.Device{Name: p.A.Attrs().Name, Index: p.A.Attrs().Index}}) // one like those of the queue
	must(t, err)
	defer unix.Close(other)
	heard := 0
	for round := range uint64(20) {
		must(t, submit(t, b.TX[0], icmpError(p)))
		time.Sleep(5 * time.Millisecond)
		errno, err := unix.GetsockoptInt(other, unix.SOL_SOCKET, unix.SO_ERROR)
		must(t, err)
		if errno != 0 {
			heard++
		}
		must(t, submit(t, a.TX[0], datagram("10.1.0.1"), datagram("10.1.0.2")))
		if got, want := a.TX[0].Stats(), (link.TXStats{Queued: 2 * (round + 1), Sent: 2 * (round + 1)}); got != want {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	}
	if n := len(arrived(t, b.RX[0])); n != 40 {
		t.Errorf("%d packets arrived, want 40", n)
	}
	t.Logf("the kernel told sockets of %d of 20 errors", heard)
}

// icmpError is a frame to end a: host unreachable, about a packet of protocol 255.
func icmpError(p wire.Wire) []byte {
	sum := func(b []byte) uint16 {
		s := uint32(0)
		for i := 0; i < len(b); i += 2 {
			s += uint32(binary.BigEndian.Uint16(b[i:]))
		}
		return ^uint16(s>>16 + s)
	}
	header := func(src, dst string, proto byte, n int) []byte {
		h := []byte{0x45, 0, 0, byte(20 + n), 0, 1, 0, 0, 64, proto, 0, 0}
		h = append(append(h, netip.MustParseAddr(src).AsSlice()...), netip.MustParseAddr(dst).AsSlice()...)
		binary.BigEndian.PutUint16(h[10:], sum(h))
		return h
	}
	message := append([]byte{3, 1, 0, 0, 0, 0, 0, 0}, header("10.0.0.1", "10.1.0.1", 255, 8)...)
	message = append(message, make([]byte, 8)...)
	binary.BigEndian.PutUint16(message[2:], sum(message))
	frame := append([]byte(nil), p.A.Attrs().HardwareAddr...)
	frame = append(frame, p.B.Attrs().HardwareAddr...)
	frame = append(frame, 0x08, 0x00)
	frame = append(frame, header("10.1.0.1", "10.0.0.1", 1, len(message))...)
	return append(frame, message...)
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	p := wire.Lay(t, wire.Plan{Routed: true})
	for want, cfg := range map[string]link.Config{
		"--iplayer":                 {Interface: p.A.Attrs().Name, Ether: true},
		"look up interface nosuch0": {Interface: "nosuch0"},
		"look up interface nosuch1": {Interface: p.A.Attrs().Name, Receive: "nosuch1"},
		"--rst pass": {
			Interface: p.A.Attrs().Name, Filter: link.Filter{Ports: []link.PortRange{{First: 1, Last: 2, RST: link.RSTReset}}},
		},
		"senders is -1":               {Interface: p.A.Attrs().Name, Senders: -1},
		"neither a name nor a number": {},
	} {
		for _, try := range []func() error{
			func() error { _, err := Engine{}.Open(t.Context(), cfg); return err },
			func() error { _, err := Engine{}.Check(t.Context(), cfg); return err },
		} {
			before := openFiles(t)
			if err := try(); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%+v: got error %v, want one with %q", cfg, err, want)
			}
			if n := openFiles(t); n != before {
				t.Errorf("%d files open, %d before", n, before)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (Engine{}).Open(ctx, link.Config{Interface: "lo"}); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want %v", err, context.Canceled)
	}
	must(t, netlink.LinkSetDown(p.A))
	if _, err := (Engine{}).Open(t.Context(), link.Config{Interface: p.A.Attrs().Name}); !errors.Is(err, link.ErrDown) {
		t.Errorf("got error %v, want %v", err, link.ErrDown)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(entries)
}

// Check says what Open takes, and leaves nothing open.
func TestCheck(t *testing.T) {
	p := wire.Lay(t, wire.Plan{Routed: true})
	before := openFiles(t)
	cfg := link.Config{Interface: p.A.Attrs().Name, Senders: 3, Receivers: 2, Batch: 7, RingBytes: 1 << 20}
	memory, err := Engine{}.Check(t.Context(), cfg)
	must(t, err)
	if n := openFiles(t); n != before {
		t.Errorf("%d files open after Check, %d before", n, before)
	}
	l := wire.Open(t, Engine{}, p.A, cfg)
	want := 2 * uint64(1<<20)
	for _, tx := range append(l.TX, l.Control) {
		want += tx.(*mmsg.Queue).Memory()
	}
	if memory != want || len(l.TX) != 3 || len(l.RX) != 2 {
		t.Errorf("Check says %d bytes, want %d; the link has %d and %d queues, want 3 and 2", memory, want, len(l.TX), len(l.RX))
	}
}

// A thread without the capability must learn how to get it.
func TestOpenWithoutCapability(t *testing.T) {
	p := wire.Lay(t, wire.Plan{Routed: true})
	errs := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		if err := unix.Capset(&hdr, &make([]unix.CapUserData, 2)[0]); err != nil {
			errs <- err
			return
		}
		_, err := Engine{}.Open(t.Context(), link.Config{Interface: p.A.Attrs().Name})
		errs <- err
	}()
	if err := <-errs; !errors.Is(err, os.ErrPermission) || !strings.Contains(err.Error(), "sudo setcap cap_net_raw+ep /") {
		t.Errorf("got error %v, want one that wraps %v and says what to do", err, os.ErrPermission)
	}
}

func TestDeletedInterface(t *testing.T) {
	p := wire.Lay(t, wire.Plan{Routed: true})
	everywhere(t, p)
	l := wire.Open(t, Engine{}, p.A, link.Config{})
	must(t, netlink.LinkDel(p.A))
	if err := submit(t, l.TX[0], datagram("10.1.1.1"), datagram("10.1.1.1")); !errors.Is(err, link.ErrDown) {
		t.Errorf("submit: got error %v, want %v", err, link.ErrDown)
	}
	if got, want := l.TX[0].Stats(), (link.TXStats{Queued: 2, Refused: 2}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestSubmitAllocatesNothing(t *testing.T) {
	p := wire.Lay(t, wire.Plan{Routed: true})
	everywhere(t, p)
	tx := wire.Open(t, Engine{}, p.A, link.Config{}).TX[0]
	slots := make([]link.Slot, 64)
	packets := [2][]byte{datagram("10.1.1.1"), datagram("2001:db8::1")}
	if n := testing.AllocsPerRun(50, func() {
		for i := range tx.Reserve(slots, 0) {
			slots[i].N = copy(slots[i].Data, packets[i%2])
		}
		if err := tx.Submit(slots); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations per batch, want 0", n)
	}
}

// BenchmarkSend sends short packets into a wire whose far end drops them.
func BenchmarkSend(b *testing.B) {
	p := wire.Lay(b, wire.Plan{Routed: true})
	everywhere(b, p)
	tx := wire.Open(b, Engine{}, p.A, link.Config{}).TX[0]
	slots, packet, target := make([]link.Slot, 64), datagram("10.0.0.9"), uint32(0)
	b.ReportAllocs()
	for b.Loop() {
		for i := range tx.Reserve(slots, 0) {
			slots[i].N = copy(slots[i].Data, packet)
			target++
			binary.BigEndian.PutUint32(slots[i].Data[16:], 10<<24|target&0xffffff)
		}
		must(b, tx.Submit(slots))
	}
	sent := tx.Stats().Sent
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(sent), "ns/frame")
	b.ReportMetric(float64(sent)/b.Elapsed().Seconds()/1e6, "Mpps")
	b.ReportMetric(0, "ns/op") // of a batch: of no use
}

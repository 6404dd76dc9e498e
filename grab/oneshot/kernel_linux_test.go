package oneshot

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/grab/grabtest"
	"github.com/zmap-go/zmap/packet"
)

// A kernelBed is a tun interface: its near end is a kernel with real servers, its far end is a stack, whose address the kernel
// does not have. In between packets may get lost and overtake each other.
type kernelBed struct {
	file   *os.File
	stack  *Stack
	way    grabtest.Way
	synack chan grab.Half

	mu  sync.Mutex
	rnd *rand.Rand
}

const (
	kernel4, ours4 = "10.77.0.1", "10.77.0.2"
	kernel6, ours6 = "fd77::1", "fd77::2"
)

// layTun makes the interface, which lasts until the test ends.
func layTun(t testing.TB) *os.File {
	t.Helper()
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("one%08x", rand.Uint32())
	req, err := unix.NewIfreq(name)
	if err != nil {
		t.Fatal(err)
	}
	req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, req); err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fd), "tun")
	t.Cleanup(func() { file.Close() })
	_ = os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/accept_dad", []byte("0"), 0)
	l, err := netlink.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []string{kernel4 + "/24", kernel6 + "/64"} {
		addr, err := netlink.ParseAddr(a)
		if err != nil {
			t.Fatal(err)
		}
		addr.Flags = unix.IFA_F_NODAD
		if err := netlink.AddrAdd(l, addr); err != nil {
			t.Fatalf("add %s: %v", a, err)
		}
	}
	if err := errors.Join(netlink.LinkSetTxQLen(l, 10_000), netlink.LinkSetUp(l)); err != nil {
		t.Fatal(err)
	}
	return file
}

// newKernelBed makes a bed with a stack, both of which last until the test ends.
func newKernelBed(t testing.TB, way grabtest.Way) *kernelBed {
	t.Helper()
	b := &kernelBed{file: layTun(t), way: way, synack: make(chan grab.Half, 1000), rnd: rand.New(rand.NewPCG(7, 7))}
	b.stack = New(Config{TX: newCable(func(frame []byte) { b.pass(frame, b.write) })})
	done := make(chan struct{})
	t.Cleanup(func() {
		if err := b.stack.Close(); err != nil {
			t.Error(err)
		}
		b.file.Close()
		<-done
	})
	go func() {
		defer close(done)
		buf := make([]byte, 1<<16)
		for {
			n, err := b.file.Read(buf)
			if err != nil {
				return
			}
			b.pass(buf[:n], b.receive)
		}
	}()
	return b
}

func (b *kernelBed) write(frame []byte) { _, _ = b.file.Write(frame) } // fails when the interface is gone

// pass hands a packet on, or not, or later.
func (b *kernelBed) pass(frame []byte, to func([]byte)) {
	var p packet.Parsed
	p.Decode(frame, packet.LinkIP)
	if p.Kind == packet.KindTCP && p.TCP.Flags().Has(packet.SYN) {
		if b.way.Twice && p.TCP.Flags().Has(packet.ACK) {
			again := append([]byte(nil), frame...)
			time.AfterFunc(30*time.Millisecond, func() { to(again) })
		}
		to(frame)
		return
	}
	b.mu.Lock()
	lost := b.rnd.Float64() < b.way.Loss
	late := time.Duration(0)
	if b.way.Reorder && b.rnd.IntN(5) == 0 {
		late = time.Duration(1+b.rnd.IntN(4000)) * time.Microsecond
	}
	b.mu.Unlock()
	switch {
	case lost:
	case late > 0:
		frame = append([]byte(nil), frame...)
		time.AfterFunc(late, func() { to(frame) })
	default:
		to(frame)
	}
}

// receive is a scan's receiver, which keeps from the stack what is the answer to a SYN.
func (b *kernelBed) receive(frame []byte) {
	var p packet.Parsed
	if p.Decode(frame, packet.LinkIP) != packet.KindTCP || p.Dst != netip.MustParseAddr(ours4) && p.Dst != netip.MustParseAddr(ours6) {
		return
	}
	h := half(&p)
	if p.TCP.Flags().Has(packet.SYN|packet.ACK) && b.stack.table.find(newKey(h.Local, h.Remote)) == nil {
		select {
		case b.synack <- h:
		default:
		}
		return
	}
	b.stack.Input(&p)
}

// half is the half-open connection that a SYN-ACK stands for.
func half(p *packet.Parsed) grab.Half {
	h := grab.Half{
		Local: netip.AddrPortFrom(p.Dst, p.DstPort), Remote: netip.AddrPortFrom(p.Src, p.SrcPort),
		Next: p.TCP.Ack(), Peer: p.TCP.Seq() + 1, Offered: 65535, Window: p.TCP.Window(), MSS: 536,
	}
	if o := p.TCP.Options(); o.HasMSS {
		h.MSS = o.MSS
	}
	return h
}

// dial sends a SYN and returns what answers it.
func (b *kernelBed) dial(t testing.TB, to netip.AddrPort, port uint16) *grab.Half {
	t.Helper()
	from := netip.MustParseAddr(ours4)
	if to.Addr().Is6() {
		from = netip.MustParseAddr(ours6)
	}
	probe := syn(netip.AddrPortFrom(from, port), to)
	for range 50 {
		b.write(probe)
		for again := time.After(200 * time.Millisecond); ; {
			select {
			case h := <-b.synack:
				if h.Local.Port() == port {
					return &h
				}
				continue
			case <-again: // an interface that is new may lose packets
			}
			break
		}
	}
	t.Fatal("no SYN-ACK")
	return nil
}

// syn is the SYN of a scan, with the MSS as its one option.
func syn(from, to netip.AddrPort) []byte {
	b := make([]byte, 100)
	f := packet.TCPFields{
		SrcPort: from.Port(), DstPort: to.Port(), Seq: rand.Uint32(), Flags: packet.SYN, Window: 65535, Options: []byte{2, 4, 1460 >> 8, 1460 & 255},
	}
	n := packet.IPv4Len
	if from.Addr().Is6() {
		n = packet.IPv6Len
		packet.IPv6Fields{PayloadLen: f.Len(), NextHeader: packet.ProtoTCP, HopLimit: 64, Src: from.Addr(), Dst: to.Addr()}.Encode(b)
	} else {
		packet.IPv4Fields{TotalLen: n + f.Len(), TTL: 64, Proto: packet.ProtoTCP, Src: from.Addr(), Dst: to.Addr()}.Encode(b)
	}
	f.Encode(b[n:])[:f.Len()].FillChecksum(packet.PseudoHeader(from.Addr(), to.Addr(), packet.ProtoTCP, f.Len()))
	return b[:n+f.Len()]
}

// cookies sets whether servers keep no state before a connection stands, until the test ends.
func cookies(t testing.TB) {
	t.Helper()
	const file = "/proc/sys/net/ipv4/tcp_syncookies"
	if err := os.WriteFile(file, []byte("2"), 0); err != nil {
		t.Skipf("SYN cookies cannot be forced: %v", err)
	}
	t.Cleanup(func() { _ = os.WriteFile(file, []byte("1"), 0) })
}

// TestConformance is the suite over connections of the stack to a kernel's servers.
func TestConformance(t *testing.T) {
	port := uint16(10_000)
	grabtest.Conformance(t, func(t *testing.T, way grabtest.Way, serve func(*net.TCPConn)) net.Conn {
		if way.Cookies {
			cookies(t)
		}
		address := kernel4 + ":0"
		if way.V6 {
			address = "[" + kernel6 + "]:0"
		}
		b := newKernelBed(t, way)
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		var far sync.WaitGroup
		t.Cleanup(far.Wait)
		t.Cleanup(func() { l.Close() })
		port++
		h := b.dial(t, l.Addr().(*net.TCPAddr).AddrPort(), port)
		c, err := b.stack.Open(t.Context(), nil, h)
		if err != nil {
			t.Fatal(err)
		}
		far.Go(func() {
			accepted, err := l.Accept() // comes with the first segment of ours
			if err != nil {
				t.Error(err)
				return
			}
			serve(accepted.(*net.TCPConn))
			accepted.Close()
		})
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("%+v", b.stack.Stats())
			}
		})
		return c
	})
}

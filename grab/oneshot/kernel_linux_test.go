package oneshot

import (
	"net"
	"net/netip"
	"os"
	"testing"

	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/grab/grabtest"
	"github.com/zmap-go/zmap/lab/wire"
	"github.com/zmap-go/zmap/packet"
)

// A kernelBed is a tun interface: its near end is a kernel with real servers, its far end is a stack, whose address the kernel
// does not have. In between packets may get lost and overtake each other.
type kernelBed struct {
	file   *os.File
	stack  *Stack
	path   *grabtest.Path
	synack chan grab.Half
}

const (
	kernel4, ours4 = "10.77.0.1", "10.77.0.2"
	kernel6, ours6 = "fd77::1", "fd77::2"
)

// newKernelBed makes a bed with a stack, both of which last until the test ends.
func newKernelBed(t testing.TB, way grabtest.Way) *kernelBed {
	t.Helper()
	b := &kernelBed{file: wire.Tun(t, kernel4+"/24", kernel6+"/64"), path: grabtest.NewPath(way), synack: make(chan grab.Half, 1000)}
	b.stack = New(Config{TX: newCable(func(frame []byte) { b.path.Pass(frame, b.write) })})
	wire.Pump(t, b.file, func(packet []byte) { b.path.Pass(packet, b.receive) })
	t.Cleanup(func() {
		if err := b.stack.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func (b *kernelBed) write(frame []byte) { _, _ = b.file.Write(frame) } // fails when the interface is gone

// receive is a scan's receiver, which keeps from the stack what is the answer to a SYN.
func (b *kernelBed) receive(frame []byte) {
	var p packet.Parsed
	if p.Decode(frame, packet.LinkIP) != packet.KindTCP || p.Dst != netip.MustParseAddr(ours4) && p.Dst != netip.MustParseAddr(ours6) {
		return
	}
	h := grabtest.HalfOf(&p)
	if p.TCP.Flags().Has(packet.SYN|packet.ACK) && b.stack.table.find(newKey(h.Local, h.Remote)) == nil {
		select {
		case b.synack <- h:
		default:
		}
		return
	}
	b.stack.Input(&p)
}

// dial sends a SYN and returns what answers it.
func (b *kernelBed) dial(t testing.TB, to netip.AddrPort, port uint16) *grab.Half {
	t.Helper()
	from := netip.MustParseAddr(ours4)
	if to.Addr().Is6() {
		from = netip.MustParseAddr(ours6)
	}
	return grabtest.Ask(t, b.write, netip.AddrPortFrom(from, port), to, b.synack)
}

// TestConformance is the suite over connections of the stack to a kernel's servers.
func TestConformance(t *testing.T) {
	port := uint16(10_000)
	grabtest.Conformance(t, func(t *testing.T, way grabtest.Way, serve func(*net.TCPConn)) net.Conn {
		if way.Cookies {
			grabtest.ForceCookies(t)
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
		port++
		h := b.dial(t, l.Addr().(*net.TCPAddr).AddrPort(), port)
		c, err := b.stack.Open(t.Context(), nil, h)
		if err != nil {
			t.Fatal(err)
		}
		grabtest.Serve(t, l, serve)
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("%+v", b.stack.Stats())
			}
		})
		return c
	})
}

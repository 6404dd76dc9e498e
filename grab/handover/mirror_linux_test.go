package handover

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/grab/grabtest"
	"github.com/zmap-go/zmap/lab/wire"
	"github.com/zmap-go/zmap/packet"
)

// A mirror is a tun interface behind which an address answers that nobody has: what is sent there comes back with its addresses
// swapped, so that one kernel is both ends of a connection, and everything between them passes through here. No checksum
// changes by that.
//
//	kernel: client ours:p ──> theirs:q ──> tun ──> swapped: theirs:p ──> ours:q server, and back the same way
//
// It keeps SYN-ACKs from the kernel until there is a socket for their connection, as links do by the policy handover.
type mirror struct {
	file   *os.File
	port   uint16 // of the client; as good as every mirror has its own, for connections outlive them
	path   *grabtest.Path
	synack chan grab.Half
	open   atomic.Bool // there is a socket
	acks   atomic.Int64
	maker  *Maker

	mu   sync.Mutex
	seen []packet.Parsed // segments of the client's, without their payload
}

const (
	ours4, theirs4 = "10.77.0.1", "10.77.0.2"
	ours6, theirs6 = "fd77::1", "fd77::2"
)

// newMirror makes a mirror and a maker, both of which last until the test ends.
func newMirror(t testing.TB, way grabtest.Way) *mirror {
	t.Helper()
	m := &mirror{port: uint16(10_000 + rand.IntN(20_000)), file: wire.Tun(t, ours4+"/24", ours6+"/64"), path: grabtest.NewPath(way), synack: make(chan grab.Half, 100)}
	m.maker = New(Config{Ack: m.ack, TTL: 77})
	wire.Pump(t, m.file, m.reflect)
	t.Cleanup(func() {
		if err := m.maker.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// A mirrored connection has the addresses that its far end sees.
type mirrored struct{ net.Conn }

func (c mirrored) LocalAddr() net.Addr {
	return swapped(c.Conn.LocalAddr(), c.Conn.RemoteAddr())
}

func (c mirrored) RemoteAddr() net.Addr {
	return swapped(c.Conn.RemoteAddr(), c.Conn.LocalAddr())
}

// swapped is the port of a at the address of b.
func swapped(a, b net.Addr) net.Addr {
	return &net.TCPAddr{IP: b.(*net.TCPAddr).IP, Port: a.(*net.TCPAddr).Port}
}

func (m *mirror) write(frame []byte) { _, _ = m.file.Write(frame) } // fails when the interface is gone

// reflect sends back what came, over the path.
func (m *mirror) reflect(frame []byte) {
	var p packet.Parsed
	if p.Decode(frame, packet.LinkIP) != packet.KindTCP {
		return
	}
	m.note(&p)
	swap(frame)
	m.path.Pass(frame, m.arrive)
}

// arrive gives a packet to the kernel, but for SYN-ACKs of connections without a socket.
func (m *mirror) arrive(frame []byte) {
	var p packet.Parsed
	p.Decode(frame, packet.LinkIP)
	if !p.TCP.Flags().Has(packet.SYN|packet.ACK) || m.open.Load() {
		m.write(frame)
		return
	}
	select {
	case m.synack <- grabtest.HalfOf(&p):
	default:
	}
}

// note keeps what the client has sent.
func (m *mirror) note(p *packet.Parsed) {
	if p.SrcPort == m.port {
		m.mu.Lock()
		defer m.mu.Unlock()
		q := *p
		q.TCP, q.Payload = append([]byte(nil), p.TCP...), make([]byte, len(p.Payload))
		m.seen = append(m.seen, q)
	}
}

// swap exchanges the addresses of an IP packet.
func swap(b []byte) {
	at, n := 12, 4
	if b[0]>>4 == 6 {
		at, n = 8, 16
	}
	for i := range n {
		b[at+i], b[at+n+i] = b[at+n+i], b[at+i]
	}
}

// ack sends the last step of the handshake, as the scan's stack does.
func (m *mirror) ack(h *grab.Half) {
	m.acks.Add(1)
	b := make([]byte, 100)
	f := packet.TCPFields{SrcPort: h.Local.Port(), DstPort: h.Remote.Port(), Seq: h.Next, Ack: h.Peer, Flags: packet.ACK, Window: h.Offered}
	from, to, n := h.Remote.Addr(), h.Local.Addr(), packet.IPv4Len // as reflected
	if from.Is6() {
		n = packet.IPv6Len
		packet.IPv6Fields{PayloadLen: f.Len(), NextHeader: packet.ProtoTCP, HopLimit: 64, Src: from, Dst: to}.Encode(b)
	} else {
		packet.IPv4Fields{TotalLen: n + f.Len(), TTL: 64, Proto: packet.ProtoTCP, Src: from, Dst: to}.Encode(b)
	}
	f.Encode(b[n:])[:f.Len()].FillChecksum(packet.PseudoHeader(from, to, packet.ProtoTCP, f.Len()))
	m.path.Pass(b[:n+f.Len()], m.write)
}

// dial has a SYN come to the server, and returns what answers it.
func (m *mirror) dial(t testing.TB, server netip.AddrPort) *grab.Half {
	t.Helper()
	from := netip.MustParseAddr(theirs4)
	if server.Addr().Is6() {
		from = netip.MustParseAddr(theirs6)
	}
	return grabtest.Ask(t, m.write, netip.AddrPortFrom(from, m.port), server, m.synack)
}

// connect makes one connection over the mirror, and lets serve have its far end.
func (m *mirror) connect(t testing.TB, v6 bool, serve func(*net.TCPConn)) net.Conn {
	t.Helper()
	address := ours4 + ":0"
	if v6 {
		address = "[" + ours6 + "]:0"
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	c, err := m.maker.Open(t.Context(), nil, m.dial(t, l.Addr().(*net.TCPAddr).AddrPort()))
	if err != nil {
		t.Fatal(err)
	}
	m.open.Store(true)
	grabtest.Serve(t, l, serve)
	return c
}

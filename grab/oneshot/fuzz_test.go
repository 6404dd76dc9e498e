package oneshot

import (
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/packet"
)

// content is the byte of a stream with that sequence number, so that every segment tells the same.
func content(seq uint32) byte { return byte(seq*2654435761>>24) ^ byte(seq) }

func contents(seq uint32, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = content(seq + uint32(i))
	}
	return b
}

// segmentTo returns a segment of the other side of h as it would be received.
func segmentTo(h *grab.Half, seq, ack uint32, flags packet.TCPFlags, window uint16, data []byte) *packet.Parsed {
	f := framer{ttl: 64}
	var s stretch
	var pages store
	s.write(&pages, seq, data)
	frame := make([]byte, 100+len(data))
	g := segment{local: h.Remote, remote: h.Local, seq: seq, ack: ack, flags: flags, window: window}
	frame = frame[:f.frame(frame, &g, &s, len(data))]
	p := new(packet.Parsed)
	p.Decode(frame, packet.LinkIP)
	return p
}

// FuzzInput lets a hostile peer send segments, near and far from what is welcome, while the caller reads and writes. Whatever is
// read must be the stream, in order; what is kept must stay within its bounds; and there must be an end.
func FuzzInput(f *testing.F) {
	f.Add([]byte{0x10, 0, 0, 5, 0, 1, 9, 0x11, 5, 0, 3, 0, 1, 9})
	f.Add([]byte{0x18, 200, 0, 90, 0, 1, 9, 0x18, 100, 0, 90, 0, 1, 9, 0x18, 0, 0, 110, 0, 1, 9, 0x01, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{0x14, 0, 0, 0, 0, 0, 0, 0x12, 0, 0, 0, 0, 0, 0, 0x04, 1, 0, 0, 0, 0, 0, 0xff, 0, 255, 255, 255, 255, 255})
	s := New(Config{TX: newCable(func([]byte) {}), MaxConns: 64})
	f.Cleanup(func() { s.Close() })
	var port atomic.Uint32
	f.Fuzz(func(t *testing.T, script []byte) {
		n := port.Add(1)
		h := &grab.Half{
			Local: netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), uint16(n)), Remote: netip.MustParseAddrPort("198.51.100.1:80"),
			Next: n << 28, Peer: ^uint32(0) - 40*(n%8), Offered: 65535, Window: uint16(n * 1000), MSS: uint16(n),
		}
		c, err := s.Open(t.Context(), nil, h)
		if err != nil {
			t.Fatal(err)
		}
		k := c.(*conn)
		if n%2 == 0 {
			c.SetDeadline(time.Now()) // a read or write that finds nothing then returns at once
		}
		read := h.Peer
		for len(script) >= 7 {
			op := script[:7]
			script = script[7:]
			k.mu.Lock()
			next, una := k.receive.next, k.send.una
			k.mu.Unlock()
			seq := next + uint32(int32(int16(uint16(op[1])|uint16(op[2])<<8)))
			ack := una + uint32(int32(int8(op[4])))
			p := segmentTo(h, seq, ack, packet.TCPFlags(op[0]), uint16(op[5])<<uint(op[6]%9), contents(seq, int(op[3])*int(1+op[6]%8)))
			s.Input(p)
			var raw packet.Parsed
			raw.Decode(script, packet.LinkIP)
			s.Input(&raw)
			checkConn(t, k)
			switch op[6] % 16 {
			case 1:
				c.SetDeadline(time.Now().Add(-1))
				c.Write(contents(0, int(op[3])))
			case 2:
				c.SetDeadline(time.Time{})
				c.Write(contents(0, min(int(op[3]), sendRoom/256)))
			case 3:
				c.Close()
			}
			read = drainConn(t, k, read)
		}
		c.Close()
		checkConn(t, k)
	})
}

// checkConn checks what must be true of a connection at any time.
func checkConn(t testing.TB, c *conn) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	r, s := &c.receive, &c.send
	in, out := 0, 0
	for i := range stretchPages {
		if r.data.pages[i] != nil {
			in++
		}
		if s.data.pages[i] != nil {
			out++
		}
	}
	if in > 17 || out > 17 || len(r.ahead) > maxSpans {
		t.Fatalf("%d pages received, %d to be sent, %d gaps", in, out, len(r.ahead))
	}
	if c.gone && (out > 0 || c.closed && in > 0) {
		t.Fatalf("%d and %d pages kept by a connection that is gone", in, out)
	}
	if w := r.open(); w > r.room || r.edge-r.read > r.room+1 {
		t.Fatalf("window %d, edge %d beyond what is to be read", w, r.edge-r.read)
	}
	if r.unread() < 0 || r.unread() > int(r.room) {
		t.Fatalf("%d bytes unread", r.unread())
	}
	at := r.next
	for _, p := range r.ahead {
		if !before(at, p.from) || !before(p.from, p.to) || before(r.edge, p.to) {
			t.Fatalf("spans %v beyond %d, up to %d", r.ahead, r.next, r.edge)
		}
		at = p.to
	}
	if finished := s.fin && s.una == s.end+1; !finished && s.end-s.una > sendRoom || before(s.most, s.next) || before(s.next, s.una) || before(s.last(), s.most) {
		t.Fatalf("una %d, next %d, most %d, end %d, FIN %v", s.una, s.next, s.most, s.end, s.fin)
	}
}

// drainConn reads what is there without waiting, and checks that it is the stream from at on.
func drainConn(t testing.TB, c *conn, at uint32) uint32 {
	t.Helper()
	b := make([]byte, 1000)
	for {
		c.mu.Lock()
		n := c.receive.unread()
		c.mu.Unlock()
		c.SetReadDeadline(time.Time{})
		if n == 0 {
			c.SetReadDeadline(time.Now().Add(-1))
		}
		n, err := c.Read(b)
		for i := range n {
			if b[i] != content(at) {
				t.Fatalf("byte %d is %#x, want %#x", at, b[i], content(at))
			}
			at++
		}
		if err != nil {
			if n > 0 {
				t.Fatalf("%d bytes and %v", n, err)
			}
			return at
		}
	}
}

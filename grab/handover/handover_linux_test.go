package handover

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/grab/grabtest"
	"github.com/zmap-go/zmap/packet"
)

// TestConformance is the suite over connections that were handed over.
func TestConformance(t *testing.T) {
	grabtest.Conformance(t, func(t *testing.T, way grabtest.Way, serve func(*net.TCPConn)) net.Conn {
		if way.Cookies {
			grabtest.ForceCookies(t)
		}
		m := newMirror(t, way)
		c := m.connect(t, way.V6, serve)
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("%d bare ACKs", m.acks.Load())
				m.show(t)
			}
		})
		return mirrored{c}
	})
}

// show prints the first segments of the client's.
func (m *mirror) show(t *testing.T) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.seen[:min(len(m.seen), 20)] {
		t.Logf("port %d to %d: %v seq %d ack %d window %d, %d bytes", p.SrcPort, p.DstPort, p.TCP.Flags(), p.TCP.Seq(), p.TCP.Ack(), p.TCP.Window(), len(p.Payload))
	}
}

// TestFirstSegment has the first data complete the handshake: no bare ACK, the window of the SYN, the TTL that was asked for.
func TestFirstSegment(t *testing.T) {
	m := newMirror(t, grabtest.Way{})
	c := m.connect(t, false, func(far *net.TCPConn) { _, _ = io.Copy(far, far) })
	defer c.Close()
	if _, err := io.WriteString(c, "hello"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.seen[0]
	// The kernel keeps the window that it is told, but for what memory it has: a window of a tenth would be the mistake.
	if len(p.Payload) != 5 || !p.TCP.Flags().Has(packet.ACK) || p.TCP.Window() < 60_000 || p.TTL != 77 {
		t.Errorf("the first segment has %d bytes, %v, window %d, time to live %d: want 5, ACK, 65535, 77", len(p.Payload), p.TCP.Flags(), p.TCP.Window(), p.TTL)
	}
	if n := m.acks.Load(); n != 0 {
		t.Errorf("%d bare ACKs, want none", n)
	}
}

// TestSegmentsAreFull has long data leave in segments as large as the server takes them, and sizes that no server means do no harm.
func TestSegmentsAreFull(t *testing.T) {
	m := newMirror(t, grabtest.Way{})
	done := make(chan int64, 1)
	c := m.connect(t, false, func(far *net.TCPConn) {
		n, _ := io.Copy(io.Discard, far)
		done <- n
	})
	h := c.(*conn).half
	if n, err := c.Write(make([]byte, 20_000)); err != nil {
		t.Fatalf("%d bytes, then %v", n, err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if n := <-done; n != 20_000 {
		t.Errorf("%d bytes arrived", n)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	longest := 0
	for _, p := range m.seen {
		longest = max(longest, len(p.Payload))
	}
	if longest < 1460 {
		t.Errorf("the longest segment has %d bytes, want 1460 or, before they are cut, more", longest)
	}
	for i, size := range []uint16{0, 1, 1<<16 - 1} {
		h.MSS, h.Remote = size, netip.AddrPortFrom(h.Remote.Addr(), uint16(1+i))
		c, err := m.maker.Open(t.Context(), nil, &h)
		if err != nil {
			t.Errorf("segments of %d bytes: %v", size, err)
			continue
		}
		_ = c.Close()
	}
}

// TestServerFirst sends one bare ACK, whoever reads how often.
func TestServerFirst(t *testing.T) {
	m := newMirror(t, grabtest.Way{})
	c := m.connect(t, false, func(far *net.TCPConn) { _, _ = io.WriteString(far, "hello") })
	defer c.Close()
	for range 5 {
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if n := m.acks.Load(); n != 1 {
		t.Errorf("%d bare ACKs, want 1", n)
	}
}

// TestOpen refuses what is not to be, and nothing is left of it.
func TestOpen(t *testing.T) {
	m := newMirror(t, grabtest.Way{})
	first := m.connect(t, false, func(far *net.TCPConn) { _, _ = io.Copy(far, far) })
	if _, err := io.WriteString(first, "x"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(first, make([]byte, 1)); err != nil { // the far end has accepted
		t.Fatal(err)
	}
	h := first.(*conn).half
	other := func(change func(*grab.Half)) *grab.Half {
		o := h
		change(&o)
		return &o
	}
	before := openFiles(t)
	m.maker.config.Guard = func(a netip.Addr) bool { return a != netip.MustParseAddr("198.51.100.1") }
	for _, c := range []struct {
		half *grab.Half
		want error
	}{
		{nil, grab.ErrNoHalf},
		{&h, grab.ErrTaken},
		{other(func(h *grab.Half) { h.Scaled = true }), grab.ErrScaled},
		{other(func(h *grab.Half) { h.Remote = netip.MustParseAddrPort("198.51.100.1:80") }), grab.ErrBlocked},
		{other(func(h *grab.Half) { h.Local = netip.MustParseAddrPort("198.51.100.2:80") }), grab.ErrConnect},
	} {
		got, err := m.maker.Open(t.Context(), nil, c.half)
		if got != nil || !errors.Is(err, c.want) || !errors.Is(err, grab.ErrConnect) {
			t.Errorf("%+v: got %v and %v, want %v", c.half, got, err, c.want)
		}
	}
	if after := openFiles(t); after != before {
		t.Errorf("%d open files, and %d before", after, before)
	}
	if err := m.maker.Close(); err != nil {
		t.Error(err)
	}
	if _, err := first.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read after the maker is closed: %v", err)
	}
	if _, err := m.maker.Open(t.Context(), nil, other(func(h *grab.Half) { h.Next++ })); !errors.Is(err, grab.ErrConnect) {
		t.Errorf("open after the maker is closed: %v", err)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	e, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(e)
}

// TestCheck says what is missing.
func TestCheck(t *testing.T) {
	newMirror(t, grabtest.Way{})
	if err := Check([]netip.Addr{netip.MustParseAddr(ours4), netip.MustParseAddr(ours6)}); err != nil {
		t.Error(err)
	}
	if err := Check([]netip.Addr{netip.MustParseAddr("198.51.100.1")}); err == nil || !strings.Contains(err.Error(), "198.51.100.1") {
		t.Errorf("an address that is not ours: %v", err)
	}
}

// TestNothingIsSentToOpenOrToFail has no segment leave when a socket is made, nor when that goes wrong half way.
func TestNothingIsSentToOpenOrToFail(t *testing.T) {
	m := newMirror(t, grabtest.Way{})
	l, err := net.Listen("tcp", ours4+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	h := m.dial(t, l.Addr().(*net.TCPAddr).AddrPort())
	if _, err := New(Config{Interface: "no-such"}).Open(t.Context(), nil, h); err == nil || !strings.Contains(err.Error(), "no-such") {
		t.Errorf("an interface that is not there: %v", err)
	}
	c, err := m.maker.Open(t.Context(), nil, h)
	if err != nil {
		t.Fatal(err)
	}
	m.open.Store(true)
	time.Sleep(50 * time.Millisecond) // what would come has had its time
	m.mu.Lock()
	if len(m.seen) != 0 {
		t.Errorf("%d segments left", len(m.seen))
	}
	m.mu.Unlock()
	m.show(t)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// BenchmarkOpen is what it takes to make a socket of a SYN-ACK, and to close it.
func BenchmarkOpen(b *testing.B) {
	m := newMirror(b, grabtest.Way{})
	h := grab.Half{Local: netip.MustParseAddrPort(ours4 + ":10000"), Next: 1, Peer: 2, Offered: 65535, Window: 65535, MSS: 1460}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		h.Local = netip.AddrPortFrom(netip.MustParseAddr(ours4), uint16(10_000+i/60_000))
		h.Remote = netip.AddrPortFrom(netip.MustParseAddr(theirs4), uint16(1+i%60_000))
		c, err := m.maker.Open(b.Context(), nil, &h)
		if err != nil {
			b.Fatal(err)
		}
		_ = c.Close()
	}
}

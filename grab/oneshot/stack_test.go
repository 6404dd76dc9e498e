package oneshot

import (
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/packet"
)

// TestSegmentsOfNobody are answered with RST, unless they are RST themselves, or may belong to a connection to come, and not too
// often.
func TestSegmentsOfNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, Config{Guard: func(a netip.Addr) bool { return a != netip.MustParseAddr("198.51.100.9") }})
		if p.segment(5, 7, data, 65535, "hello") {
			t.Error("a segment of nobody belongs to a connection")
		}
		synctest.Wait()
		p.expect("0ms RST seq 7+0 ack -1")
		p.segment(5, 7, packet.FIN, 65535, "hello")
		synctest.Wait()
		p.expect("0ms RST|ACK seq 16+0 ack 11") // 16 is the number 0, as our SYN has -16
		p.segment(5, 7, packet.RST, 65535, "")
		p.segment(-1, 0, packet.SYN|packet.ACK, 65535, "")
		blocked := p.half
		blocked.Remote = netip.MustParseAddrPort("198.51.100.9:80")
		p.stack.Input(segmentTo(&blocked, 1, 1, packet.ACK, 0, nil))
		synctest.Wait()
		p.expect()
		time.Sleep(time.Second)
		for range 2 * strayRate {
			p.segment(5, 7, data, 65535, "")
		}
		synctest.Wait()
		if got := p.take(); len(got) != strayRate {
			t.Errorf("%d segments sent, want %d", len(got), strayRate)
		}
		if s := p.stack.Stats(); s.Dropped != strayRate || s.Resets != strayRate+2 || s.Unknown != 2*strayRate+5 {
			t.Errorf("counters %+v", s)
		}
	})
}

// TestBareSegments are byte for byte what they should be, with and without link header, in both families.
func TestBareSegments(t *testing.T) {
	h4 := grab.Half{
		Local: netip.MustParseAddrPort("192.0.2.1:258"), Remote: netip.MustParseAddrPort("198.51.100.1:80"),
		Next: 0x01020304, Peer: 0x05060708, Offered: 0x1000, Hop: packet.MAC{2, 0, 0, 0, 0, 9},
	}
	h6 := h4
	h6.Local, h6.Remote = netip.MustParseAddrPort("[2001:db8::1]:258"), netip.MustParseAddrPort("[2001:db8::2]:80")
	for _, c := range []struct {
		ether bool
		half  *grab.Half
		send  func(*Stack, *grab.Half)
		want  string
	}{
		{true, &h4, (*Stack).Reset, "020000000009 020000000001 0800" + "45000028 00010000 3706 .... c0000201 c6336401" + "01020050 01020304 00000000 5004 0000 .... 0000"},
		{false, &h4, (*Stack).Ack, "45000028 00010000 3706 .... c0000201 c6336401" + "01020050 01020304 05060708 5010 1000 .... 0000"},
		{
			true, &h6, (*Stack).Ack, "020000000009 020000000001 86dd" + "60000000 00140637 20010db8000000000000000000000001 20010db8000000000000000000000002" +
				"01020050 01020304 05060708 5010 1000 .... 0000",
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := newPeer(t, Config{Ether: c.ether, SourceMAC: packet.MAC{2, 0, 0, 0, 0, 1}, TTL: 0x37})
			c.send(p.stack, c.half)
			synctest.Wait()
			got, want := "", strings.ReplaceAll(c.want, " ", "")
			if len(p.raw) == 1 {
				got = hex.EncodeToString(p.raw[0])
			}
			for i := range min(len(got), len(want)) { // checksums are checked by the peer
				if want[i] == '.' {
					want = want[:i] + got[i:i+1] + want[i+1:]
				}
			}
			if got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// TestOpenRefuses what it cannot carry on.
func TestOpenRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, Config{MaxConns: 2, Guard: func(a netip.Addr) bool { return a != netip.MustParseAddr("198.51.100.9") }})
		p.open()
		other := func(change func(h *grab.Half)) *grab.Half {
			h := p.half
			change(&h)
			return &h
		}
		for _, c := range []struct {
			half *grab.Half
			want error
		}{
			{nil, grab.ErrNoHalf},
			{&p.half, grab.ErrTaken},
			{other(func(h *grab.Half) { h.Scaled = true }), grab.ErrScaled},
			{other(func(h *grab.Half) { h.Remote = netip.MustParseAddrPort("198.51.100.9:80") }), grab.ErrBlocked},
			{other(func(h *grab.Half) { h.Remote = netip.MustParseAddrPort("198.51.100.2:80") }), nil},
			{other(func(h *grab.Half) { h.Remote = netip.MustParseAddrPort("198.51.100.3:80") }), grab.ErrFull},
		} {
			_, err := p.stack.Open(t.Context(), nil, c.half)
			if !errors.Is(err, c.want) || err != nil && !errors.Is(err, grab.ErrConnect) {
				t.Errorf("open %v: got %v, want %v", c.half, err, c.want)
			}
		}
		if s := p.stack.Stats(); s.Live != 2 || s.Opened != 2 {
			t.Errorf("counters %+v", s)
		}
	})
}

// TestLingeringIsBounded: where too many connections are ending already, the next ones are reset.
func TestLingeringIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, Config{MaxConns: 10})
		half := halves()
		for range 30 {
			h := half()
			c, err := p.stack.Open(t.Context(), nil, &h)
			if err != nil {
				t.Fatal(err)
			}
			c.Close()
		}
		if s := p.stack.Stats(); s.Lingering != 10 || s.Live != 0 || len(p.stack.table.all()) != 10 {
			t.Errorf("counters %+v", s)
		}
		synctest.Wait()
		if s := p.stack.Stats(); s.Resets != 20 {
			t.Errorf("counters %+v", s)
		}
		time.Sleep(lingerTime + time.Second)
		if s := p.stack.Stats(); s.Lingering != 0 || s.Abandoned != 10 {
			t.Errorf("counters %+v", s)
		}
	})
}

// TestLinkBreaks while somebody reads: all learn of it, and nothing can be opened any more.
func TestLinkBreaks(t *testing.T) {
	for name, breakIt := range map[string]func(*cable){
		"down":   func(c *cable) { c.err = link.ErrDown },
		"closed": func(c *cable) { c.closed = true },
	} {
		synctest.Test(t, func(t *testing.T) {
			p := newPeer(t, Config{})
			c := p.open()
			time.Sleep(time.Second)
			p.cable.set(breakIt)
			io.WriteString(c, "hello")
			if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("%s: got %v, want the link's error", name, err)
			}
			if _, err := p.stack.Open(t.Context(), nil, &p.half); err == nil {
				t.Errorf("%s: a connection can be opened", name)
			}
			p.stack.Reset(&p.half)
			c.Close()
		})
	}
}

// TestLinkStalls for a while: what waits is bounded, what is dropped is counted, and the rest goes out in the end.
func TestLinkStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, Config{})
		c := p.open()
		time.Sleep(time.Second)
		p.take()
		p.cable.set(func(c *cable) { c.stuck = true })
		io.WriteString(c, "hello")
		const more = 5000
		for i := range 2*bareRoom + more {
			p.stack.Reset(&p.half)
			if i == bareRoom {
				time.Sleep(time.Second)
			}
		}
		dropped := p.stack.Stats().Dropped
		if dropped < more-batch || dropped > bareRoom+more {
			t.Errorf("%d dropped, want %d or some more", dropped, more)
		}
		p.cable.set(func(c *cable) { c.stuck = false })
		time.Sleep(50 * time.Millisecond)
		got := p.take()
		if len(got) != 2*bareRoom+more-int(dropped)+1 || !slices.ContainsFunc(got, func(s string) bool { return strings.HasSuffix(s, "PSH|ACK seq 0+5 ack 0") }) {
			t.Errorf("%d segments sent, %d dropped", len(got), dropped)
		}
	})
}

// TestDamagedSegments are dropped; those whose checksum is left to hardware are not, nor those that were cut by the capture.
func TestDamagedSegments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, Config{})
		c := p.open()
		defer c.Close()
		s := segmentTo(&p.half, p.half.Peer, p.half.Next, data, 100, []byte("abc"))
		s.Payload[1] ^= 1
		if p.stack.Input(s) || p.stack.Stats().Damaged != 1 {
			t.Errorf("a damaged segment is taken: %+v", p.stack.Stats())
		}
		s.Payload[1] ^= 1
		s.TCP.SetChecksum(packet.PseudoHeader(s.Src, s.Dst, packet.ProtoTCP, len(s.TCP)).Fold())
		cut := segmentTo(&p.half, p.half.Peer+3, p.half.Next, data|packet.FIN, 100, []byte("defg"))
		var q packet.Parsed
		q.Decode(cut.Frame[:len(cut.Frame)-2], packet.LinkIP)
		if !p.stack.Input(s) || !p.stack.Input(&q) {
			t.Error("sound segments are not taken")
		}
		b := make([]byte, 10)
		if n, err := c.Read(b); string(b[:n]) != "abcde" || err != nil {
			t.Errorf("got %q and %v", b[:n], err)
		}
	})
}

// TestMemory holds ten thousand connections in flight, each with a goroutine that reads and an answer half arrived.
func TestMemory(t *testing.T) {
	const conns, most = 10_000, 40_000
	s := New(Config{TX: newCable(func([]byte) {})})
	half := halves()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var all sync.WaitGroup
	var arrived atomic.Int64
	for range conns {
		h := half()
		c, err := s.Open(t.Context(), nil, &h)
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			defer c.Close()
			c.SetDeadline(time.Now().Add(time.Minute))
			if _, err := io.WriteString(c, "question"); err != nil {
				t.Error(err)
			}
			b := make([]byte, 1000)
			if _, err := io.ReadFull(c, b); err != nil {
				t.Error(err)
			}
			arrived.Add(1)
			if _, err := io.ReadFull(c, b); !errors.Is(err, net.ErrClosed) {
				t.Errorf("got %v, want the end of the stack", err)
			}
		})
	}
	for _, c := range s.table.all() {
		h := grab.Half{Local: c.local, Remote: c.remote}
		s.Input(segmentTo(&h, 2000, 1000, data, 65535, make([]byte, 1400)))
	}
	for arrived.Load() < conns {
		time.Sleep(time.Millisecond)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := (after.HeapInuse + after.StackInuse - before.HeapInuse - before.StackInuse) / conns
	t.Logf("%d bytes for each connection, the stack of its goroutine included", each)
	if each > most {
		t.Errorf("%d bytes for each connection, want at most %d", each, most)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	all.Wait()
}

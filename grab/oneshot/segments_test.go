package oneshot

import (
	"errors"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zmap-go/zmap/packet"
)

const data = packet.ACK | packet.PSH

// TestExchangeTakesTwoSegments is the economy of it: a question that carries the last step of the handshake, and a FIN that
// acknowledges all.
func TestExchangeTakesTwoSegments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, Config{})
		c := p.open()
		io.WriteString(c, "question")
		synctest.Wait()
		p.expect("0ms PSH|ACK seq 0+8 ack 0")
		time.Sleep(20 * time.Millisecond)
		p.segment(0, 8, data|packet.FIN, 65535, "answer")
		got, err := io.ReadAll(c)
		if string(got) != "answer" || err != nil {
			t.Errorf("got %q and %v", got, err)
		}
		c.Close()
		synctest.Wait()
		p.expect("20ms FIN|ACK seq 8+0 ack 7")
		p.segment(7, 9, packet.ACK, 65535, "")
		synctest.Wait()
		time.Sleep(10 * time.Second)
		p.expect()
		if s := p.stack.Stats(); s.Live+s.Lingering != 0 || len(p.stack.table.all()) != 0 {
			t.Errorf("left: %+v", s)
		}
	})
}

// TestHandshakeEnds when there is data, when somebody reads, or after a moment; and again when the SYN-ACK comes again.
func TestHandshakeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, Config{})
		c := p.open()
		time.Sleep(time.Second)
		p.expect("0ms ACK seq 0+0 ack 0")
		for range 5 { // a burst is answered once
			p.segment(-1, 0, packet.SYN|packet.ACK, 65535, "")
		}
		synctest.Wait()
		p.expect("1000ms ACK seq 0+0 ack 0")
		time.Sleep(time.Second)
		p.segment(-1, 0, packet.SYN|packet.ACK, 65535, "")
		synctest.Wait()
		p.expect("2000ms ACK seq 0+0 ack 0")
		c.Close()
		p.segment(0, 1, packet.ACK|packet.FIN, 65535, "")
		time.Sleep(10 * time.Second)
		p.take()

		c = p.open()
		go c.Read(make([]byte, 1))
		synctest.Wait()
		p.expect("12000ms ACK seq 0+0 ack 0")
		c.Close()
	})
}

// TestAcknowledgementsAreDelayed by 40 ms, but for every second full segment, and for what tells of a gap.
func TestAcknowledgementsAreDelayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, Config{})
		c := p.open()
		defer c.Close()
		time.Sleep(time.Second)
		p.take()
		full := strings.Repeat("x", 1460)
		p.segment(0, 0, data, 65535, "a")
		time.Sleep(time.Second)
		p.expect("1040ms ACK seq 0+0 ack 1")
		p.segment(1, 0, data, 65535, full)
		synctest.Wait()
		p.expect()
		p.segment(1461, 0, data, 65535, full)
		synctest.Wait()
		p.expect("2000ms ACK seq 0+0 ack 2921")
		p.segment(2922, 0, data, 65535, "c")
		synctest.Wait()
		p.expect("2000ms ACK seq 0+0 ack 2921")
		p.segment(2921, 0, data, 65535, "b")
		synctest.Wait()
		p.expect("2000ms ACK seq 0+0 ack 2923")
		p.segment(2921, 0, data, 65535, "bc")
		synctest.Wait()
		p.expect("2000ms ACK seq 0+0 ack 2923")
		io.ReadFull(c, make([]byte, 2923))
	})
}

// TestResetsAreChecked is RFC 5961: exactly the next number is a reset, one in the window is answered, others are nothing.
func TestResetsAreChecked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, Config{})
		c := p.open()
		time.Sleep(time.Second)
		p.segment(0, 0, data, 65535, "kept")
		time.Sleep(time.Second)
		p.take()
		p.segment(3, 0, packet.RST, 0, "")
		p.segment(4+65535, 0, packet.RST, 0, "")
		synctest.Wait()
		p.expect()
		p.segment(100, 0, packet.RST, 0, "")
		synctest.Wait()
		p.expect("2000ms ACK seq 0+0 ack 4")
		p.segment(4, 0, packet.RST, 0, "")
		b := make([]byte, 10)
		if n, err := c.Read(b); string(b[:n]) != "kept" || err != nil {
			t.Errorf("got %q and %v", b[:n], err)
		}
		if _, err := c.Read(b); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("got %v, want a reset", err)
		}
		if _, err := c.Write(b); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("got %v, want a reset", err)
		}
		c.Close()
		synctest.Wait()
		p.expect()
	})
}

// TestSilenceEndsAConnection after four more attempts, each twice as late.
func TestSilenceEndsAConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, Config{})
		c := p.open()
		defer c.Close()
		io.WriteString(c, "hello")
		start := time.Now()
		_, err := c.Read(make([]byte, 1))
		if !errors.Is(err, syscall.ETIMEDOUT) || time.Since(start).Round(100*time.Millisecond) != 31*time.Second {
			t.Errorf("got %v after %v, want a time-out after 31 s", err, time.Since(start))
		}
		p.expect("0ms PSH|ACK seq 0+5 ack 0", "1000ms PSH|ACK seq 0+5 ack 0", "3000ms PSH|ACK seq 0+5 ack 0",
			"7000ms PSH|ACK seq 0+5 ack 0", "15000ms PSH|ACK seq 0+5 ack 0")
	})
}

// TestFastRetransmit does not wait for the time-out when three segments behind the gap have arrived.
func TestFastRetransmit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, Config{})
		c := p.open()
		defer c.Close()
		c.Write(make([]byte, 5000))
		synctest.Wait()
		p.take()
		for range 3 {
			p.segment(0, 1000, packet.ACK, 65535, "")
		}
		synctest.Wait()
		p.expect()
		p.segment(0, 1000, packet.ACK, 65535, "")
		synctest.Wait()
		p.expect("0ms ACK seq 1000+1000 ack 0")
		p.segment(0, 3000, packet.ACK, 65535, "") // one more was lost
		synctest.Wait()
		p.expect("0ms ACK seq 3000+1000 ack 0")
		p.segment(0, 5000, packet.ACK, 65535, "")
		time.Sleep(time.Minute)
		p.expect()
	})
}

// TestClosedWindowIsProbed for as long as the other side says that it is closed, and no longer than the deadline.
func TestClosedWindowIsProbed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, Config{})
		c := p.open()
		defer c.Close()
		p.segment(0, 0, packet.ACK, 0, "")
		if _, err := c.Write(make([]byte, 1500)); err != nil {
			t.Error(err)
		}
		time.Sleep(10 * time.Millisecond)
		for want := time.Second; want < 60*time.Second; want *= 2 {
			time.Sleep(want - 20*time.Millisecond)
			for _, s := range p.take() {
				if !strings.HasPrefix(s, "0ms") { // the end of the handshake
					t.Errorf("%v before its time: %s", want, s)
				}
			}
			time.Sleep(20 * time.Millisecond)
			if got := p.take(); len(got) != 1 || !strings.HasSuffix(got[0], "ACK seq -1+0 ack 0") {
				t.Errorf("after %v: got %v, want a probe", want, got)
			}
			p.segment(0, 0, packet.ACK, 0, "")
		}
		c.SetWriteDeadline(time.Now().Add(time.Second))
		if n, err := c.Write(make([]byte, 1<<20)); n == 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %d and %v, want the deadline", n, err)
		}
		p.take()
		p.segment(0, 0, packet.ACK, 1200, "")
		synctest.Wait()
		if got := p.take(); len(got) != 1 || !strings.HasSuffix(got[0], "ACK seq 0+1000 ack 0") {
			t.Errorf("got %v, want the first segment alone, as the next one does not fit", got)
		}
	})
}

// TestWindowShrinksAndReopens as the caller lets data lie and reads it: half of all is worth a message.
func TestWindowShrinksAndReopens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, Config{Window: 10_000})
		p.half.Offered = 10_000
		c := p.open()
		defer c.Close()
		window := func() uint16 {
			synctest.Wait()
			p.mu.Lock()
			defer p.mu.Unlock()
			var q packet.Parsed
			q.Decode(p.raw[len(p.raw)-1], packet.LinkIP)
			return q.TCP.Window()
		}
		for i := range 10 {
			p.segment(i*1000, 0, data, 65535, strings.Repeat("x", 1000))
		}
		time.Sleep(time.Second)
		if w := window(); w != 0 {
			t.Errorf("window is %d, want 0", w)
		}
		p.segment(10_000, 0, data, 65535, "too much")
		synctest.Wait()
		p.take()
		io.ReadFull(c, make([]byte, 4000))
		synctest.Wait()
		p.expect()
		io.ReadFull(c, make([]byte, 2000))
		if w := window(); w != 6000 {
			t.Errorf("window is %d, want 6000", w)
		}
		p.segment(10_000, 0, data, 65535, "welcome")
		b := make([]byte, 4007)
		if n, err := io.ReadFull(c, b); err != nil || string(b[4000:]) != "welcome" {
			t.Errorf("got %d bytes, %q and %v", n, b[4000:], err)
		}
	})
}

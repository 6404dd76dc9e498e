package oneshot

import (
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zmap-go/zmap/packet"
)

// TestCloseWaitsForTheOtherEnd behind the caller's back: the FIN is acknowledged, also when it comes again, and then all is gone.
func TestCloseWaitsForTheOtherEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, Config{})
		c := p.open()
		io.WriteString(c, "bye")
		synctest.Wait() // else it is chance whether one segment has both
		c.Close()
		synctest.Wait()
		p.expect("0ms PSH|ACK seq 0+3 ack 0", "0ms FIN|ACK seq 3+0 ack 0")
		p.segment(0, 4, packet.ACK, 65535, "")
		p.segment(0, 4, packet.ACK|packet.FIN, 65535, "")
		synctest.Wait()
		p.expect("0ms ACK seq 4+0 ack 1")
		time.Sleep(500 * time.Millisecond)
		p.segment(0, 4, packet.ACK|packet.FIN, 65535, "")
		synctest.Wait()
		p.expect("500ms ACK seq 4+0 ack 1")
		time.Sleep(time.Second)
		if s := p.stack.Stats(); s.Lingering != 0 || s.Abandoned != 0 || len(p.stack.table.all()) != 0 {
			t.Errorf("left: %+v", s)
		}
		if err := c.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("second close: got %v", err)
		}
	})
}

// TestCloseGivesUp when the other end does not end, or goes on sending.
func TestCloseGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, Config{})
		p.open().Close()
		synctest.Wait()
		p.segment(0, 1, packet.ACK, 65535, "")
		time.Sleep(lingerTime + 10*time.Millisecond)
		p.expect("0ms FIN|ACK seq 0+0 ack 0", "3000ms RST|ACK seq 1+0 ack 0")
		if s := p.stack.Stats(); s.Lingering != 0 || s.Abandoned != 1 {
			t.Errorf("left: %+v", s)
		}

		p.open().Close()
		synctest.Wait()
		p.segment(0, 1, packet.ACK, 65535, "")
		synctest.Wait()
		p.take()
		p.segment(0, 1, data, 65535, "there is more")
		synctest.Wait()
		p.expect("3010ms RST|ACK seq 1+0 ack 0")
		if s := p.stack.Stats(); s.Lingering != 0 {
			t.Errorf("left: %+v", s)
		}
	})
}

// TestStackCloseResetsAll and gives the queue back; who waits learns of it.
func TestStackCloseResetsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t, Config{})
		c := p.open()
		done := make(chan error, 1)
		go func() {
			_, err := c.Read(make([]byte, 1))
			done <- err
		}()
		synctest.Wait()
		p.take()
		if err := p.stack.Close(); err != nil {
			t.Error(err)
		}
		p.expect("0ms RST|ACK seq 0+0 ack 0")
		if err := <-done; !errors.Is(err, net.ErrClosed) {
			t.Errorf("got %v, want that it is closed", err)
		}
		if _, err := p.stack.Open(t.Context(), nil, &p.half); !errors.Is(err, net.ErrClosed) {
			t.Errorf("open: got %v, want that it is closed", err)
		}
		if err := p.stack.Close(); err != nil {
			t.Error(err)
		}
		c.Close()
	})
}

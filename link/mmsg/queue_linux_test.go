package mmsg

import (
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/link/batch"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// pair returns two connected datagram sockets. What is sent by one stays in the other, which has room for a dozen or so.
func pair(t *testing.T) (ours, theirs int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	must(t, err)
	t.Cleanup(func() { _ = unix.Close(fds[1]) })
	must(t, unix.SetsockoptInt(fds[0], unix.SOL_SOCKET, unix.SO_SNDBUF, 10_000))
	return fds[0], fds[1]
}

// arrived returns what is in a socket.
func arrived(t *testing.T, fd int) []string {
	t.Helper()
	var all []string
	for b := make([]byte, 100); ; {
		n, _, err := unix.Recvfrom(fd, b, 0)
		if errors.Is(err, unix.EAGAIN) {
			return all
		}
		must(t, err)
		all = append(all, string(b[:n]))
	}
}

// start makes a queue that is closed with the test.
func start(t *testing.T, cfg Config) *Queue {
	t.Helper()
	if cfg.Verdict == nil {
		cfg.Verdict = func(errno unix.Errno) error { return errno }
	}
	cfg.Interface, cfg.Batch = "test0", 64
	q := New(cfg)
	t.Cleanup(func() {
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	})
	return q
}

// submit sends the frames in one batch.
func submit(t *testing.T, q *Queue, frames ...string) error {
	t.Helper()
	slots := make([]link.Slot, len(frames))
	if n := q.Reserve(slots, 0); n != len(frames) {
		t.Fatalf("%d slots, want %d", n, len(frames))
	}
	for i := range slots {
		slots[i].N = copy(slots[i].Data, frames[i])
	}
	return q.Submit(slots)
}

// byFirst sends a frame by the socket that its first letter names: a, b, or none.
func byFirst(frame []byte, a *Address) { a.Socket = strings.IndexByte("ab", frame[0]) }

// Frames to different sockets leave in order, and those that have no way are refused without a call.
func TestSocketsOfFrames(t *testing.T) {
	a, farA := pair(t)
	b, farB := pair(t)
	q := start(t, Config{Sockets: []int{a, b}, Address: byFirst})
	must(t, submit(t, q, "a1", "a2", "b1", "x1", "x2", "a3", "b2", "x3"))
	if got := strings.Join(arrived(t, farA), " "); got != "a1 a2 a3" {
		t.Errorf("by the first socket: %s", got)
	}
	if got := strings.Join(arrived(t, farB), " "); got != "b1 b2" {
		t.Errorf("by the second socket: %s", got)
	}
	if got, want := q.Stats(), (link.TXStats{Queued: 8, Sent: 5, Refused: 3}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// A socket without room costs the time of one frame, and does no harm to frames by another socket.
func TestOneSocketWithoutRoom(t *testing.T) {
	a, farA := pair(t)
	b, farB := pair(t)
	q := start(t, Config{Sockets: []int{a, b}, Address: byFirst, Retries: 3})
	var frames []string
	for range 50 {
		frames = append(frames, "a")
	}
	begun := time.Now()
	must(t, submit(t, q, append(frames, "b1", "b2")...))
	if d, once := time.Since(begun), batch.Stuck; d < once*9/10 || d > once*3/2 {
		t.Errorf("the batch took %v, want about %v", d, once)
	}
	n, others := len(arrived(t, farA)), arrived(t, farB)
	if n == 0 || n > 40 || strings.Join(others, " ") != "b1 b2" {
		t.Errorf("%d frames by the full socket, %v by the other; want some, and b1 b2", n, others)
	}
	if got, want := q.Stats(), (link.TXStats{Queued: 52, Sent: uint64(n + 2), Refused: uint64(50 - n)}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	// With room again it goes on.
	must(t, submit(t, q, "a9"))
	if got := arrived(t, farA); len(got) != 1 || got[0] != "a9" {
		t.Errorf("then %v, want a9", got)
	}
}

// What the verdict calls permanent is the end of the queue; all else is about a frame.
func TestVerdict(t *testing.T) {
	a, farA := pair(t)
	must(t, unix.Close(farA))
	var seen []unix.Errno
	broken := errors.New("broken")
	q := start(t, Config{Sockets: []int{a}, Verdict: func(errno unix.Errno) error {
		if seen = append(seen, errno); len(seen) < 3 {
			return nil
		}
		return broken
	}})
	if err := submit(t, q, "1", "2", "3", "4"); !errors.Is(err, broken) {
		t.Errorf("got error %v, want %v", err, broken)
	}
	if err := q.Submit(nil); !errors.Is(err, broken) {
		t.Errorf("afterwards: got error %v, want %v", err, broken)
	}
	if got, want := q.Stats(), (link.TXStats{Queued: 4, Refused: 4}); got != want || len(seen) != 3 {
		t.Errorf("got %+v after verdicts on %v, want %+v after 3", got, seen, want)
	}
	must(t, q.Close())
	if err := q.Submit(nil); !errors.Is(err, os.ErrClosed) {
		t.Errorf("after Close: got error %v, want %v", err, os.ErrClosed)
	}
}

// A socket that hears of ICMP errors reports each once, in place of sending the next frame. In doubt that is no refusal.
func TestDoubt(t *testing.T) {
	l, err := net.ListenPacket("udp4", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	closed, err := net.ListenPacket("udp4", "127.0.0.1:0")
	must(t, err)
	must(t, closed.Close())
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	must(t, err)
	must(t, unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_RECVERR, 1))
	sockaddr := func(c net.PacketConn) *unix.SockaddrInet4 {
		return &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: c.LocalAddr().(*net.UDPAddr).Port}
	}
	refusals := 0
	q := start(t, Config{Sockets: []int{fd}, Doubt: true, Verdict: func(unix.Errno) error {
		refusals++
		return nil
	}})
	for i := range 3 {
		must(t, unix.Connect(fd, sockaddr(closed)))
		must(t, unix.Send(fd, []byte("to nobody"), 0)) // whose answer, on loopback, is there at once
		must(t, unix.Connect(fd, sockaddr(l)))
		must(t, submit(t, q, "1", "2"))
		if got, want := q.Stats(), (link.TXStats{Queued: uint64(2 * (i + 1)), Sent: uint64(2 * (i + 1))}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	if refusals != 0 {
		t.Errorf("%d verdicts, want none", refusals)
	}
	// An error that comes again is one.
	must(t, unix.Shutdown(fd, unix.SHUT_WR))
	must(t, submit(t, q, "1", "2"))
	if got, want := q.Stats(), (link.TXStats{Queued: 8, Sent: 6, Refused: 2}); got != want || refusals != 2 {
		t.Errorf("got %+v and %d verdicts, want %+v and 2", got, refusals, want)
	}
}

func TestNewPanics(t *testing.T) {
	for name, cfg := range map[string]Config{
		"no socket":  {Batch: 1, Verdict: func(unix.Errno) error { return nil }},
		"no slot":    {Sockets: []int{-1}, Verdict: func(unix.Errno) error { return nil }},
		"no verdict": {Sockets: []int{-1}, Batch: 1},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			New(cfg)
		}()
	}
}

package ring

import (
	"errors"
	"fmt"
	"reflect"
	"time"

	"golang.org/x/sys/unix"

	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/link/afpacket"
	"github.com/zmap-go/zmap/link/batch"
	"github.com/zmap-go/zmap/link/mmsg"
)

// callFrames is the most frames in one system call, for the call keeps the Go scheduler waiting; see kick.
const callFrames = 64

// A TX is a transmit queue over one packet socket. Its slots are the frames of the socket's ring, and the first that Reserve
// hands out is the one at which the kernel begins its next call.
type TX struct {
	*batch.Batch
	fd      int
	dev     afpacket.Device
	ring    ring // nil when the queue is closed
	limit   *limit
	retries int
	bare    bool         // packets without a link header
	address mmsg.Address // if bare: where those go that are requested
}

var _ link.TX = (*TX)(nil)

// openTX opens a transmit queue with a ring of that many frames, which fill whole pages.
func openTX(cfg link.Config, dev afpacket.Device, frames int) (*TX, error) {
	fd, err := afpacket.TransmitSocket(cfg, dev)
	if err != nil {
		return nil, err
	}
	lim, err := newLimit(fd, cfg, dev)
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	r, err := mapRing(fd, frames)
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return &TX{Batch: batch.New(r.slots()), fd: fd, dev: dev, ring: r, limit: lim, retries: cfg.Retries, bare: !cfg.Ether}, nil
}

// Memory returns how many bytes the queue takes.
func (t *TX) Memory() uint64 {
	return uint64(len(t.ring)) + uint64(len(t.Slots))*uint64(reflect.TypeFor[link.Slot]().Size())
}

// Reserve hands out frames that the driver has let go, and waits for one if there is none.
func (t *TX) Reserve(s []link.Slot, wait time.Duration) int {
	if t.ring == nil || len(s) == 0 {
		return 0
	}
	n := t.free(len(s))
	if n == 0 && wait > 0 {
		n = t.await(len(s), wait)
	}
	return t.Batch.Reserve(s[:n], 0)
}

// free counts the frames from the first on that may be written, up to most.
func (t *TX) free(most int) int {
	most = min(most, len(t.Slots))
	for i := range most {
		if t.ring.frame(t.At(i)).status() == unix.TP_STATUS_SENDING {
			return i
		}
	}
	return most
}

// await waits until a frame is free, and counts again. The socket could be asked to say when, but says so for every frame of
// which the driver lets go, and for others than the first.
func (t *TX) await(most int, wait time.Duration) int {
	start := time.Now()
	for tries := 0; ; tries++ {
		left := wait - time.Since(start)
		if left <= 0 {
			return 0
		}
		batch.Sleep(min(batch.Backoff(tries), left))
		if n := t.free(most); n > 0 {
			return n
		}
	}
}

// Submit sends the frames.
func (t *TX) Submit(s []link.Slot) error {
	if err := t.Accept(s); err != nil {
		return err
	}
	tr := train{end: len(s)}
	err := t.send(&tr)
	for i := tr.done; i < tr.requested; i++ {
		t.ring.frame(t.At(i)).cancel()
	}
	t.Advance(tr.done)
	return err
}

// A train is the frames of one Submit on their way, counted in slots from the first:
//
//	0 ········· done ············ requested ············ end
//	│ taken     │ to be sent next │ still gap slots further on, where the caller wrote them
//
// The kernel goes on only from the frame at which its last call ended. So where one is refused those behind it move up, the
// requested ones at once, the others when it is their turn. What is refused before it is requested is not moved over.
type train struct {
	done, requested, end int
	gap                  int // frames refused
}

// send sends a train. Each frame ends up sent, refused or aborted, whatever happens.
func (t *TX) send(tr *train) error {
	c := &t.Counters
	aborts := t.Aborts()
	patience := batch.Patience{Retries: t.retries}
	for t.request(tr) {
		errno := kick(t.fd, t.to())
		if n := t.taken(tr); n > 0 {
			c.Sent.Add(uint64(n))
			patience.Renew()
			continue // a reason why the call ended early, the next one has as well
		}
		switch {
		case t.ring.frame(t.At(tr.done)).status() == unix.TP_STATUS_WRONG_FORMAT:
			_ = t.limit.ask()
			t.refuse(tr)
		case errno == unix.EINTR:
		case errno == 0: // the kernel is somewhere else in the ring
			return t.fail(tr, fmt.Errorf("send on %s: transmit ring out of step: %w", t.dev.Name, unix.EIO))
		case !batch.Busy(errno):
			if err := t.dev.Verdict(errno); err != nil {
				return t.fail(tr, err)
			}
			t.refuse(tr)
		case t.Aborts() != aborts:
			c.Aborted.Add(uint64(tr.end - tr.done))
			return nil
		case !patience.Wait(c, t.fd, errno):
			t.refuse(tr)
		}
	}
	return nil
}

// to is where the requested packets go: with a link header, that says it.
func (t *TX) to() *mmsg.Address {
	if t.bare {
		return &t.address
	}
	return nil
}

// request requests frames until those of one call are, or until one goes elsewhere. It returns false if there are none left.
func (t *TX) request(tr *train) bool {
	for tr.requested < min(tr.done+callFrames, tr.end) {
		own := t.At(tr.requested + tr.gap)
		if t.limit.exceeds(own.N) {
			t.skip(tr)
			continue
		}
		if t.bare && !t.shares(own, tr.requested == tr.done) {
			break
		}
		if tr.gap > 0 {
			own = t.move(tr.requested+tr.gap, tr.requested)
		}
		t.ring.frame(own).request(own.N)
		tr.requested++
	}
	return tr.done < tr.requested
}

// skip refuses the frame that would be requested next.
func (t *TX) skip(tr *train) {
	t.Refused.Add(1)
	tr.end--
	tr.gap++
}

// shares says whether a packet goes where the requested ones go; the first of them says where that is.
func (t *TX) shares(s *link.Slot, first bool) bool {
	var a mmsg.Address
	t.dev.Address(s.Data[:s.N], &a)
	if first {
		t.address = a
	}
	return a == t.address
}

// move copies a frame to another slot, and returns that. Nobody knows of what template the two are then.
func (t *TX) move(from, to int) *link.Slot {
	src, dst := t.At(from), t.At(to)
	dst.N = copy(dst.Data, src.Data[:src.N])
	src.Template, dst.Template = 0, 0
	return dst
}

// taken counts the frames that the last call went past.
func (t *TX) taken(tr *train) int {
	const ours = unix.TP_STATUS_SEND_REQUEST | unix.TP_STATUS_WRONG_FORMAT
	before := tr.done
	for tr.done < tr.requested && t.ring.frame(t.At(tr.done)).status()&ours == 0 {
		tr.done++
	}
	return tr.done - before
}

// refuse gives up the frame at which the last call ended: those behind it move up.
func (t *TX) refuse(tr *train) {
	for i := tr.done + 1; i < tr.requested; i++ {
		own := t.move(i, i-1)
		t.ring.frame(own).request(own.N)
	}
	tr.requested--
	t.ring.frame(t.At(tr.requested)).cancel()
	t.skip(tr)
}

// fail refuses all that is left, and ends the queue.
func (t *TX) fail(tr *train, err error) error {
	t.Refused.Add(uint64(tr.end - tr.done))
	return t.Fail(err)
}

// Close closes the socket and unmaps the ring. Frames that the driver holds still leave: the kernel keeps their memory.
func (t *TX) Close() error {
	if !t.Shut() {
		return nil
	}
	err := errors.Join(unix.Munmap(t.ring), unix.Close(t.fd))
	t.ring = nil
	if err != nil {
		return fmt.Errorf("close transmit ring: %w", err)
	}
	return nil
}

package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// A Capture is a running record of what arrives at the Internet's end.
type Capture struct {
	net *Net
	id  uint64
}

// Capture begins to record the frames that arrive from the scanner, and returns when it does. Captures may overlap. ctx
// bounds the start only.
func (n *Net) Capture(ctx context.Context, spec CaptureSpec) (*Capture, error) {
	if spec.Window < 0 || spec.Keep < 0 || spec.Select > Everything {
		return nil, fmt.Errorf("capture: bad specification %+v", spec)
	}
	if spec.Window == 0 {
		spec.Window = time.Millisecond
	}
	c := &Capture{net: n}
	if err := n.control.call(ctx, opCapture, spec, &c.id); err != nil {
		return nil, err
	}
	return c, nil
}

// Stop ends the capture, when everything that had arrived by now is recorded, and returns what it has seen. It must be
// called once.
func (c *Capture) Stop(ctx context.Context) (Captured, error) {
	var out Captured
	err := c.net.control.call(ctx, opSettle, c.id, &out)
	return out, err
}

// A recorder is the Internet's side of a Capture.
type recorder struct {
	spec CaptureSpec
	ring *ring
	stop chan struct{} // closed to end it
	done chan struct{} // closed when it has ended; the fields below are complete then

	until  int64 // later frames do not count; 0 while it goes on
	beyond bool  // there was one
	at     []int64
	kept   []KeptFrame
	all    uint64
	err    error
}

func (in *internet) capture(_ context.Context, spec CaptureSpec) (any, error) {
	ring, err := openRing(in.index, spec.Select.filter())
	if err != nil {
		return nil, err
	}
	r := &recorder{spec: spec, ring: ring, stop: make(chan struct{}), done: make(chan struct{})}
	go r.run()
	in.mu.Lock()
	defer in.mu.Unlock()
	in.captured++
	in.captures[in.captured] = r
	return in.captured, nil
}

func (in *internet) settle(_ context.Context, id uint64) (any, error) {
	in.mu.Lock()
	r, ok := in.captures[id]
	delete(in.captures, id)
	in.mu.Unlock()
	if !ok {
		return nil, errors.New("this capture has been stopped already")
	}
	close(r.stop)
	<-r.done
	return r.result()
}

// run records until it is told to stop and the ring has nothing more from before that.
func (r *recorder) run() {
	defer close(r.done)
	// Longer than the kernel keeps a frame to itself: if nothing comes in that time, nothing is left.
	const quiet = 20 * ringAge * time.Millisecond
	for {
		select {
		case <-r.stop:
			if r.until == 0 {
				r.until = time.Now().UnixNano()
			}
		default:
		}
		n, err := r.ring.poll(quiet, r.record)
		if err != nil {
			r.err = err
			return
		}
		if r.until != 0 && (n == 0 || r.beyond) {
			return
		}
	}
}

func (r *recorder) record(frame []byte, at int64) {
	if r.until != 0 && at > r.until {
		r.beyond = true
		return
	}
	r.all++
	if len(r.at) < maxTimes {
		r.at = append(r.at, at)
	}
	if len(r.kept) < r.spec.Keep {
		r.kept = append(r.kept, KeptFrame{At: time.Unix(0, at), Data: bytes.Clone(frame)})
	}
}

func (r *recorder) result() (Captured, error) {
	full, err := r.ring.countLost()
	err = errors.Join(r.err, err, r.ring.close())
	out := Captured{Frames: r.all + full, Lost: full + r.all - uint64(len(r.at)), Kept: r.kept}
	out.summarise(r.at, r.spec.Window)
	return out, err
}

// filter returns the selection as a program.
func (s Selection) filter() []unix.SockFilter {
	if s == Everything {
		return []unix.SockFilter{verdict(wholeFrame)}
	}
	return []unix.SockFilter{
		load(unix.BPF_H, 12),
		jump(unix.BPF_JEQ, unix.ETH_P_IP, 0, 6),
		load(unix.BPF_B, etherLen+9),
		jump(unix.BPF_JEQ, protoTCP, 0, 3),
		{Code: unix.BPF_LDX | unix.BPF_B | unix.BPF_MSH, K: etherLen}, // X = length of the IP header
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_IND, K: etherLen + tcpFlagsAt},
		jump(unix.BPF_JSET, flagRST, 1, 0),
		verdict(wholeFrame),
		verdict(0),
	}
}

package lab

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"
	"time"
)

// TestCapture sends known frames at known times and expects to see them, and nothing else.
func TestCapture(t *testing.T) {
	n := newWorld(t, World{})
	p := newProber(t, n)
	ctx := bounded(t)
	before := time.Now()
	probes, err := n.Capture(ctx, CaptureSpec{Keep: 2})
	if err != nil {
		t.Fatal(err)
	}
	everything, err := n.Capture(ctx, CaptureSpec{Select: Everything, Window: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	frames := [][]byte{probeSYN(80)(p, "10.1.1.1"), probeSYN(81)(p, "10.1.1.1"), probePing(p, "10.1.1.1")}
	for i, f := range frames {
		if i > 0 {
			time.Sleep(20 * time.Millisecond)
		}
		p.send(t, f, probeReset(p, "10.1.1.1"))
	}
	got, err := probes.Stop(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if got.Frames != 3 || got.Lost != 0 || got.MaxInWindow != 1 || got.P999InWindow != 1 {
		t.Errorf("got %+v, want 3 frames in windows of their own", got)
	}
	if got.First.Before(before) || got.Last.After(time.Now()) || got.MinGap < 20*time.Millisecond || got.Last.Sub(got.First) < 2*got.MinGap {
		t.Errorf("times %v to %v with gaps of %v and more", got.First, got.Last, got.MinGap)
	}
	if len(got.Kept) != 2 || !bytes.Equal(got.Kept[0].Data, frames[0]) || !bytes.Equal(got.Kept[1].Data, frames[1]) ||
		!got.Kept[0].At.Equal(got.First) {
		t.Errorf("kept %+v, want the first two of %x", got.Kept, frames)
	}
	if all, err := everything.Stop(ctx); err != nil || all.Frames != 6 || all.MaxInWindow != 6 || all.Kept != nil {
		t.Errorf("everything: %+v, %v; want 6 frames in one window", all, err)
	}
	if _, err := probes.Stop(ctx); err == nil {
		t.Error("a second Stop succeeds")
	}
}

// TestCaptureCountsABurst: every one of many frames back to back is counted, or known to be lost. What is sent has not arrived
// yet: on a busy machine the last frames wait in the cable for a processor, and a capture that ends before is without them.
func TestCaptureCountsABurst(t *testing.T) {
	w := World{Tally: true}
	n := newWorld(t, w)
	p := newProber(t, n)
	ctx := bounded(t)
	c, err := n.Capture(ctx, CaptureSpec{})
	if err != nil {
		t.Fatal(err)
	}
	const burst = 100000
	frame := probeSYN(80)(p, "10.1.1.1")
	for range burst {
		if err := p.out.add(frame); err != nil {
			t.Fatal(err)
		}
	}
	p.send(t)
	st := settledStats(t, n, func(st Stats) bool { return st.Tally.SYNs == burst && st.Link.In >= burst })
	if refused := p.out.refused.Load(); st.Tally.SYNs != burst || st.Link.InDropped != 0 || refused != 0 {
		t.Errorf("tally %d with %d dropped and %d refused, want %d", st.Tally.SYNs, st.Link.InDropped, refused, burst)
	}
	got, err := c.Stop(ctx)
	if err != nil || got.Frames != burst || got.Lost != 0 {
		t.Errorf("captured %d frames and lost %d (%v), want %d and 0", got.Frames, got.Lost, err, burst)
	}
}

// TestCaptureStopsWhileFramesArrive: Stop has an end although the stream has none.
func TestCaptureStopsWhileFramesArrive(t *testing.T) {
	n := newWorld(t, World{})
	p := newProber(t, n)
	c, err := n.Capture(bounded(t), CaptureSpec{})
	if err != nil {
		t.Fatal(err)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	frame := probeSYN(80)(p, "10.1.1.1")
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
			}
			if p.out.add(frame) != nil || p.out.flush() != nil {
				return
			}
		}
	}()
	got, err := c.Stop(bounded(t))
	close(stop)
	<-stopped
	if err != nil || got.Lost != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestForgeAMillion: a million forged answers leave, arrive, and none of them is right.
func TestForgeAMillion(t *testing.T) {
	if testing.Short() {
		t.Skip("sends a million frames, and -short was given")
	}
	n := newWorld(t, World{})
	p := newProber(t, n)
	f := testFlood()
	f.Frames = 1_000_000
	stop, arrived := make(chan struct{}), make(chan uint64)
	go func() {
		var count uint64
		for {
			k, err := p.in.poll(50*time.Millisecond, func(frame []byte, _ int64) {
				if binary.BigEndian.Uint16(frame[12:]) == 0x0800 {
					count++
				}
			})
			select {
			case <-stop:
				if k == 0 || err != nil {
					arrived <- count
					return
				}
			default:
			}
		}
	}()
	done, err := n.Forge(bounded(t), f)
	close(stop)
	count := <-arrived
	if err != nil {
		t.Fatal(err)
	}
	lost, err := p.in.countLost()
	if err != nil {
		t.Fatal(err)
	}
	st, err := n.Stats(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d sent in %v, %d with the right ports; the prober saw %d and lost %d; the link dropped %d",
		done.Sent, done.Elapsed, done.Right, count, lost, st.Link.OutDropped)
	if done.Sent != 1_000_000 || done.Refused != 0 || count+lost+st.Link.OutDropped != 1_000_000 {
		t.Errorf("forged %+v, arrived %d, lost %d, dropped %d: want a million in all", done, count, lost, st.Link.OutDropped)
	}
	if done.Right < 240_000 || done.Right > 260_000 {
		t.Errorf("%d with the right ports, want about a quarter", done.Right)
	}
}

func TestForgeKeepsItsRateAndStops(t *testing.T) {
	n := newWorld(t, World{})
	f := testFlood()
	f.Frames, f.Rate = 300, 1000
	done, err := n.Forge(bounded(t), f)
	if err != nil || done.Sent != 300 || done.Elapsed < 290*time.Millisecond {
		t.Errorf("forged %+v, %v; want 300 in 0.3 s at least", done, err)
	}
	f.Rate, f.From = 1, netip.MustParsePrefix("10.0.0.1/32")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	done, err = n.Forge(ctx, f)
	if !errors.Is(err, context.DeadlineExceeded) || done.Sent == 0 || done.Sent > 2 {
		t.Errorf("cancelled: forged %+v, %v; want one or two and the context's error", done, err)
	}
}

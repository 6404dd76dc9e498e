package lab

import (
	"context"
	"fmt"
	"time"
)

// Forge sends a Flood and returns when it is on its way, or when ctx ends; then the error is ctx's and the Flooded tells how
// far it got. Floods may run at the same time, beside everything else.
func (n *Net) Forge(ctx context.Context, f Flood) (Flooded, error) {
	if err := f.validate(); err != nil {
		return Flooded{}, err
	}
	var done Flooded
	err := n.control.call(ctx, opForge, f, &done)
	return done, err
}

func (in *internet) forge(ctx context.Context, f Flood) (any, error) {
	s, err := openSender(in.index, in.loss == nil)
	if err != nil {
		return nil, err
	}
	defer s.close()
	forger := newForger(f, in.link)
	err = flood(ctx, forger, s)
	done := forger.done
	done.Refused = s.refused.Load()
	done.Sent = uint64(forger.made) - done.Refused
	return done, err
}

// flood sends all frames of f through s, in batches of a millisecond's worth where there is a rate.
func flood(ctx context.Context, f *forger, s *sender) error {
	batch, rate := senderBatch, f.flood.Rate
	if rate > 0 {
		batch = max(1, min(batch, rate/1000))
	}
	start := time.Now()
	defer func() { f.done.Elapsed = time.Since(start) }()
	var b []byte
	for f.made < f.flood.Frames {
		for range min(batch, f.flood.Frames-f.made) {
			b = f.appendNext(b[:0])
			if err := s.add(b); err != nil {
				return err
			}
		}
		if err := s.flush(); err != nil {
			return err
		}
		var pause time.Duration
		if rate > 0 {
			pause = time.Duration(float64(f.made)/float64(rate)*float64(time.Second)) - time.Since(start)
		}
		if err := sleep(ctx, pause); err != nil {
			return fmt.Errorf("forge answers: stopped after %d of %d frames", f.made, f.flood.Frames)
		}
	}
	return nil
}

// sleep waits, or returns ctx's error.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

package engine

import "time"

// A Clock tells the time and sleeps for the pacer. Times are nanoseconds of a monotonic clock with an origin of its own.
type Clock interface {
	// Now returns the present moment, which is later than 0.
	Now() int64
	// SleepUntil returns at moment t or soon after, or earlier, with false, if done is closed. It may return up to
	// 2 ms late on a busy machine and never early.
	SleepUntil(t int64, done <-chan struct{}) bool
}

// plainClock sleeps with the runtime's timers: about a millisecond late at the median, and right inside a synctest bubble.
type plainClock struct{ origin time.Time }

// PlainClock returns a clock made of the runtime's own timers, for tests and for systems without a better one.
func PlainClock() Clock { return plainClock{origin: time.Now().Add(-1)} }

func (c plainClock) Now() int64 { return int64(time.Since(c.origin)) }

func (c plainClock) SleepUntil(t int64, done <-chan struct{}) bool {
	return sleepChan(time.Duration(t-c.Now()), done)
}

// sleepChan sleeps for d or until done is closed, and says whether it slept to the end.
func sleepChan(d time.Duration, done <-chan struct{}) bool {
	if d <= 0 {
		select {
		case <-done:
			return false
		default:
			return true
		}
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
		return false
	case <-timer.C:
		return true
	}
}

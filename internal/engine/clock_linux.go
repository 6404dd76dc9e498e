package engine

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// coarse is how long before its end a sleep turns from the runtime's timers, which can be interrupted, to the kernel's
// clock_nanosleep, which wakes within a fraction of a millisecond.
const coarse = 3 * time.Millisecond

// kernelClock sleeps with clock_nanosleep(2): 164 µs for a sleep of 100 µs at the median, where time.Sleep takes 1.2 ms.
type kernelClock struct{}

// SystemClock returns the most exact clock that the system has.
func SystemClock() Clock { return kernelClock{} }

func (kernelClock) Now() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // cannot fail for this clock
	return ts.Nano()
}

func (c kernelClock) SleepUntil(t int64, done <-chan struct{}) bool {
	if far := time.Duration(t-c.Now()) - coarse; far > 0 && !sleepChan(far, done) {
		return false
	}
	ts := unix.NsecToTimespec(t)
	for errors.Is(unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &ts, nil), unix.EINTR) {
		// The runtime preempts goroutines by signals: sleep on.
		continue
	}
	select {
	case <-done:
		return false
	default:
		return true
	}
}

package engine

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// pin gives the calling goroutine a thread of its own, with timers as exact as the kernel has them, and binds it to the
// i-th of the cores that the configuration names, round robin. It returns a function that lets the thread go again; a
// thread that was bound to a core ends with its goroutine instead. Where the kernel refuses, the thread runs unbound: that
// costs speed, never answers.
func (s *Scan) pin(i int) func() {
	runtime.LockOSThread()
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	if len(s.cfg.Cores) == 0 {
		return func() {
			_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0)
			runtime.UnlockOSThread()
		}
	}
	var set unix.CPUSet
	set.Set(s.cfg.Cores[i%len(s.cfg.Cores)])
	_ = unix.SchedSetaffinity(0, &set)
	return func() {}
}

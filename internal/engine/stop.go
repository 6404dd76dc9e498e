package engine

import (
	"errors"
	"fmt"
	"sync"

	"github.com/zmap-go/zmap/sink"
)

// A Stop is the reason for which a scan ended.
type Stop uint8

// The reasons. The zero value means that the scan is still running.
const (
	Running      Stop = iota
	WalkDone          // every target of this shard was asked
	MaxTargets        // as many targets were asked as wanted
	MaxResults        // as many rows were written as wanted
	MaxRuntime        // the time for sending was over
	Interrupted       // the caller's context ended: a signal, for a command
	LinkLost          // the interface went down or away
	SinkFailed        // rows could not be written
	ReaderGone        // nobody reads the output any more
	HitRateLow        // fewer hosts answered than --min-hitrate asks
	SendFailures      // more frames were refused than --max-sendto-failures lets pass
)

// stopNames are the names that metadata and messages use.
var stopNames = [...]string{
	"running", "walk done", "max-targets", "max-results", "max-runtime", "interrupted", "link lost", "sink failed",
	"reader gone", "hit rate too low", "too many send failures",
}

// String returns the reason's name as metadata and messages have it.
func (s Stop) String() string {
	if int(s) < len(stopNames) {
		return stopNames[s]
	}
	return fmt.Sprintf("stop %d", uint8(s))
}

// Clean says whether the scan did what was asked: it ended by itself or at a limit that the caller set.
func (s Stop) Clean() bool {
	switch s {
	case WalkDone, MaxTargets, MaxResults, MaxRuntime:
		return true
	default:
		return false
	}
}

// A StopError is the error of a scan that did not end cleanly.
type StopError struct {
	Reason Stop
	Err    error // what caused it; nil if the reason says it all
}

// Error returns the reason and its cause.
func (e *StopError) Error() string {
	if e.Err == nil {
		return e.Reason.String()
	}
	return e.Reason.String() + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *StopError) Unwrap() error { return e.Err }

// SinkStop returns the error of a scan whose rows cannot be written for that reason.
func SinkStop(err error) *StopError {
	if errors.Is(err, sink.ErrReaderGone) {
		return &StopError{Reason: ReaderGone, Err: err}
	}
	return &StopError{Reason: SinkFailed, Err: err}
}

// A stopper holds the first reason to stop and tells everyone by closing channels. Its methods may be called from any
// goroutine.
type stopper struct {
	mu     sync.Mutex
	reason Stop
	err    error

	sending chan struct{} // closed: senders end
	scan    chan struct{} // closed: there is no cooldown, the receivers end as well
}

func newStopper() *stopper {
	return &stopper{sending: make(chan struct{}), scan: make(chan struct{})}
}

// stopSending ends the senders; the cooldown follows.
func (s *stopper) stopSending(why Stop) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note(why, nil)
	closeOnce(s.sending)
}

// stopScan ends the senders and the receivers at once. A reason to do that comes before one that only ended the sending.
func (s *stopper) stopScan(why Stop, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.overrule()
	s.note(why, err)
	closeOnce(s.sending)
	closeOnce(s.scan)
}

// interrupt ends the senders because the caller's context has ended. That comes before a reason that only ended the
// sending: the answers that the rest of the cooldown would have brought are missing.
func (s *stopper) interrupt(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.overrule()
	s.note(Interrupted, cause)
	closeOnce(s.sending)
}

// overrule forgets a reason that only ended the sending.
func (s *stopper) overrule() {
	if s.reason.Clean() && !isClosed(s.scan) {
		s.reason, s.err = Running, nil
	}
}

// note keeps the first reason.
func (s *stopper) note(why Stop, err error) {
	if s.reason == Running {
		s.reason, s.err = why, err
	}
}

// result returns the first reason and, unless it is a clean one, the error that tells it.
func (s *stopper) result() (Stop, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reason.Clean() {
		return s.reason, nil
	}
	return s.reason, &StopError{Reason: s.reason, Err: s.err}
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func closeOnce(c chan struct{}) {
	if !isClosed(c) {
		close(c)
	}
}

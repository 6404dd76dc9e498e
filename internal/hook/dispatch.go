package hook

import (
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// A Fault is a hook that did not get all that there was for it.
type Fault struct {
	Hook   string // its name
	Err    error  // why it is called no more, or wraps [ErrDropped]
	Stack  []byte // of the goroutine that panicked; nil for other reasons
	Missed uint64 // events that it did not get; the one at which it panicked or stalled is not among them
}

// ErrDropped is the error of a hook that works, but did not get the last events.
var ErrDropped = errors.New("events were waiting when there was no more time for them")

// ErrStalled is wrapped by the error of a hook that took too long.
var ErrStalled = errors.New("did not return")

// errExited is that of a hook that calls runtime.Goexit, as t.FailNow does.
var errExited = errors.New("ended the goroutine that it was called on")

// dispatch calls hooks until the queue is closed and empty, or until another dispatcher takes over.
func (q *Queue[E]) dispatch(turn uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		for q.head == q.tail && !q.closed && q.turn == turn {
			q.work.Wait()
		}
		switch s := q.slot(q.head); {
		case q.turn != turn:
			return
		case q.head == q.tail:
			close(q.done)
			return
		case q.hooks[s.hook].off:
			q.hooks[s.hook].miss()
			q.advance()
		case !q.call(turn, s.hook, s.event):
			return
		}
	}
}

// call calls a hook with the event at head, while the queue is unlocked. It returns false if another dispatcher has taken
// over meanwhile.
func (q *Queue[E]) call(turn uint64, hook int, e *E) (mine bool) {
	q.busy = true
	q.mu.Unlock()
	fault := Fault{Hook: q.cfg.Names[hook], Err: errExited}
	returned := false
	defer func() {
		exits := false
		if !returned {
			p := recover()
			if exits = p == nil; !exits {
				fault.Err, fault.Stack = fmt.Errorf("panicked: %v", p), debug.Stack()
			}
		}
		if fault.Err != nil {
			q.tell(turn, fault)
		}
		q.mu.Lock()
		if mine = q.turn == turn; !mine {
			return
		}
		if fault.Err != nil {
			q.disable(hook, fault)
		}
		if fault.Err != nil && returned { // it says that it has not got the event
			q.hooks[hook].missed++
		}
		q.busy = false
		q.advance()
		if exits { // this goroutine is at its end
			q.succeed()
		}
	}()
	fault.Err = q.cfg.Call(hook, e)
	returned = true
	return mine
}

// tell reports a fault, unless the dispatcher that found it was given up before.
func (q *Queue[E]) tell(turn uint64, f Fault) {
	q.mu.Lock()
	mine := q.turn == turn
	q.mu.Unlock()
	if mine && q.cfg.Fault != nil {
		q.cfg.Fault(f)
	}
}

// disable sees to it that a hook is called no more.
func (q *Queue[E]) disable(hook int, f Fault) {
	q.hooks[hook].off, q.hooks[hook].fault = true, &f
}

// advance is done with the event at head.
func (q *Queue[E]) advance() {
	q.head++
	q.release()
}

// succeed has another goroutine go on.
func (q *Queue[E]) succeed() {
	q.turn++
	go q.dispatch(q.turn)
}

// watch gives up calls that do not return in time.
func (q *Queue[E]) watch() {
	tick := time.NewTicker(max(q.cfg.Patience/8, time.Millisecond))
	defer tick.Stop()
	const none = ^uint64(0)
	call, since := none, time.Time{} // the call that was seen last, and when it was seen first
	for {
		select {
		case <-q.done:
			return
		case now := <-tick.C:
			q.mu.Lock()
			switch {
			case !q.busy:
				call = none
			case q.head != call:
				call, since = q.head, now
			case now.Sub(since) >= q.cfg.Patience:
				call = none
				q.abandon()
				continue
			}
			q.mu.Unlock()
		}
	}
}

// abandon leaves the call at head to itself, with its event, and unlocks the queue.
func (q *Queue[E]) abandon() {
	s := q.slot(q.head)
	fault := Fault{Hook: q.cfg.Names[s.hook], Err: fmt.Errorf("%w within %v", ErrStalled, q.cfg.Patience)}
	q.disable(s.hook, fault)
	s.event = nil
	q.busy = false
	q.advance()
	q.succeed()
	q.mu.Unlock()
	if q.cfg.Fault != nil {
		q.cfg.Fault(fault)
	}
}

package hook

import (
	"sync"
	"time"
)

// Config says what a [Queue] calls. A hook is known by its position in Names.
type Config[E any] struct {
	Names []string
	// Call calls a hook with an event, which is valid during the call only. It is where foreign code runs. A hook for which it
	// returns an error has missed that event and is called no more.
	Call func(hook int, e *E) error
	// Len is how many events may wait, 4 or more. An event takes memory from its first use on.
	Len int
	// Patience is how long a call may take; 0 or less means for ever.
	Patience time.Duration
	// Hold is told that the queue has filled up, or run down again. It must return at once and not use the queue.
	Hold func(on bool)
	// Fault is told of hooks that are called no more, on a goroutine of the queue.
	Fault func(Fault)
}

// A Queue takes events for hooks. Its methods may be called from any goroutine, but not by a hook.
type Queue[E any] struct {
	cfg Config[E]

	mu     sync.Mutex // guards the fields below
	work   sync.Cond  // for the dispatcher: an event is there, or the end
	moved  sync.Cond  // for producers: an event is done with, or a hook is off
	slots  []slot[E]  // a ring; those from head to tail are taken
	head   uint64     // the event that is called, or the next; counted from the first one ever
	tail   uint64     // the next to be put
	busy   bool       // a hook is being called with the event at head
	turn   uint64     // number of the dispatcher: one that was given up finds another number here
	closed bool
	hooks  []state

	held   bool // Hold was told that the queue is full
	since  time.Time
	waited time.Duration // for how long it was, before since

	done     chan struct{} // closed when the last dispatcher has ended
	watching sync.WaitGroup
}

// A slot is an event's place in the ring.
type slot[E any] struct {
	hook  int
	event *E
}

// A state is what the queue knows of a hook.
type state struct {
	off    bool
	fault  *Fault
	missed uint64
	newest uint64 // 1 + the position of its newest event
}

// miss counts an event that the hook does not get.
func (s *state) miss() {
	if s.missed++; s.fault == nil {
		s.fault = &Fault{Err: ErrDropped}
	}
}

// New returns a queue at work. It must be closed.
func New[E any](cfg Config[E]) *Queue[E] {
	q := &Queue[E]{
		cfg: cfg, slots: make([]slot[E], cfg.Len+len(cfg.Names)), hooks: make([]state, len(cfg.Names)), done: make(chan struct{}),
	}
	q.work.L, q.moved.L = &q.mu, &q.mu
	go q.dispatch(0)
	if cfg.Patience > 0 {
		q.watching.Go(q.watch)
	}
	return q
}

// Put has fill write an event for a hook. It waits while the queue is full. A hook that is off gets nothing: that is counted.
func (q *Queue[E]) Put(hook int, fill func(*E)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.put(hook, fill)
}

// put is Put while the queue is locked. It returns whether the hook will be called.
func (q *Queue[E]) put(hook int, fill func(*E)) bool {
	for q.tail-q.head >= uint64(q.cfg.Len) && !q.hooks[hook].off {
		q.moved.Wait()
	}
	return q.add(hook, fill)
}

// add puts an event into the ring, which must have room.
func (q *Queue[E]) add(hook int, fill func(*E)) bool {
	h := &q.hooks[hook]
	if h.off || q.closed {
		h.miss()
		return false
	}
	s := q.slot(q.tail)
	if s.hook = hook; s.event == nil {
		s.event = new(E)
	}
	fill(s.event)
	q.tail++
	h.newest = q.tail
	if !q.held && q.tail-q.head > uint64(q.cfg.Len/2) {
		q.held, q.since = true, time.Now()
		q.hold()
	}
	q.work.Signal()
	return true
}

// Refresh is Put for events that tell the state of things: the newest takes the place of one that still waits, so there is
// always room and never a wait.
func (q *Queue[E]) Refresh(hook int, fill func(*E)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	next := q.head
	if q.busy {
		next++
	}
	if h := &q.hooks[hook]; h.newest > next && !h.off {
		fill(q.slot(h.newest - 1).event)
		return
	}
	q.add(hook, fill)
}

// Do is Put, and waits until the hook has returned or is off. It must not be used during Drain.
func (q *Queue[E]) Do(hook int, fill func(*E)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.put(hook, fill) {
		return
	}
	for mine := q.tail - 1; q.head <= mine; {
		q.moved.Wait()
	}
}

// Drain waits until all events are done with. When give is closed, those that still wait are dropped, and counted.
func (q *Queue[E]) Drain(give <-chan struct{}) {
	drained := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-give:
			q.drop()
		case <-drained:
		}
	})
	q.mu.Lock()
	for q.head < q.tail {
		q.moved.Wait()
	}
	q.mu.Unlock()
	close(drained)
	watch.Wait()
}

// drop forgets the events that wait.
func (q *Queue[E]) drop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	first := q.head
	if q.busy {
		first++
	}
	for at := first; at < q.tail; at++ {
		q.hooks[q.slot(at).hook].miss()
	}
	for i := range q.hooks {
		q.hooks[i].newest = 0
	}
	q.tail = max(first, q.head)
	q.release()
}

// Close ends the queue: it waits for the events that there are, and for Fault to return. Events that are put later are counted as missed.
func (q *Queue[E]) Close() {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return
	}
	q.closed = true
	q.mu.Unlock()
	q.work.Signal()
	<-q.done
	q.watching.Wait()
}

// Load returns how full the queue is, from 0 to 1, and for how long in all it has been too full since it was made.
func (q *Queue[E]) Load() (full float64, waited time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	waited = q.waited
	if q.held {
		waited += time.Since(q.since)
	}
	return min(1, float64(q.tail-q.head)/float64(q.cfg.Len)), waited
}

// Faults returns what became of the hooks that did not get all their events, in the order of their names.
func (q *Queue[E]) Faults() []Fault {
	q.mu.Lock()
	defer q.mu.Unlock()
	var out []Fault
	for i := range q.hooks {
		if h := &q.hooks[i]; h.fault != nil {
			f := *h.fault
			f.Hook, f.Missed = q.cfg.Names[i], h.missed
			out = append(out, f)
		}
	}
	return out
}

// slot returns the place of an event.
func (q *Queue[E]) slot(at uint64) *slot[E] { return &q.slots[at%uint64(len(q.slots))] }

// release wakes those who wait for the queue to move, and says so when it has run down.
func (q *Queue[E]) release() {
	if q.held && q.tail-q.head <= uint64(q.cfg.Len/4) {
		q.held = false
		q.waited += time.Since(q.since)
		q.hold()
	}
	q.moved.Broadcast()
}

// hold tells whoever makes the events.
func (q *Queue[E]) hold() {
	if q.cfg.Hold != nil {
		q.cfg.Hold(q.held)
	}
}

package pool

import (
	"context"
	"errors"
	"math"
	"sync"
	"sync/atomic"

	"golang.org/x/time/rate"

	"github.com/zmap-go/zmap/grab"
)

// Errors of [Pool.Wait] and of grabs that were not made.
var (
	ErrDrained = errors.New("the pool takes no more")
	ErrCut     = errors.New("cut short") // of grabs that were ended, or never begun, when there was no more time
)

// A Pool runs grabs. Its methods may be called from any number of goroutines.
type Pool struct {
	cfg    Config
	desc   grab.Description
	limits grab.Limits
	pace   *rate.Limiter
	ctx    context.Context // of all grabs
	cancel context.CancelFunc

	mu      sync.Mutex
	changed sync.Cond // of mu: something came, went, or the end
	queue   *queue
	running int
	drained bool // no more offers

	full, crowded atomic.Bool
	done          chan struct{} // the dispatcher has ended
	count         counters
}

// New starts a pool, which the caller must [Pool.Drain].
func New(c Config) (*Pool, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	p := &Pool{cfg: c, desc: c.Module.Describe(), limits: c.Limits, queue: newQueue(c.PerAddr, c.PerNet), done: make(chan struct{})}
	if p.limits.Connections == 0 {
		p.limits.Connections = p.desc.Connections
	}
	p.limits = p.limits.WithDefaults()
	p.pace = rate.NewLimiter(rate.Inf, 1)
	if c.Rate > 0 { // what is due within 10 ms may come together: sleep is no finer than that on a busy machine
		p.pace = rate.NewLimiter(rate.Limit(c.Rate), int(math.Ceil(c.Rate/100)))
	}
	p.changed.L = &p.mu
	p.ctx, p.cancel = context.WithCancel(context.Background())
	go p.dispatch()
	return p, nil
}

// Offer gives a work to the pool. It does not block: it returns false when there is no more room or no more is taken, which is
// counted; then w stays the caller's, as does what is left of its half-open connection.
func (p *Pool) Offer(w Work) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count.offered.Add(1)
	if p.drained || p.queue.waiting >= p.cfg.Queue {
		p.count.refused.Add(1)
		return false
	}
	p.push(w)
	return true
}

// Wait gives a work to the pool, and waits until there is room for it, or until ctx ends.
func (p *Pool) Wait(ctx context.Context, w Work) error {
	defer context.AfterFunc(ctx, p.wake)()
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.queue.waiting >= p.cfg.Queue && !p.drained && ctx.Err() == nil {
		p.changed.Wait()
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case p.drained:
		return ErrDrained
	}
	p.count.offered.Add(1)
	p.push(w)
	return nil
}

func (p *Pool) push(w Work) {
	p.queue.push(&item{Work: w})
	p.gauge()
	p.changed.Broadcast()
}

// gauge keeps what Full and Crowded say: more than a quarter of the queue is taken, or half.
func (p *Pool) gauge() {
	p.full.Store(p.queue.waiting > p.cfg.Queue/4)
	p.crowded.Store(p.queue.waiting > p.cfg.Queue/2)
}

// Full says that more than a quarter of the queue is taken: senders should hold. It costs an atomic load.
func (p *Pool) Full() bool { return p.full.Load() }

// Crowded says that more than half of the queue is taken: the rest is for what is on its way. It costs an atomic load.
func (p *Pool) Crowded() bool { return p.crowded.Load() }

func (p *Pool) wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.changed.Broadcast()
}

// dispatch starts grabs until the pool is drained and nothing waits or runs.
func (p *Pool) dispatch() {
	defer close(p.done)
	for {
		w := p.next()
		if w == nil {
			return
		}
		// A pace that ends with the context lets all that waits through, to be reported.
		_ = p.pace.Wait(p.ctx)
		go p.work(w)
	}
}

// next waits for a work that may run, and returns nil at the end.
func (p *Pool) next() *item {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		if p.running < p.cfg.InFlight {
			if w := p.queue.pop(); w != nil {
				p.running++
				p.gauge()
				p.changed.Broadcast()
				return w
			}
		}
		if p.drained && p.queue.waiting == 0 && p.running == 0 {
			return nil
		}
		p.changed.Wait()
	}
}

// ended gives the place of a work back.
func (p *Pool) ended(w *item) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue.end(w)
	p.running--
	p.count.done.Add(1)
	p.changed.Broadcast()
}

// Drain takes no more works, and returns when all are done. When ctx ends, grabs are ended and those not begun are given up: each
// is still reported, with [ErrCut]. Then the error is that of ctx. It may be called again.
func (p *Pool) Drain(ctx context.Context) error {
	p.mu.Lock()
	p.drained = true
	p.changed.Broadcast()
	p.mu.Unlock()
	select {
	case <-p.done:
		p.cancel()
		return nil
	case <-ctx.Done():
		p.cancel()
		<-p.done
		return context.Cause(ctx)
	}
}

// A Counts is a pool's account.
type Counts struct {
	Offered     uint64                 // works
	Refused     uint64                 // of those, by Offer, as there was no room
	Waiting     int                    // works
	Running     int                    // works
	Done        uint64                 // works
	Connections uint64                 // that were opened, or tried to be
	Blocked     uint64                 // of those, to addresses that may not be contacted
	Panics      uint64                 // contained
	Grabs       map[grab.Status]uint64 // by how they ended
}

// Counts returns the account so far. Offered = Refused + Waiting + Running + Done, but for what moves meanwhile.
func (p *Pool) Counts() Counts {
	p.mu.Lock()
	c := Counts{Waiting: p.queue.waiting, Running: p.running}
	p.mu.Unlock()
	c.Offered, c.Refused, c.Done = p.count.offered.Load(), p.count.refused.Load(), p.count.done.Load()
	c.Connections, c.Blocked, c.Panics = p.count.connections.Load(), p.count.blocked.Load(), p.count.panics.Load()
	c.Grabs = make(map[grab.Status]uint64)
	p.count.mu.Lock()
	defer p.count.mu.Unlock()
	for s, n := range p.count.grabs {
		c.Grabs[s] = n
	}
	return c
}

// counters are what Counts reads.
type counters struct {
	offered, refused, done, connections, blocked, panics atomic.Uint64

	mu    sync.Mutex
	grabs map[grab.Status]uint64
}

// grabbed counts a grab.
func (c *counters) grabbed(s grab.Status) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.grabs == nil {
		c.grabs = make(map[grab.Status]uint64)
	}
	c.grabs[s]++
}

package linktest

import (
	"container/heap"
	"fmt"
	"hash/maphash"
	"sync"
	"time"

	"github.com/zmap-go/zmap/link"
)

const etherLen = 14

// A wire is what is shared by the queues of one link: the clock, the frames on their way, whether the interface is up.
// All of a link's state is behind its one mutex, which is never held across a wait.
type wire struct {
	cfg     link.Config
	options Options
	respond Respond
	seed    maphash.Seed // of the flow hash that spreads frames over receive queues

	mu     sync.Mutex
	events events
	count  uint64 // events so far
	timer  *time.Timer
	left   int // frames that left, of all queues
	tried  int // frames that tried to
	lost   int // received frames lost on purpose
	down   bool
	fell   bool // was down once
	tx     []*TX
	rx     []*RX
}

func newWire(respond Respond, o Options, cfg link.Config) *wire {
	return &wire{respond: respond, options: o, cfg: cfg, seed: maphash.MakeSeed()}
}

// An event happens at a time; those of one time happen in the order in which they were made.
type event struct {
	at     time.Time
	number uint64
	run    func() // called with the wire's mutex held
}

type events []event

func (e events) Len() int { return len(e) }

func (e events) Less(i, j int) bool {
	if e[i].at.Equal(e[j].at) {
		return e[i].number < e[j].number
	}
	return e[i].at.Before(e[j].at)
}

func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }

func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	(*e)[len(*e)-1] = event{}
	*e = (*e)[:len(*e)-1]
	return last
}

// schedule makes an event.
func (w *wire) schedule(at time.Time, run func()) {
	w.count++
	heap.Push(&w.events, event{at: at, number: w.count, run: run})
	w.arm()
}

// arm sets the timer to the next event.
func (w *wire) arm() {
	if len(w.events) == 0 {
		return
	}
	d := time.Until(w.events[0].at)
	if w.timer == nil {
		w.timer = time.AfterFunc(d, w.fire)
		return
	}
	w.timer.Reset(d)
}

// fire lets happen what is due.
func (w *wire) fire() {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	for len(w.events) > 0 && !w.events[0].at.After(now) {
		heap.Pop(&w.events).(event).run()
	}
	w.arm()
}

// carry takes a frame from a transmit queue and says whether it left.
func (w *wire) carry(frame []byte) bool {
	w.tried++
	limit := w.options.MTU
	if w.cfg.Ether {
		limit += etherLen
	}
	if w.options.RefuseEvery > 0 && w.tried%w.options.RefuseEvery == 0 || len(frame) > limit {
		return false
	}
	w.left++
	w.respond(frame, w.emit)
	return true
}

// full says whether the interface is to go down now.
func (w *wire) full() bool {
	return w.options.DownAfter > 0 && w.left >= w.options.DownAfter && !w.fell
}

// emit lets a copy of the frame arrive after the delay.
func (w *wire) emit(delay time.Duration, frame []byte) {
	if delay <= 0 && len(w.events) == 0 {
		w.arrive(frame)
		return
	}
	frame = append([]byte(nil), frame...)
	w.schedule(time.Now().Add(max(delay, 0)), func() { w.arrive(frame) })
}

// arrive gives a frame to the receive queue that its flow belongs to.
func (w *wire) arrive(frame []byte) {
	if w.down || len(w.rx) == 0 || !w.cfg.Filter.Match(frame, w.cfg.Ether) {
		return
	}
	rx := w.rx[0]
	if len(w.rx) > 1 {
		rx = w.rx[maphash.Bytes(w.seed, w.flow(frame))%uint64(len(w.rx))]
	}
	rx.received++
	if w.lost < w.options.LoseFirst {
		w.lost++
		rx.lost++
		return
	}
	rx.keep(frame)
}

// flow is the part of a frame that is the same for all frames between two hosts: the addresses of IP, if they are where
// they mostly are.
func (w *wire) flow(frame []byte) []byte {
	from := 12
	if w.cfg.Ether {
		from += etherLen
	}
	return frame[min(from, len(frame)):min(from+8, len(frame))]
}

// up says whether the interface is up.
func (w *wire) up() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down {
		return fmt.Errorf("interface %s is switched off: %w", w.cfg.Interface, link.ErrDown)
	}
	return nil
}

// goDown switches the interface off: what is queued to be sent is refused, what is on its way is gone.
func (w *wire) goDown() {
	w.down, w.fell = true, true
	w.events = nil
	if w.timer != nil {
		w.timer.Stop()
	}
	if d := w.options.DownFor; d > 0 {
		w.schedule(time.Now().Add(d), func() { w.down = false })
	}
	for _, tx := range w.tx {
		tx.stats.Refused += tx.discard()
	}
	for _, rx := range w.rx {
		rx.notify()
	}
}

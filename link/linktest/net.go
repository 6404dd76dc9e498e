package linktest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/zmap-go/zmap/link"
)

// Respond is the Internet: it is called with each frame that leaves a link, in order and one call at a time. The frame is
// valid during the call only. Each call of emit, which is valid during the call only, too, lets a copy of a frame arrive
// at that link after a delay. Respond must not use the link.
type Respond func(frame []byte, emit func(delay time.Duration, frame []byte))

// Options are what may go wrong. The zero value is a perfect link.
type Options struct {
	Queue       int           // slots of each transmit queue; 0 means 256
	Gap         time.Duration // time between two frames that leave a queue; 0 means all leave within Submit
	MTU         int           // longer IP packets are refused; 0 means 1500
	RefuseEvery int           // every nth frame is refused; 0 means none
	LoseFirst   int           // frames received and lost before the first is handed over
	DownAfter   int           // the interface goes down when this many frames have left it; 0 means never
	DownFor     time.Duration // how long it is down then, of links without a gap; 0 means for ever
}

// A Net is an Internet. It is a [link.Engine]: each link opened from it is an interface of its own.
type Net struct {
	respond Respond
	options Options

	mu    sync.Mutex
	wires []*wire // open links
	cut   bool
}

var _ link.Engine = (*Net)(nil)

// New returns an Internet that answers with respond; nil never answers.
func New(respond Respond, o Options) *Net {
	if respond == nil {
		respond = func([]byte, func(time.Duration, []byte)) {}
	}
	if o.Queue <= 0 {
		o.Queue = 256
	}
	if o.MTU <= 0 {
		o.MTU = link.MaxFrame - etherLen
	}
	return &Net{respond: respond, options: o}
}

// Name is "memory".
func (n *Net) Name() string { return "memory" }

// Open opens a link. Config.Filter, Ether, Senders, Receivers, Retries and RingBytes mean what they mean elsewhere, where
// a frame takes its captured length of the ring.
func (n *Net) Open(ctx context.Context, cfg link.Config) (*link.Link, error) {
	cfg, err := cfg.WithDefaults()
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cut {
		return nil, fmt.Errorf("interface %s is switched off: %w", cfg.Interface, link.ErrDown)
	}
	w := newWire(n.respond, n.options, cfg)
	n.wires = append(n.wires, w)
	l := &link.Link{Name: n.Name(), Batch: n.options.Queue, Control: newTX(w, n.options.Queue)}
	if n.options.DownFor > 0 && n.options.Gap <= 0 {
		l.Up = w.up
	}
	for range cfg.Senders {
		l.TX = append(l.TX, newTX(w, n.options.Queue))
	}
	for range cfg.Receivers {
		rx := newRX(w)
		w.rx = append(w.rx, rx)
		l.RX = append(l.RX, rx)
	}
	return l, nil
}

// Check returns what Open would fail with. The memory is that of Config.RingBytes.
func (n *Net) Check(ctx context.Context, cfg link.Config) (uint64, error) {
	l, err := n.Open(ctx, cfg)
	if err != nil {
		return 0, err
	}
	cfg, _ = cfg.WithDefaults() // Open has checked it
	return uint64(cfg.Receivers * cfg.RingBytes), l.Close()
}

// Deliver lets a copy of a frame that nobody asked for arrive at every open link after a delay.
func (n *Net) Deliver(delay time.Duration, frame []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, w := range n.wires {
		w.mu.Lock()
		w.emit(delay, frame)
		w.mu.Unlock()
	}
}

// Cut switches the interfaces of all links off, for good.
func (n *Net) Cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut = true
	for _, w := range n.wires {
		w.mu.Lock()
		w.goDown()
		w.mu.Unlock()
	}
}

package engine

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/probe"
	"github.com/zmap-go/zmap/validate"
)

// A Scan is one run. Make it with [New], run it once with [Scan.Run]; Counts, Progress and SetRate may be called from any
// goroutine meanwhile.
type Scan struct {
	cfg        Config
	clock      Clock
	layout     layout
	firstPort  uint16   // port of the first column of the space
	otherPorts []uint16 // ports to try where answers may come from any: the first of the space

	stop *stopper
	gate gate

	sendCounts []sendCounts
	recvCounts []recvCounts
	senders    atomic.Int32
	trails     []*trail // of the senders
	outage     outage
	aliases    *aliasing                    // nil if nobody looks for aliases
	first      *sender                      // the first one, for what is left to do when all targets are asked
	sources    [families][]netip.Addr       // Config.Sources by family
	hops       atomic.Pointer[[]packet.MAC] // next hops, as Config.Route.Hops; another one if those have changed
	claimed    atomic.Uint64                // targets that senders have taken, if there is a limit to them
	limited    atomic.Bool                  // a sender ended because max-targets was reached
	rows       atomic.Uint64

	outputs   []output
	firstOnly bool // nobody wants other rows than first successes
	halted    atomic.Bool
	grabs     *grabbing // nil without grabs
	keeping   *keeping  // nil without a Keeper
	queue     chan *batch
	free      *stock

	sendingDone chan struct{} // closed when the last sender has drained its queue
	listening   chan struct{} // closed when the cooldown is over
	heardUntil  int64         // when that was, nanoseconds since the Unix epoch; set before
	cooldownEnd atomic.Int64
	begun       atomic.Int64 // clock time of the first probe's moment
	ended       atomic.Int64 // clock time at which sending ended, 0 before
}

// Result is what a scan did.
type Result struct {
	Counts
	Reason             Stop
	Outputs            []OutputResult // as in Config
	SendStart, SendEnd time.Time
	RecvStart, RecvEnd time.Time
}

// New returns a scan that is ready to run.
func New(cfg Config) (*Scan, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	desc := cfg.Probe.Describe()
	if err := CheckNotes(desc, cfg.noted()); err != nil {
		return nil, err
	}
	lay, err := newLayout(desc, cfg.grabbed(), cfg.noted()...)
	if err != nil {
		return nil, err
	}
	s := &Scan{
		cfg: cfg, clock: cfg.Clock, layout: lay, stop: newStopper(),
		sendCounts:  make([]sendCounts, len(cfg.Link.TX)),
		recvCounts:  make([]recvCounts, len(cfg.Link.RX)),
		outputs:     newOutputs(cfg.Outputs),
		firstOnly:   cfg.defaultModeOnly() && cfg.Hooks.Answer == nil,
		queue:       make(chan *batch, queueLen),
		free:        newStock(lay.schema, batchesFor(len(cfg.Link.RX))),
		sendingDone: make(chan struct{}),
		listening:   make(chan struct{}),
	}
	s.aliases = newAliasing(cfg.Aliases)
	if s.grabs = newGrabbing(cfg.Grabs); s.grabs != nil {
		s.gate.busy = cfg.Grabs.Full
	}
	s.begin()
	s.SetHops(cfg.Route.Hops)
	s.firstPort = cfg.Space.At(0).Port
	if desc.Ports && (cfg.CheckPort == No || cfg.CheckPort == ByModule && desc.AnyPort) {
		for i := range min(maxOtherPorts, cfg.Space.Ports().Len()) {
			s.otherPorts = append(s.otherPorts, cfg.Space.Ports().At(i))
		}
	}
	s.SetRate(cfg.Rate)
	return s, nil
}

// begin sorts what senders need, and takes the scan to where an earlier process has left it.
func (s *Scan) begin() {
	s.sources = byFamily(s.cfg.Sources)
	from := &s.cfg.From
	s.claimed.Store(from.Asked())
	if s.cfg.Keeper != nil {
		s.keeping = &keeping{Keeper: s.cfg.Keeper}
	}
	for i, w := range s.cfg.Walks {
		place := Place{Step: w.Step()}
		if from.Targets != nil {
			place.Targets = from.Targets[i]
		}
		s.trails = append(s.trails, newTrail(place))
	}
}

// SetHops changes the hardware addresses of the next hops, of which there must be as many as in Config.Route: from each sender's next batch
// on. The scan keeps the slice.
func (s *Scan) SetHops(hops []packet.MAC) { s.hops.Store(&hops) }

// SetRate changes the rate of all senders together, in probes per second; 0 means as fast as the link goes.
func (s *Scan) SetRate(pps float64) {
	s.gate.setRate(pps)
}

// Rate returns the present rate of all senders together, 0 if it is not limited.
func (s *Scan) Rate() float64 { return s.gate.total() }

// perSender returns the rate of one sender. What a sender that has ended leaves goes to the others.
func (s *Scan) perSender() float64 { return s.gate.total() / float64(max(1, s.senders.Load())) }

// claim takes up to n targets out of those that max-targets allows all senders together, and returns how many it got.
func (s *Scan) claim(n int) int {
	most := s.cfg.Limits.MaxTargets
	if most == 0 {
		return n
	}
	for {
		taken := s.claimed.Load()
		got := min(uint64(n), most-min(most, taken))
		if s.claimed.CompareAndSwap(taken, taken+got) {
			return int(got)
		}
	}
}

// Run scans until a reason to stop comes, and returns what was done, also with an error. The error is a [*StopError]
// unless the scan ended cleanly. When ctx ends, sending stops and answers on their way are awaited for Limits.Grace.
func (s *Scan) Run(ctx context.Context) (Result, error) {
	var res Result
	if err := s.openOutputs(); err != nil {
		stop := SinkStop(err)
		return Result{Reason: stop.Reason, Outputs: s.results()}, stop
	}
	if err := s.keepEnds(Running); err != nil {
		return Result{Outputs: s.results()}, err
	}
	if s.grabs != nil {
		s.grabs.lists = s.read().lists
		if err := s.grabs.Start(s.grabs.done); err != nil {
			return Result{Outputs: s.results()}, err
		}
	}
	collected := make(chan struct{})
	go func() { defer close(collected); (&collector{scan: s}).run() }()
	res.RecvStart = time.Now()
	receivers := s.startReceivers()

	res.SendStart = time.Now()
	s.begun.Store(s.clock.Now())
	watched := make(chan struct{})
	go func() { defer close(watched); s.watch(ctx) }()
	kept, keepOn := s.startKeeping()
	s.startSenders().Wait()
	if s.limited.Load() {
		s.stop.stopSending(MaxTargets)
	} else {
		s.stop.stopSending(WalkDone)
	}
	res.SendEnd = time.Now()
	s.ended.Store(s.clock.Now())
	close(s.sendingDone)
	asked := s.startLingering()

	s.cooldown(ctx)
	s.finishGrabs(ctx)
	s.heardUntil = time.Now().UnixNano()
	close(s.listening)
	<-asked
	receivers.Wait()
	res.RecvEnd = time.Now()
	close(keepOn)
	<-kept
	close(s.queue)
	<-collected
	<-watched
	if s.cfg.Hooks.Tick != nil {
		s.cfg.Hooks.Tick(s.Progress())
	}

	var err error
	res.Reason, err = s.stop.result()
	if kerr := s.keepEnds(res.Reason); err == nil && kerr != nil {
		err = fmt.Errorf("keep the end of the scan: %w", kerr)
	}
	res.Counts, res.Outputs = s.Counts(), s.results()
	return res, err
}

// startKeeping starts to write down how far the scan is, if it is wanted, until on is closed. Then done is.
func (s *Scan) startKeeping() (done <-chan struct{}, on chan struct{}) {
	ended, on := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		if s.keeping != nil {
			s.keep(on)
		}
	}()
	return ended, on
}

// startReceivers starts one receiver per queue.
func (s *Scan) startReceivers() *sync.WaitGroup {
	var wg sync.WaitGroup
	for i := range s.cfg.Link.RX {
		r := s.receiver(i)
		if s.grabs != nil {
			s.grabs.hearing.Add(1)
		}
		wg.Go(func() {
			defer s.pin(i)()
			r.run()
		})
	}
	return &wg
}

// receiver returns the receiver of one queue. The sinks must be open.
func (s *Scan) receiver(i int) *receiver {
	tags := s.tagger()
	r := &receiver{
		scan: s, rx: s.cfg.Link.RX[i], dec: s.cfg.Probe.NewDecoder(), tags: tags, asked: askedTags{Tagger: tags},
		desc: s.cfg.Probe.Describe(), counts: &s.recvCounts[i],
	}
	r.need = s.need(r.dec)
	r.judges, _ = r.dec.(probe.Judge)
	r.timed, _ = r.dec.(probe.TimedDecoder)
	return r
}

// startSenders starts one sender per queue.
func (s *Scan) startSenders() *sync.WaitGroup {
	var wg sync.WaitGroup
	n := len(s.cfg.Link.TX)
	s.senders.Store(int32(n))
	for i, tx := range s.cfg.Link.TX {
		snd := newSender(s, i, tx)
		if i == 0 {
			s.first = snd
		}
		wg.Go(func() {
			defer s.senders.Add(-1)
			defer s.pin(len(s.cfg.Link.RX) + i)()
			snd.run()
		})
	}
	return &wg
}

// tagger returns a source of tags for one goroutine.
func (s *Scan) tagger() *validate.Tagger {
	return validate.NewTagger(s.cfg.Key, s.cfg.Route.Ports, s.cfg.Tries)
}

// cooldown listens on after the last probe, for as long as the reason of the end allows. It goes on while answers that were left
// to come again may.
func (s *Scan) cooldown(ctx context.Context) {
	start := s.ended.Load()
	end := start + int64(s.cfg.Limits.Cooldown)
	s.cooldownEnd.Store(end)
	interrupted := ctx.Done()
	for {
		now := s.clock.Now()
		if more := s.grabs.patience(s.cfg.Limits.Cooldown, time.Duration(now-start)); more > 0 && interrupted != nil {
			end = now + int64(more)
			s.cooldownEnd.Store(end)
		}
		if now >= end {
			return
		}
		timer := time.NewTimer(time.Duration(end - now))
		select {
		case <-s.stop.scan:
			timer.Stop()
			return
		case <-interrupted:
			interrupted = nil
			s.stop.interrupt(context.Cause(ctx))
			end = min(end, s.clock.Now()+int64(s.cfg.Limits.Grace))
			s.cooldownEnd.Store(end)
		case <-timer.C:
		}
		timer.Stop()
	}
}

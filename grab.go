package zmap

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"

	"github.com/zmap-go/zmap/fingerprint"
	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/grab/handover"
	"github.com/zmap-go/zmap/grab/oneshot"
	"github.com/zmap-go/zmap/grab/pool"
	"github.com/zmap-go/zmap/internal/engine"
	"github.com/zmap-go/zmap/internal/grabrow"
	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/probe"
	"github.com/zmap-go/zmap/record"
)

// A Grab says what to ask of hosts that accept a connection, and how. Only Module has no default; see grab/service for those that
// there are.
//
// The connection is the scan's own where that can be had: the SYN that found the host is the only one that it gets, and the
// SYN-ACK is carried on in user space, over the scan's link, or by the kernel, to which it is handed over, whichever suits the
// module. For that the kernel must not see the answers before, which takes a link by XDP, or nftables. Elsewhere a second
// connection is dialled.
//
// A scan with grabs sends from 10,000 ports out of 10000 to 32767 that no other one of the machine has, or 1,824 if there are others,
// unless SourcePorts says otherwise: they should be none of those that the kernel gives to its own connections (net.ipv4.ip_local_port_range), nor of
// another scan.
type Grab struct {
	Module    grab.Module
	Transport grab.Transport   // zero takes the best that can be had; what is asked for and cannot be had is an error
	Limits    grab.Limits      // of each grab
	Operator  grab.Operator    // who asks, for those who are asked
	Names     pool.Names       // what to ask hosts for, one grab each, over connections of their own; nil means once, without a name
	Rules     *fingerprint.Set // what grabs are matched with, for the field fingerprints; nil leaves it empty
	Rate      float64          // connections per second; 0 means no limit
	// InFlight bounds grabs at once, PerAddr and PerNet those with one address and with one /24, Queue the hosts that wait. 0 means
	// the defaults of package pool.
	InFlight, PerAddr, PerNet, Queue int
}

// grabProbe is the probe of scans with grabs. Its options ask for nothing that connections in user space have not.
func grabProbe() (probe.Probe, error) {
	return probe.New("tcp_synscan", probe.Args{Text: "smallest-probes"})
}

// checkGrab says what is wrong with the settings of grabs. The probe must be known.
func (s *setup) checkGrab() error {
	g := s.Grab
	if g == nil {
		return nil
	}
	var errs []error
	if g.Module == nil {
		errs = append(errs, errors.New("there is no module"))
	}
	if p, err := grabProbe(); err != nil || p.Describe().Name != s.desc.Name || p.Describe().FrameLen != s.desc.FrameLen {
		errs = append(errs, fmt.Errorf("grabs need probe tcp_synscan with the arguments smallest-probes, and this is %s with others: leave the probe out", s.desc.Name))
	}
	if g.InFlight < 0 || g.Queue < 0 || min(g.PerAddr, g.PerNet) < pool.Unlimited {
		errs = append(errs, fmt.Errorf("%d grabs in flight, %d per address, %d per network, queue of %d: no bound can be negative", g.InFlight, g.PerAddr, g.PerNet, g.Queue))
	}
	if g.Rate < 0 || math.IsNaN(g.Rate) {
		errs = append(errs, fmt.Errorf("%v connections a second: must be 0 or more", g.Rate))
	}
	return errors.Join(errs...)
}

// fields returns those that rows have behind the scan's own.
func (s *setup) fields(notes []record.Field) []record.Field {
	if s.Grab == nil {
		return notes
	}
	return append(slices.Clip(notes), grabrow.Fields()...)
}

// transports returns the suppliers of connections to try, the best first; none if the scan grabs nothing.
func (s *setup) transports() []grab.Transport {
	switch {
	case s.Grab == nil || s.DryRun != nil:
		return []grab.Transport{grab.AnyTransport}
	case s.Grab.Transport != grab.AnyTransport:
		return []grab.Transport{s.Grab.Transport}
	case s.Grab.Module.Describe().Transport == grab.Handover:
		return []grab.Transport{grab.Handover, grab.Oneshot, grab.Dial}
	}
	return []grab.Transport{grab.Oneshot, grab.Handover, grab.Dial}
}

// eachTransport opens the scan's link for one supplier of connections after the other, until one can be had.
func (s *setup) eachTransport(plan *Plan, open func() error) error {
	var passed []error
	list := s.transports()
	for i, t := range list {
		plan.Transport = t
		var err error
		if t == grab.Handover {
			err = handover.Check(plan.SourceAddrs())
		}
		if err == nil {
			err = open()
		}
		switch {
		case err == nil && t == grab.Dial && len(passed) > 0:
			s.Log.Warn(fmt.Sprintf("the scan's connections cannot be carried on, so that hosts get a second one, by dial: %v", passed))
			return nil
		case err == nil, errors.Is(err, link.ErrDown), i == len(list)-1:
			return err
		}
		passed = append(passed, fmt.Errorf("%s: %w", t, err))
	}
	return nil
}

// withhold changes what a link is to receive to what connections of the scan need that go on by t.
func withhold(f *link.Filter, t grab.Transport) {
	switch t {
	case grab.Oneshot:
		f.TCP, f.Snap, f.Ports[0].RST = link.TCPAll, 0, link.RSTOneshot
	case grab.Handover:
		f.Ports[0].RST = link.RSTHandover
	case grab.AnyTransport, grab.Dial:
	}
}

// grabbers is the Grabber of a scan: a pool, and what supplies it with connections.
type grabbers struct {
	*Grab
	name  string
	stack *oneshot.Stack // sends what belongs to no connection of the kernel's; nil if connections are dialled
	pool  *pool.Pool     // once the scan has started
	conf  pool.Config
}

// grabs returns the scan's grabber, nil if it grabs nothing. The caller must close it before the link.
func (s *setup) grabs(c *course, l *link.Link, plan *Plan) *grabbers {
	if s.Grab == nil || s.DryRun != nil {
		return nil
	}
	g := &grabbers{Grab: s.Grab, name: s.Grab.Module.Describe().Name}
	dialer := &grab.Dialer{Guard: c.mayAsk}
	g.conf = pool.Config{
		Module: g.Module, Main: dialer, More: dialer, Names: g.Names, Operator: g.Operator, Limits: g.Limits,
		Guard: c.mayAsk, Public: func(a netip.Addr) bool { return !c.public.Excludes(a) }, // of redirects both: who is not to be scanned is not to be asked
		Rate: g.Rate, InFlight: g.InFlight, PerAddr: g.PerAddr, PerNet: g.PerNet, Queue: g.Queue, Log: s.Log,
	}
	if plan.Transport != grab.Dial {
		g.stack = oneshot.New(oneshot.Config{
			TX: l.Control, Ether: plan.Path.Ether, SourceMAC: plan.Path.SourceMAC, TTL: s.TTL, MaxConns: max(1<<14, g.InFlight), Guard: c.mayAsk,
		})
		g.conf.Main = g.stack
	}
	if plan.Transport == grab.Handover {
		h := handover.Config{Ack: g.stack.Ack, TTL: s.TTL, Guard: c.mayAsk}
		if s.Interface != "" && plan.Path.Receive == "" {
			h.Interface = plan.Path.Interface // whatever the routes say
		}
		g.conf.Main = handover.New(h)
	}
	return g
}

// engine returns g as the engine wants it: nil if it is.
func (g *grabbers) engine() engine.Grabber {
	if g == nil {
		return nil
	}
	return g
}

// Fields are those of package grabrow.
func (g *grabbers) Fields() []record.Field { return grabrow.Fields() }

// Describe returns their values.
func (g *grabbers) Describe(result *grab.Grab, lists bool) []record.Value {
	return grabrow.Of(result, g.name, g.Rules, lists)
}

// Start starts the pool.
func (g *grabbers) Start(done func(row any, result *grab.Grab, last bool)) (err error) {
	g.conf.Done = func(w *pool.Work, result grab.Grab, last bool) {
		if w.Half != nil && result.Transport == "" { // it was never opened
			g.Reset(w.Half)
		}
		done(w.Row, &result, last)
	}
	g.pool, err = pool.New(g.conf)
	return err
}

// Input gives a segment to the connections in user space, if that is where they are.
func (g *grabbers) Input(p *packet.Parsed) bool {
	return g.conf.Main.Transport() == grab.Oneshot && g.stack.Input(p)
}

// Offer gives a hit to the pool.
func (g *grabbers) Offer(t grab.Target, h *grab.Half, row any) bool {
	if g.stack == nil {
		h = nil
	}
	return g.pool.Offer(pool.Work{Target: t, Half: h, Row: row})
}

// Reset ends a connection that is the scan's own; the kernel has ended all others.
func (g *grabbers) Reset(h *grab.Half) {
	if g.stack != nil {
		g.stack.Reset(h)
	}
}

// Full asks the pool.
func (g *grabbers) Full() bool { return g.pool.Full() }

// Crowded asks the pool.
func (g *grabbers) Crowded() bool { return g.pool.Crowded() }

// Own says whether the kernel is kept from resetting connections.
func (g *grabbers) Own() bool { return g.stack != nil }

// Counts asks the pool.
func (g *grabbers) Counts() engine.GrabCounts {
	c := g.counts()
	return engine.GrabCounts{Offered: c.Offered, Refused: c.Refused, Waiting: c.Waiting, Running: c.Running, Done: c.Done}
}

// Drain drains the pool.
func (g *grabbers) Drain(ctx context.Context) error { return g.pool.Drain(ctx) }

// counts returns the pool's account, empty before there is one.
func (g *grabbers) counts() pool.Counts {
	if g == nil || g.pool == nil {
		return pool.Counts{}
	}
	return g.pool.Counts()
}

// close ends the connections. The pool has been drained by the scan, unless that never began.
func (g *grabbers) close() error {
	if g == nil || g.stack == nil {
		return nil
	}
	return errors.Join(g.conf.Main.Close(), g.stack.Close())
}

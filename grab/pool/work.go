package pool

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"runtime/debug"
	"time"

	"github.com/zmap-go/zmap/grab"
)

// work grabs from one target: once, or once for each name.
func (p *Pool) work(w *item) {
	defer p.ended(w)
	if p.cfg.Names == nil {
		g := p.attempt(&w.Target, w.Half)
		p.count.grabbed(g.Status)
		p.cfg.Done(&w.Work, g, true)
		return
	}
	var sofar []grab.Grab
	half := w.Half
	name, source, ok := p.cfg.Names.Next(p.ctx, &w.Target, nil)
	for ok {
		t := w.Target
		t.Name = name
		g := p.attempt(&t, half)
		half = nil
		g.SNI = name
		if name != "" {
			g.SNISource = source
		}
		if most := p.cfg.Names.Max(); most > 1 {
			g.Attempt = fmt.Sprintf("%d/%d", len(sofar)+1, most)
		}
		sofar = append(sofar, g)
		p.count.grabbed(g.Status)
		// The chooser is asked even if there can be no more, as it takes note of the names that were found.
		name, source, ok = p.cfg.Names.Next(p.ctx, &w.Target, sofar)
		ok = ok && p.cfg.More != nil && p.ctx.Err() == nil && g.Transport != "" // who does not answer has no names
		p.cfg.Done(&w.Work, g, !ok)
		if ok {
			_ = p.pace.Wait(p.ctx) // ended by the context: the grab says so
		}
	}
}

// attempt is one grab.
func (p *Pool) attempt(t *grab.Target, half *grab.Half) grab.Grab {
	supplier := p.cfg.Main
	if half == nil && supplier.Transport() != grab.Dial {
		supplier = p.cfg.More
	}
	ctx, cancel := context.WithTimeout(p.ctx, time.Duration(p.limits.Connections)*p.limits.Timeout)
	defer cancel()
	began := time.Now()
	conn, err := p.open(ctx, supplier, t, half)
	if err != nil {
		return grab.New(p.desc, t, began, nil, p.cause(err))
	}
	s := session{pool: p, target: t, left: p.limits.Connections - 1}
	defer s.close()
	s.add(conn)
	began = time.Now()
	result, err := p.contain(ctx, &grab.Session{
		Target: *t, Conn: conn, Half: half, More: s.more, Elsewhere: p.elsewhere(&s), Operator: p.cfg.Operator, Limits: p.limits,
	})
	g := grab.New(p.desc, t, began, result, p.cause(err))
	g.Transport = supplier.Transport().String()
	return g
}

// cause says of errors after the pool was ended that this is why.
func (p *Pool) cause(err error) error {
	if err != nil && p.ctx.Err() != nil {
		return fmt.Errorf("%w: %v", ErrCut, err) //nolint:errorlint // how the connection ended is our doing, not the target's
	}
	return err
}

// contain calls the module. A panic ends the grab alone.
func (p *Pool) contain(ctx context.Context, s *grab.Session) (result any, err error) {
	defer func() {
		if v := recover(); v != nil {
			p.count.panics.Add(1)
			p.cfg.Log.Error("grab panicked: this is a mistake in the module, please report it", "module", p.desc.Name,
				"target", s.AddrPort(), "panic", v, "stack", string(debug.Stack()))
			result, err = nil, fmt.Errorf("%w: %v", grab.ErrPanic, v)
		}
	}()
	return p.cfg.Module.Grab(ctx, s)
}

// open opens one connection, if the address may be contacted, and bounds it.
func (p *Pool) open(ctx context.Context, from grab.Supplier, t *grab.Target, half *grab.Half) (net.Conn, error) {
	p.count.connections.Add(1)
	if err := p.ctx.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", grab.ErrConnect, err)
	}
	if p.cfg.Guard != nil && !p.cfg.Guard(t.Addr) {
		p.count.blocked.Add(1)
		return nil, fmt.Errorf("%w: %s: %w", grab.ErrConnect, t.Addr, grab.ErrBlocked)
	}
	if from == nil {
		return nil, fmt.Errorf("%w: %w", grab.ErrConnect, grab.ErrBudget)
	}
	ctx, cancel := context.WithTimeout(ctx, p.limits.Timeout)
	defer cancel()
	conn, err := from.Open(ctx, t, half)
	if err != nil {
		return nil, err
	}
	return grab.Cap(conn, p.limits), nil
}

// A session has the connections of one grab. It is used by one goroutine.
type session struct {
	pool   *Pool
	target *grab.Target
	left   int // connections that may still be opened
	opened []net.Conn
	keep   []func() bool // each ends the watch over a connection
}

// add takes a connection that was opened.
func (s *session) add(c net.Conn) {
	s.opened = append(s.opened, c)
	s.keep = append(s.keep, context.AfterFunc(s.pool.ctx, func() { _ = c.Close() }))
}

// close closes all connections. A module closes those that it opened; a second time does no harm.
func (s *session) close() {
	for i, c := range s.opened {
		s.keep[i]()
		_ = c.Close()
	}
}

// more is Session.More.
func (s *session) more(ctx context.Context) (net.Conn, error) { return s.another(ctx, s.target) }

// another opens one more connection within the budget and the pace.
func (s *session) another(ctx context.Context, t *grab.Target) (net.Conn, error) {
	if s.left <= 0 || s.pool.cfg.More == nil {
		return nil, fmt.Errorf("%w: %w", grab.ErrConnect, grab.ErrBudget)
	}
	s.left--
	if err := s.pool.pace.Wait(ctx); err != nil {
		return nil, fmt.Errorf("%w: %w", grab.ErrConnect, err)
	}
	c, err := s.pool.open(ctx, s.pool.cfg.More, t, nil)
	if err == nil {
		s.add(c)
	}
	return c, err
}

// elsewhere returns Session.Elsewhere, nil if nobody is to be followed.
func (p *Pool) elsewhere(s *session) func(context.Context, string, uint16) (net.Conn, error) {
	if p.cfg.Public == nil || p.cfg.More == nil {
		return nil
	}
	return func(ctx context.Context, host string, port uint16) (net.Conn, error) {
		addrs := []netip.Addr{}
		if a, err := netip.ParseAddr(host); err == nil {
			addrs = append(addrs, a.Unmap().WithZone(""))
		} else if addrs, err = net.DefaultResolver.LookupNetIP(ctx, "ip", host); err != nil {
			return nil, fmt.Errorf("%w: %w", grab.ErrConnect, err)
		}
		for _, a := range addrs { // of several addresses of a name the first one that may be contacted
			if a = a.Unmap(); p.cfg.Public(a) && (p.cfg.Guard == nil || p.cfg.Guard(a)) {
				return s.another(ctx, &grab.Target{Addr: a, Port: port, Name: host})
			}
		}
		p.count.blocked.Add(1)
		return nil, fmt.Errorf("%w: %s: %w", grab.ErrConnect, host, grab.ErrBlocked)
	}
}

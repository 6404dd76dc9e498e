package firewall

import (
	"context"
	"errors"
	"slices"

	"github.com/zmap-go/zmap/link"
)

// An Engine is a link engine whose links cannot withhold answers from the stack, with rules that do. A link without anything to
// withhold has no rules. It holds nothing open.
type Engine struct{ link.Engine }

// Open lays the rules and opens the link behind them. They go with the last receive queue of the link.
func (e Engine) Open(ctx context.Context, cfg link.Config) (*link.Link, error) {
	if !serves(cfg.Filter) {
		return e.Engine.Open(ctx, cfg)
	}
	w, err := raise(cfg)
	if err != nil {
		return nil, err
	}
	l, err := e.Engine.Open(ctx, behind(cfg))
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	last := len(l.RX) - 1
	l.RX[last] = &walled{l.RX[last], w}
	return l, nil
}

// Check says whether there can be rules, and asks the engine.
func (e Engine) Check(ctx context.Context, cfg link.Config) (uint64, error) {
	if serves(cfg.Filter) {
		if err := check(); err != nil {
			return 0, err
		}
		cfg = behind(cfg)
	}
	return e.Engine.Check(ctx, cfg)
}

// serves says whether rules can do what the filter wants withheld. They reset nothing.
func serves(f link.Filter) bool {
	return f.Withholds() && !slices.ContainsFunc(f.Ports, func(p link.PortRange) bool { return p.RST == link.RSTReset })
}

// behind is the configuration of a link that has nothing to withhold any more.
func behind(cfg link.Config) link.Config {
	cfg.Filter.Ports = slices.Clone(cfg.Filter.Ports)
	for i := range cfg.Filter.Ports {
		cfg.Filter.Ports[i].RST = link.RSTPass
	}
	return cfg
}

// A walled queue is the last one of a link with rules.
type walled struct {
	link.RX
	wall *wall
}

// Revive implements [link.Reviver]: the rules have stayed.
func (w *walled) Revive() {
	if r, ok := w.RX.(link.Reviver); ok {
		r.Revive()
	}
}

// Close closes the queue, and then the rules are gone.
func (w *walled) Close() error { return errors.Join(w.RX.Close(), w.wall.Close()) }

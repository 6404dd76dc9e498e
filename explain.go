package zmap

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"

	"github.com/zmap-go/zmap/annotate"
	"github.com/zmap-go/zmap/internal/engine"
	"github.com/zmap-go/zmap/internal/netdev"
	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/permute"
	"github.com/zmap-go/zmap/sink"
)

// An Explanation is what [Run] would do: the plan, what follows from it, and what could not be found out.
type Explanation struct {
	Plan
	Estimate
	Distinct uint64   // different addresses in the list of addresses, 0 without one
	Memory   []Memory // by purpose; parts that take none are left out
	// Missing says why a scan would not begin, or what only a scan could tell, with errors as those of Run. Errors that wrap
	// [os.ErrPermission] are about what this process may not find out.
	Missing []error
}

// A Memory is a part of what a scan takes, in bytes: at its start, and at most.
type Memory struct {
	What        string // a noun phrase
	First, Most uint64 // bytes
}

// Explain returns what [Run] would do with c, without a frame sent: what it cannot know without asking somebody by ARP, or
// without rights that this process has not, it leaves open. It takes the same steps as Run, and so it has the same errors
// for mistakes in c; only c.Outputs may be empty. Host names are looked up, which the name service sees. The hooks are not called.
func Explain(ctx context.Context, c Config) (*Explanation, error) {
	if len(c.Outputs) == 0 {
		c.Outputs = []Output{{Sink: sink.NewCSV(io.Discard, sink.Options{})}} // nothing is written to it
	}
	s, err := resolve(c)
	if err = errors.Join(err, s.openLists()); err != nil {
		return nil, err
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	e := &Explanation{}
	s.tell(&e.Plan)
	found, err := s.prepare(ctx, &e.Plan, netdev.DryRun)
	if err != nil {
		return nil, err
	}
	if found.pairs != nil {
		if e.Asked, err = found.space.Intersect(found.addresses()); err != nil {
			return nil, err
		}
	}
	if _, err := found.cycle.Walks(permute.Shard{N: s.Shard, Of: s.Shards}, e.Senders); err != nil {
		return nil, err
	}
	for _, p := range e.ways() {
		e.miss(p.Missing)
	}
	if err := s.chooseLink(ctx, e); err != nil {
		return nil, err
	}
	e.Estimate = estimate(&e.Plan)
	e.addMemory(s, found)
	return e, nil
}

// miss adds an error to Missing, if there is one.
func (e *Explanation) miss(err error) {
	if err != nil {
		e.Missing = append(e.Missing, err)
	}
}

// chooseLink says which link Run would open. What the machine or the rights of this process lack for it is missing; other
// errors are mistakes in the configuration.
func (s *setup) chooseLink(ctx context.Context, e *Explanation) error {
	if s.DryRun != nil || len(e.Missing) > 0 {
		return nil
	}
	var choice link.Choice
	err := s.eachTransport(&e.Plan, func() (err error) {
		choice, err = link.Choose(ctx, s.linkConfig(&e.Plan), s.Link, s.engines()...)
		return err
	})
	switch {
	case err == nil:
		e.Link, e.Why = choice.Name, choice.Why
		e.Memory = append(e.Memory, Memory{What: "link queues", First: choice.Memory, Most: choice.Memory})
		return nil
	case errors.Is(err, os.ErrPermission), errors.Is(err, link.ErrDown), errors.Is(err, errors.ErrUnsupported):
		e.miss(err)
		return nil
	default:
		return err
	}
}

// addMemory asks each stage what it takes.
func (e *Explanation) addMemory(s *setup, c *course) {
	add := func(what string, first, most uint64) {
		if most > 0 {
			e.Memory = append(e.Memory, Memory{what, first, most})
		}
	}
	space := c.space.Memory()
	if c.list != nil {
		e.Distinct = uint64(c.list.Len())
		space += c.asked.Memory() + c.list.Memory()
		order := c.cycle.ListedMemory(c.asked.Targets())
		add("order of listed targets", order, order)
	}
	if c.pairs != nil {
		order := c.cycle.ListedMemory(uint64(len(c.pairs)))
		add("order of listed targets", order, order)
	}
	add("lists of networks, addresses", space, space)
	if s.DryRun != nil {
		return // nobody answers
	}
	first, most := s.memory(c).Memory()
	add("targets that have answered", first, most)
	add("rows not written yet", 0, engine.Memory(s.desc, max(1, s.linkConfig(&e.Plan).Receivers), s.fields(annotate.Join(s.Annotate...).Fields())...))
}

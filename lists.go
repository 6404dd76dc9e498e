package zmap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"

	"github.com/zmap-go/zmap/citizen"
	"github.com/zmap-go/zmap/dedup"
	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/target"
)

// lists are the lists of a scan as they are written: names of hosts are not looked up yet.
type lists struct {
	builder   target.Builder
	special   *citizen.Special
	exclude   target.Builder // what Config.Exclude blocks
	addresses *target.List   // nil means all
	pairs     *pairs         // nil if there are none
}

// openLists reads the lists, and reports all mistakes in them together.
func (s *setup) openLists() error {
	var errs []error
	note := func(field string, err error) {
		for _, e := range each(err) {
			errs = append(errs, &ConfigError{Field: field, Err: e})
		}
	}
	l := &s.lists
	if s.Pairs != nil && s.checkPairs() == nil { // resolve has noted what is wrong
		var perr error
		l.pairs, perr = readPairs(s.Pairs)
		note("Pairs", perr)
		s.ports = l.pairs.ports()
		note("Dedup", s.chooseDedup())
	}
	l.builder = target.Builder{Resolver: net.DefaultResolver, Ports: s.ports, IgnoreErrors: s.IgnoreListErrors, Suffixes: s.suffixes}
	if s.AddressList != "" {
		var err error
		l.addresses, err = readAddresses(s.AddressList)
		note("AddressList", err)
	}
	switch {
	case l.addresses != nil:
		l.builder.OnlyIPv6(l.addresses)
	case l.pairs != nil:
		l.builder.OnlyIPv6(l.pairs.wide())
	}
	note("Allowlist", l.builder.AddAllowed(s.Allowlist, nil))
	note("Networks", l.builder.AddAllowed("", s.Networks))
	classes := slices.DeleteFunc(slices.Clone(s.AllowSpecial), func(c citizen.Class) bool { return c.Check() != nil }) // resolve has noted those
	var err error
	if citizen.IsBuiltin(s.Blocklist) {
		_, err = citizen.Builtin(s.Blocklist)
	}
	if err == nil {
		l.special, err = citizen.ReadSpecial(&l.builder, s.Blocklist, classes...)
	}
	note("Blocklist", err)
	if s.Exclude != "" {
		l.exclude, err = s.readExclude()
		note("Exclude", err)
	}
	if from, text, ok := l.builder.IPv6(); ok && !s.desc.IPv6 {
		note("Networks", &target.EntryError{Origin: from, Entry: text, Err: fmt.Errorf("probe %s asks over IPv4 alone: leave out what is of IPv6", s.desc.Name)})
	}
	return errors.Join(errs...)
}

// each returns the errors that are joined in err, or err alone.
func each(err error) []error {
	many, ok := err.(interface{ Unwrap() []error })
	switch {
	case err == nil:
		return nil
	case !ok:
		return []error{err}
	}
	var all []error
	for _, e := range many.Unwrap() {
		all = append(all, each(e)...)
	}
	return all
}

// readLists finds out what there is to ask.
func (s *setup) readLists(ctx context.Context, c *course, plan *Plan) (err error) {
	b, special := &s.lists.builder, s.lists.special
	plan.Seed = s.seed()
	b.Seed = plan.Seed
	c.space, err = b.Build(ctx)
	s.logIgnored(b)
	if err != nil {
		return special.Explain(err)
	}
	if err := s.widen(c.space, plan); err != nil {
		return err
	}
	if s.Exclude != "" {
		if err := s.exclude(ctx, c, &s.lists.exclude); err != nil {
			return err
		}
	}
	if s.Grab != nil {
		if c.public, err = publicSpace(ctx); err != nil {
			return err
		}
	}
	c.asked, c.list = c.space, s.lists.addresses
	listed, single := c.list, s.lists.pairs
	if single != nil {
		single.locate(c.space)
		c.pairs, listed = single.list, single.lost
	}
	if c.list != nil || single != nil && len(c.pairs) == 0 {
		if c.asked, err = c.space.Intersect(listed); err != nil {
			return special.Explain(err)
		}
	}
	if c.list != nil {
		plan.Listed = uint64(c.list.Lines())
	}
	plan.Excluded, plan.Unblocked = special.Missed(c.space, listed), special.Taken()
	if single != nil {
		plan.Pairs = &Pairs{Asked: uint64(len(single.list)), Double: single.double, Denied: single.denied}
	}
	return nil
}

// mostExact is how many targets of a scan with IPv6 are remembered one by one unless the user says how: their bits take a gigabyte at most.
const mostExact = 1 << 33

// widen makes room for what IPv6 in the space takes.
func (s *setup) widen(space *target.Space, plan *Plan) error {
	if space.IPv6() == 0 {
		return nil
	}
	s.desc.FrameLen += packet.IPv6Len - packet.IPv4Len
	plan.FrameLen = s.desc.FrameLen
	if len(space.BlockedIPv6()) == 0 {
		s.Log.Warn(fmt.Sprintf("blocklist %s names no network of IPv6, so that nothing of what is asked there is left out: %s has those of special purpose", s.Blocklist, citizen.ListSpecial))
	}
	if s.anyDedup && indexes(space) > mostExact {
		s.Dedup = dedup.MethodWindow
	}
	if s.Bandwidth == 0 {
		return nil
	}
	err := s.resolveRate()
	plan.Rate = s.rate
	return err
}

// readExclude reads the list of what is passed over.
func (s *setup) readExclude() (b target.Builder, err error) {
	b = target.Builder{Resolver: net.DefaultResolver, IgnoreErrors: s.IgnoreListErrors}
	return b, citizen.ReadBlocklist(&b, s.Exclude)
}

// exclude has the scan pass over what is on a list, from now on.
func (s *setup) exclude(ctx context.Context, c *course, b *target.Builder) error {
	kept, err := b.Build(ctx)
	if err != nil {
		return fmt.Errorf("exclude %s: %w", s.Exclude, err)
	}
	s.logIgnored(b)
	c.kept.Store(kept)
	return nil
}

// publicSpace has the addresses that are for everybody.
func publicSpace(ctx context.Context) (*target.Space, error) {
	var b target.Builder
	if _, err := citizen.ReadSpecial(&b, citizen.ListSpecial); err != nil {
		return nil, err
	}
	return b.Build(ctx)
}

// logIgnored says which entries of the lists were passed over.
func (s *setup) logIgnored(b *target.Builder) {
	ignored, n := b.Ignored()
	for _, e := range ignored {
		s.Log.Error(e.Error())
	}
	if more := n - len(ignored); more > 0 {
		s.Log.Error(fmt.Sprintf("%d more entries in the lists could not be used", more))
	}
}

// readAddresses reads a list of addresses.
func readAddresses(path string) (*target.List, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open list of addresses: %w", err)
	}
	defer f.Close()
	return target.ReadList(f, path)
}

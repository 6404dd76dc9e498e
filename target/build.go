package target

import (
	"context"
	"errors"
	"fmt"
)

// Build looks up the host names among the entries and returns the space of what is allowed and not blocked; 0.0.0.0 is
// always blocked. It reports up to ten names that cannot be looked up in one error. When no address is left, the error
// is an [EmptyError] and names the entries that are to blame. Names are looked up one after the other.
func (b *Builder) Build(ctx context.Context) (*Space, error) {
	var bad faults
	allow, err := b.lookUp(ctx, b.lists[Allow].rules, &bad)
	if err != nil {
		return nil, err
	}
	block, err := b.lookUp(ctx, b.lists[Block].rules, &bad)
	if err != nil {
		return nil, err
	}
	if err := bad.err(); err != nil {
		return nil, err
	}
	block = append(block, rule{bits: 32, source: builtIn})

	allowed := []span{everything()}
	if b.lists[Allow].given {
		allowed = union(spansOf(allow))
	}
	allowed = subtract(allowed, union(spansOf(block)))
	x, blocked, err := b.build6()
	if err != nil {
		return nil, err
	}
	all := rules{allow: allow, block: block, allow6: b.lists[Allow].six, block6: b.lists[Block].six, sources: b.sources}
	if len(allowed) == 0 && x.rows == 0 {
		return nil, b.explain(all)
	}
	s := &Space{ports: b.Ports, six: *x, blocked: blocked, rules: all}
	s.reserve(allowed)
	for _, x := range allowed {
		s.add(x)
	}
	s.finish()
	s.allowed = s.rows4
	return s, nil
}

// lookUp returns a copy of rules in which names are replaced by one rule for each of their IPv4 addresses.
func (b *Builder) lookUp(ctx context.Context, rules []rule, bad *faults) ([]rule, error) {
	out := make([]rule, 0, len(rules)+1)
	for _, r := range rules {
		if !r.named {
			out = append(out, r)
			continue
		}
		addrs, err := b.addresses(ctx, b.names[r.addr])
		if ctx.Err() != nil {
			return nil, fmt.Errorf("look up host names of lists: %w", context.Cause(ctx))
		}
		if err != nil {
			err = b.reject(&EntryError{Origin: b.origin(r.source, int(r.line)), Entry: b.names[r.addr], Err: err})
			if err != nil {
				bad.add(err)
			}
			continue
		}
		for _, a := range addrs {
			r.addr, r.named = a, false
			out = append(out, r)
		}
	}
	return out, nil
}

func (b *Builder) addresses(ctx context.Context, name string) ([]uint32, error) {
	if b.Resolver == nil {
		return nil, errNoResolver
	}
	found, err := b.Resolver.LookupNetIP(ctx, "ip4", name)
	if err != nil {
		return nil, fmt.Errorf("%w: write its address or remove the entry", err)
	}
	var addrs []uint32
	for _, a := range found {
		if a, ok := host4(a.Unmap()); ok {
			addrs = append(addrs, a)
		}
	}
	if len(addrs) == 0 {
		return nil, errors.New("the host name has no IPv4 address: remove the entry")
	}
	return addrs, nil
}

func spansOf(rules []rule) []span {
	spans := make([]span, len(rules))
	for i, r := range rules {
		spans[i] = r.span()
	}
	return spans
}

package zmap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/zmap-go/zmap/citizen"
	"github.com/zmap-go/zmap/target"
)

// readLists finds out what there is to ask.
func (s *setup) readLists(ctx context.Context, c *course, plan *Plan) error {
	b := target.Builder{Resolver: net.DefaultResolver, Ports: s.ports, IgnoreErrors: s.IgnoreListErrors}
	err := b.AddAllowed(s.Allowlist, s.Networks)
	special, blockErr := citizen.ReadSpecial(&b, s.Blocklist, s.AllowSpecial...)
	if err := errors.Join(err, blockErr); err != nil {
		return err
	}
	c.space, err = b.Build(ctx)
	s.logIgnored(&b)
	if err != nil {
		return special.Explain(err)
	}
	if c.asked = c.space; s.AddressList != "" {
		if c.list, err = readAddresses(s.AddressList); err != nil {
			return err
		}
		if c.asked, err = c.space.Intersect(c.list); err != nil {
			return special.Explain(err)
		}
		plan.Listed = uint64(c.list.Lines())
	}
	plan.Excluded, plan.Unblocked = special.Missed(c.space, c.list), special.Taken()
	return nil
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

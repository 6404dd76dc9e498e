package zmap

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/zmap-go/zmap/internal/engine"
	"github.com/zmap-go/zmap/record"
)

// aliasTime is how long it takes at most to find out about a network, with time for the answers.
const aliasTime = 3 * time.Second

// checkAlias says what cannot stand beside Config.AliasCheck.
func (s *setup) checkAlias() error {
	switch {
	case !s.AliasCheck:
		return nil
	case !s.desc.IPv6:
		return fmt.Errorf("probe %s asks over IPv4 alone, where networks are not aliased", s.desc.Name)
	case s.Grab != nil:
		return errors.New("aliases cannot be looked for beside grabs: scan first, and grab what is not aliased")
	case s.Checkpoint != nil:
		return errors.New("aliases cannot be looked for beside a checkpoint: what was found out is not written down")
	}
	if s.DryRun == nil && s.Cooldown < aliasTime {
		s.odd = append(s.odd, fmt.Sprintf("the cooldown of %s is less than it takes to find out about aliases, %s: rows of the last hosts will not say", s.Cooldown, aliasTime))
	}
	return nil
}

// aliasFields are the fields that Config.AliasCheck puts before those of annotations.
func (s *setup) aliasFields(notes []record.Field) ([]record.Field, error) {
	if !s.AliasCheck {
		return notes, nil
	}
	field := engine.AliasField()
	if slices.ContainsFunc(notes, func(f record.Field) bool { return f.Name == field.Name }) {
		return notes, fmt.Errorf("a table has a column %s, which is what the alias check calls its field: rename it", field.Name)
	}
	return append([]record.Field{field}, notes...), nil
}

// aliases is what the engine is to know about looking for aliases, nil if it is not to. Only addresses that the lists allow are asked.
func (s *setup) aliases(c *course, plan *Plan) *engine.Aliases {
	if !s.AliasCheck {
		return nil
	}
	reach := s.lists.builder.Reach()
	return &engine.Aliases{Seed: plan.Seed, Reach: func(a netip.Addr) bool { return reach.Has(a) && !c.passedOver(a) }}
}

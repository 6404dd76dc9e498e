package netdev

import (
	"fmt"
	"net/netip"
	"slices"
)

// choose puts the answers together. Where no route is needed, because the user names what is missing or the interface
// has no next hops, targets without one are no error.
func (f *finder) choose(named *device, answers []answer) (*way, error) {
	if len(answers) == 0 {
		return nil, errNoTargets
	}
	routeless := named != nil && (f.q.GatewayMAC != nil || named.kind == rawLink)
	var routed []answer
	for _, a := range answers {
		if a.err == nil {
			routed = append(routed, a)
		} else if !routeless && f.missing == nil {
			if err := f.forgive(f.refusal(named, a)); err != nil {
				return nil, err
			}
		}
	}
	voters := withoutSelf(routed)
	if named != nil && len(voters) > 0 && voters[0].hop.index != named.index {
		// The kernel does this with addresses of the host, and with an interface that only stands for others (VRF).
		if !routeless {
			err := f.forgive(fmt.Errorf("the route to %s is by %s in spite of -i %s: say -i %[2]s",
				voters[0].target, f.nameOf(voters[0].hop.index), named.name))
			if err != nil {
				return nil, err
			}
		}
		voters = nil
	}
	if len(voters) == 0 {
		if named == nil {
			return nil, nil
		}
		return &way{dev: *named}, nil
	}
	return f.agree(voters)
}

// withoutSelf drops answers about addresses of this host, unless there are no others.
func withoutSelf(answers []answer) []answer {
	var others []answer
	for _, a := range answers {
		if a.hop.to != toSelf {
			others = append(others, a)
		}
	}
	if len(others) == 0 {
		return answers
	}
	return others
}

// agree makes one way of the answers. They must agree about the interface; of several gateways or source addresses the
// commonest is taken.
func (f *finder) agree(answers []answer) (*way, error) {
	first := answers[0]
	w := &way{self: true}
	var gateways, sources tally
	for _, a := range answers {
		h := a.hop
		if h.index != first.hop.index {
			err := f.forgive(fmt.Errorf("targets leave by different interfaces, %s by %s and %s by %s: choose one with -i",
				first.target, f.nameOf(first.hop.index), a.target, f.nameOf(h.index)))
			if err != nil {
				return nil, err
			}
			continue
		}
		w.self = w.self && h.to == toSelf
		if h.gateway.IsValid() {
			gateways.add(h.gateway, a)
		}
		if h.source.IsValid() {
			sources.add(h.source, a)
		}
		if !slices.Contains(w.tables, h.table) {
			w.tables = append(w.tables, h.table)
		}
	}
	dev := f.byIndex(first.hop.index)
	if dev == nil {
		return nil, fmt.Errorf("route to %s names interface number %d, which is gone: try again", first.target, first.hop.index)
	}
	w.dev = *dev
	if best, ok := sources.best(); ok {
		w.source, w.pinned = best.key, best.example.hop.pinned
	}
	if best, ok := gateways.best(); ok {
		w.gateway = best.key
		w.warnings = f.gatewayWarnings(&gateways, best)
	}
	return w, nil
}

// gatewayWarnings names targets whose route has another gateway than the one chosen. Several gateways of one route are
// equals (multipath), so they are no cause.
func (f *finder) gatewayWarnings(gateways *tally, best entry) []string {
	if f.q.GatewayMAC != nil || f.q.Layer == Packets {
		return nil
	}
	for _, e := range gateways.entries {
		other := e.example.hop
		if e.key != best.key && (other.prefix != best.example.hop.prefix || other.table != best.example.hop.table) {
			return []string{fmt.Sprintf("some targets have another gateway, such as %s with %s, but are sent to %s like the rest:"+
				" scan them apart if answers are missing.", e.example.target, e.key, best.key)}
		}
	}
	return nil
}

// A tally counts votes for addresses, in the order of their first vote.
type tally struct{ entries []entry }

// An entry is one candidate of a tally with the first answer that voted for it.
type entry struct {
	key     netip.Addr
	votes   int
	example answer
}

func (t *tally) add(key netip.Addr, a answer) {
	for i := range t.entries {
		if t.entries[i].key == key {
			t.entries[i].votes++
			return
		}
	}
	t.entries = append(t.entries, entry{key: key, votes: 1, example: a})
}

// best returns the entry with most votes, of equals the first.
func (t *tally) best() (entry, bool) {
	if len(t.entries) == 0 {
		return entry{}, false
	}
	return slices.MaxFunc(t.entries, func(a, b entry) int { return a.votes - b.votes }), true
}

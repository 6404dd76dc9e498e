package target

import "slices"

// A list6 is a set of IPv6 addresses: 16 bytes each.
type list6 struct{ list []wide }

// sort brings the addresses into order, each once.
func (l *list6) sort() {
	slices.SortFunc(l.list, wide.compare)
	l.list = slices.Compact(l.list)
}

func (l *list6) has(a wide) bool {
	_, found := slices.BinarySearchFunc(l.list, a, wide.compare)
	return found
}

// spans returns what the list holds, as union6 does.
func (l *list6) spans() []span6 {
	var out []span6
	for _, a := range l.list {
		if n := len(out); n > 0 && out[n-1].hi.add(wide{0, 1}) == a {
			out[n-1].hi = a
			continue
		}
		out = append(out, span6{a, a})
	}
	return out
}

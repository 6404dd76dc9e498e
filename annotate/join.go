package annotate

import (
	"net/netip"

	"github.com/zmap-go/zmap/record"
)

// Join returns an [Annotator] that knows what all of those know. Of several that have a field of the same name, the first one
// that knows something about an address is believed. It is owned by one goroutine, unlike the tables that are joined.
func Join(all ...Annotator) Annotator {
	if len(all) == 1 {
		return all[0]
	}
	j := &joined{}
	where := make(map[string]int)
	for _, a := range all {
		p := part{from: a, first: len(j.fields)}
		for _, f := range a.Fields() {
			at, ok := where[f.Name]
			if !ok {
				at = len(j.fields)
				where[f.Name] = at
				j.fields = append(j.fields, f)
			}
			p.to = append(p.to, at)
		}
		if len(j.fields)-p.first < len(p.to) { // some are there already
			p.values = make([]record.Value, len(p.to))
		}
		j.parts = append(j.parts, p)
	}
	return j
}

// A joined annotator asks its parts in order.
type joined struct {
	fields []record.Field
	parts  []part
}

// A part is one of the annotators, with where its fields are among those of all.
type part struct {
	from   Annotator
	first  int // its first field that none before it has
	to     []int
	values []record.Value // space for its answer, nil if all its fields are its own: then they are in a row from first on
}

// Fields implements [Annotator].
func (j *joined) Fields() []record.Field { return j.fields }

// Annotate implements [Annotator].
func (j *joined) Annotate(addr netip.Addr, values []record.Value) {
	clear(values)
	for i := range j.parts {
		p := &j.parts[i]
		if p.values == nil {
			p.from.Annotate(addr, values[p.first:p.first+len(p.to)])
			continue
		}
		p.from.Annotate(addr, p.values)
		for k := range p.values {
			if v := &values[p.to[k]]; v.IsNull() && !p.values[k].IsNull() {
				*v = p.values[k]
			}
		}
	}
}

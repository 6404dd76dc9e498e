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
		p := part{from: a}
		for _, f := range a.Fields() {
			at, ok := where[f.Name]
			if !ok {
				at = len(j.fields)
				where[f.Name] = at
				j.fields = append(j.fields, f)
			}
			p.to = append(p.to, at)
		}
		p.values = make([]record.Value, len(p.to))
		j.parts = append(j.parts, p)
	}
	return j
}

// A joined annotator asks its parts in order.
type joined struct {
	fields []record.Field
	parts  []part
}

// A part is one of the annotators, with where its fields are among those of all, and with space for its answer.
type part struct {
	from   Annotator
	to     []int
	values []record.Value
}

// Fields implements [Annotator].
func (j *joined) Fields() []record.Field { return j.fields }

// Annotate implements [Annotator].
func (j *joined) Annotate(addr netip.Addr, values []record.Value) {
	clear(values)
	for i := range j.parts {
		p := &j.parts[i]
		p.from.Annotate(addr, p.values)
		for k := range p.values {
			if v := &values[p.to[k]]; v.IsNull() {
				*v = p.values[k]
			}
		}
	}
}

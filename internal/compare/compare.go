// Package compare says what is different between two sets of results: services that appeared, that are gone, and that answer
// otherwise than before.
//
//	changes, err := compare.Diff(before, after, compare.Options{})
//
// It works on rows from anywhere: see [sink.Source].
package compare

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/sink"
)

// A Kind says what happened to a service.
type Kind string

// The kinds of changes.
const (
	Appeared Kind = "appeared" // it was no success before
	Gone     Kind = "gone"     // it is no success any more
	Changed  Kind = "changed"  // it is one both times, with other values
)

// A Target is what is compared: an address, and a port where the results have ports.
type Target struct {
	Addr netip.Addr
	Port uint16 // 0 without ports
}

// A Change is one difference. Was and Is are the values that were compared, as text; nil where a side has no row at all.
type Change struct {
	Kind    Kind
	Target  Target
	Was, Is []string
}

// Options say what to compare.
type Options struct {
	// Fields are the names of the fields whose values make a difference; nil means classification, where both sides have it.
	Fields []string
}

// A Result is what two sides come to.
type Result struct {
	Fields  []string // that were compared: what Was and Is of a change are values of
	Ports   bool     // targets have ports
	Before  int      // services of the first side
	After   int      // services of the second
	Changes []Change // sorted by address and port
}

// Diff reads both sources to their ends. A service is a target with a successful answer; where a side has no field success,
// every row is one. Of several rows of a target the first success counts, else the first row. It takes some hundred bytes of
// memory for each target that has a row.
func Diff(before, after sink.Source, o Options) (*Result, error) {
	fields, err := compared(o.Fields, before.Schema(), after.Schema())
	if err != nil {
		return nil, err
	}
	r := &Result{Fields: fields}
	was, wasPorts, err := read(before, fields)
	if err != nil {
		return nil, fmt.Errorf("read the first results: %w", err)
	}
	is, isPorts, err := read(after, fields)
	if err != nil {
		return nil, fmt.Errorf("read the second results: %w", err)
	}
	if wasPorts != isPorts && len(was) > 0 && len(is) > 0 {
		return nil, errors.New("compare results: only one side has ports (sport); write it to both, as in -f saddr,sport")
	}
	r.Ports = wasPorts || isPorts
	r.compare(was, is)
	return r, nil
}

// compared returns the fields to compare. They must be on both sides.
func compared(wanted []string, schemas ...*record.Schema) ([]string, error) {
	named := wanted != nil
	if !named {
		wanted = []string{"classification"}
	}
	var fields []string
	for _, name := range wanted {
		there := 0
		for _, s := range schemas {
			if _, ok := s.Lookup(name); ok {
				there++
			}
		}
		switch {
		case there == len(schemas):
			fields = append(fields, name)
		case named:
			return nil, fmt.Errorf("compare results: field %q is on %d of %d sides", name, there, len(schemas))
		}
	}
	return fields, nil
}

// A state is what is known of a target.
type state struct {
	success bool
	values  []string
}

// read returns the state of each target that has a row.
func read(s sink.Source, fields []string) (map[Target]state, bool, error) {
	c, err := newColumns(s.Schema(), fields)
	if err != nil {
		return nil, false, err
	}
	all := make(map[Target]state)
	row := record.New(s.Schema())
	for {
		row.Reset()
		if err := s.Read(row); errors.Is(err, io.EOF) {
			return all, c.port >= 0, nil
		} else if err != nil {
			return nil, false, err
		}
		t, success, err := c.target(row)
		if err != nil {
			return nil, false, err
		}
		if old, there := all[t]; there && (old.success || !success) {
			continue
		}
		all[t] = state{success, c.values(row)}
	}
}

// compare fills in the changes.
func (r *Result) compare(was, is map[Target]state) {
	for t, w := range was {
		i, there := is[t]
		if !w.success {
			continue
		}
		r.Before++
		switch {
		case !there:
			r.Changes = append(r.Changes, Change{Gone, t, w.values, nil})
		case !i.success:
			r.Changes = append(r.Changes, Change{Gone, t, w.values, i.values})
		case !slices.Equal(w.values, i.values):
			r.Changes = append(r.Changes, Change{Changed, t, w.values, i.values})
		}
	}
	for t, i := range is {
		if !i.success {
			continue
		}
		r.After++
		if w, there := was[t]; !there {
			r.Changes = append(r.Changes, Change{Appeared, t, nil, i.values})
		} else if !w.success {
			r.Changes = append(r.Changes, Change{Appeared, t, w.values, i.values})
		}
	}
	slices.SortFunc(r.Changes, func(a, b Change) int { return a.Target.Compare(b.Target) })
}

// Compare orders targets by address and port.
func (t Target) Compare(u Target) int {
	return cmp.Or(t.Addr.Compare(u.Addr), cmp.Compare(t.Port, u.Port))
}

// columns are the positions of what is read of rows.
type columns struct {
	schema              *record.Schema
	addr, port, success int
	fields              []int
	text                []byte              // of the values of a row
	shared              map[string][]string // values by their text
}

func newColumns(s *record.Schema, fields []string) (*columns, error) {
	find := func(name string) int {
		if i, ok := s.Lookup(name); ok {
			return i
		}
		return -1
	}
	c := &columns{schema: s, addr: find("saddr"), port: find("sport"), success: find("success"), shared: make(map[string][]string)}
	if c.addr < 0 {
		names := make([]string, s.Len())
		for i, f := range s.Fields() {
			names[i] = f.Name
		}
		return nil, fmt.Errorf("there is no field saddr, only %s", strings.Join(names, ", "))
	}
	for _, name := range fields {
		c.fields = append(c.fields, find(name))
	}
	return c, nil
}

// target returns what a row is about.
func (c *columns) target(r *record.Record) (t Target, success bool, err error) {
	v := &r.Values[c.addr]
	if t.Addr = v.Addr(); !t.Addr.IsValid() {
		if t.Addr, err = netip.ParseAddr(v.Text()); err != nil {
			return t, false, fmt.Errorf("field saddr is no address: %w", err)
		}
	}
	t.Addr = t.Addr.Unmap()
	if c.port >= 0 {
		t.Port = uint16(r.Values[c.port].Uint())
	}
	return t, c.success < 0 || r.Values[c.success].Bool(), nil
}

// values returns a row's compared values. Rows with the same ones share them.
func (c *columns) values(r *record.Record) []string {
	c.text = c.text[:0]
	for _, f := range c.fields {
		c.text = append(appendText(c.text, &r.Values[f]), 0)
	}
	if old, ok := c.shared[string(c.text)]; ok {
		return old
	}
	text := string(c.text)
	values := strings.Split(text, "\x00")[:len(c.fields)]
	if len(c.shared) < maxShared {
		c.shared[text] = values
	}
	return values
}

// maxShared bounds the table of values that rows share.
const maxShared = 1 << 16

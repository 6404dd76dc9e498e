package engine

import (
	"github.com/zmap-go/zmap/probe"
	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/sink"
)

// A need says which parts of a row somebody reads, beside the address and whether it is a success, a repeat, of the cooldown.
// The others stay null: all fields of a row are two kilobytes of memory to be written and read again, for every answer.
type need struct{ ip, module, times, notes, lists bool }

// need is read, and what the engine itself cannot know without the module's part.
func (s *Scan) need(dec probe.Decoder) need {
	n := s.read()
	if _, judge := dec.(probe.Judge); !judge || s.layout.app >= 0 {
		n.module = true
	}
	return n
}

// read finds out what filters, sinks and hooks read. The sinks must be open.
func (s *Scan) read() need {
	all := need{ip: true, module: true, times: true, notes: true, lists: true}
	if s.cfg.Hooks.rows() {
		return all
	}
	var n need
	l := &s.layout
	for i := range s.outputs {
		o := &s.outputs[i]
		chooser, ok := o.Sink.(sink.Chooser)
		if !ok {
			return all
		}
		n.add(l, chooser.Fields())
		if o.Filter != nil {
			n.add(l, o.Filter.Fields())
		}
	}
	return n
}

// add adds what holds the fields at those positions.
func (n *need) add(l *layout, fields []int) {
	for _, i := range fields {
		switch {
		case i == 0 || i == l.success || i == l.system || i == l.system+1:
		case i < l.module:
			n.ip = true
		case i < l.system:
			n.module = true
		case i < l.notes:
			n.times = true
		case i < l.data:
			n.notes = true
		case l.schema.Field(i).Type == record.Repeated:
			n.lists = true // of a grab
		}
	}
}

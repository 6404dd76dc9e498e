package engine

import (
	"github.com/zmap-go/zmap/probe"
	"github.com/zmap-go/zmap/sink"
)

// A need says which parts of a row somebody reads, beside the address and whether it is a success, a repeat, of the cooldown.
// The others stay null: all fields of a row are two kilobytes of memory to be written and read again, for every answer.
type need struct{ ip, module, times bool }

// need finds out what filters, sinks and hooks read, and what the engine itself cannot know without the module's part. The sinks must
// be open.
func (s *Scan) need(dec probe.Decoder) need {
	_, judge := dec.(probe.Judge)
	l := &s.layout
	n := need{module: !judge || l.app >= 0}
	if s.cfg.Hooks.rows() {
		return need{ip: true, module: true, times: true}
	}
	for i := range s.outputs {
		o := &s.outputs[i]
		chooser, ok := o.Sink.(sink.Chooser)
		if !ok {
			return need{ip: true, module: true, times: true}
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
		default:
			n.times = true
		}
	}
}

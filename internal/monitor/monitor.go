package monitor

import "errors"

// An Output shows readings. Put must not keep r; an error means that the output is of no more use.
type Output interface {
	Put(r *Reading) error
}

// A Monitor measures a scan and shows it on outputs. It is owned by one goroutine.
type Monitor struct {
	meter   Meter
	outputs []Output
}

// New returns a Monitor of outputs, which are served in the order given.
func New(outputs ...Output) *Monitor {
	return &Monitor{outputs: append([]Output(nil), outputs...)}
}

// Observe shows s, which is due about every second and once at the end of a scan. An output that fails is given up: its
// error is returned this once, and the others go on.
func (m *Monitor) Observe(s Sample) error {
	r := m.meter.Read(s)
	var errs []error
	kept := m.outputs[:0]
	for _, o := range m.outputs {
		if err := o.Put(&r); err != nil {
			errs = append(errs, err)
			continue
		}
		kept = append(kept, o)
	}
	clear(m.outputs[len(kept):])
	m.outputs = kept
	return errors.Join(errs...)
}

package engine

import (
	"errors"
	"fmt"

	"github.com/zmap-go/zmap/filter"
	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/sink"
)

// An Output is one place that rows go to, and which of them.
type Output struct {
	Name   string // in errors and results
	Sink   sink.Sink
	Filter *filter.Program // nil lets every row pass
	// DefaultMode drops rows that are no success or a repeat before they reach the filter.
	DefaultMode bool
}

// An OutputError says which output has failed. It wraps what the sink said.
type OutputError struct {
	Name string
	Err  error
}

// Error names the output and what is wrong.
func (e *OutputError) Error() string { return fmt.Sprintf("output %s: %v", e.Name, e.Err) }

// Unwrap returns what is wrong.
func (e *OutputError) Unwrap() error { return e.Err }

// An OutputResult is what became of one output.
type OutputResult struct {
	Name string
	Rows uint64 // written to it
	Err  error  // why it got no more; nil if it got all
}

// An output is an Output in use. It is owned by the collector.
type output struct {
	Output
	rows  uint64
	dirty bool  // rows may be in the sink's buffer
	err   error // the sink has failed
	lost  bool  // and the collector knows
}

// newOutputs returns the outputs of a scan.
func newOutputs(list []Output) []output {
	out := make([]output, len(list))
	for i, o := range list {
		out[i].Output = o
	}
	return out
}

// openOutputs opens all sinks. Where one fails there is no scan: nothing is lost yet.
func (s *Scan) openOutputs() error {
	for i := range s.outputs {
		o := &s.outputs[i]
		if err := s.openOutput(i); err != nil {
			o.err = err
			return OutputFailure(s.cfg.Outputs, i, err)
		}
	}
	return nil
}

// openOutput opens the i-th sink, or takes it to where an earlier process has left it.
func (s *Scan) openOutput(i int) error {
	from := s.cfg.From.Outputs
	if from == nil {
		return s.outputs[i].Sink.Open(s.layout.schema)
	}
	r, ok := s.outputs[i].Sink.(sink.Resumer)
	if !ok {
		return fmt.Errorf("carry on %s: %w", s.outputs[i].Name, errors.ErrUnsupported)
	}
	return r.Resume(s.layout.schema, from[i])
}

// OutputFailure is an error of the i-th output: an [OutputError] where there are several.
func OutputFailure(outputs []Output, i int, err error) error {
	if len(outputs) == 1 {
		return err
	}
	return &OutputError{outputs[i].Name, err}
}

// results says what became of each output.
func (s *Scan) results() []OutputResult {
	list := make([]OutputResult, len(s.outputs))
	for i, o := range s.outputs {
		list[i] = OutputResult{o.Name, o.rows, o.err}
	}
	return list
}

// wants says whether the row is for the output.
func (o *output) wants(l *layout, row *record.Record) bool {
	if o.DefaultMode && (!row.Values[l.success].Bool() || l.isRepeat(row)) {
		return false
	}
	return o.Filter == nil || o.Filter.Match(row)
}

// write writes the row.
func (o *output) write(row *record.Record) {
	if o.err = o.Sink.Write(row); o.err == nil {
		o.rows++
		o.dirty = true
	}
}

// flush empties the sink's buffer, if it has one and there may be something in it.
func (o *output) flush() {
	f, ok := o.Sink.(sink.Flusher)
	if ok && o.dirty {
		o.dirty = false
		o.err = f.Flush()
	}
}

// defaultModeOnly says whether no output wants other rows than first successes.
func (c *Config) defaultModeOnly() bool {
	for i := range c.Outputs {
		if !c.Outputs[i].DefaultMode {
			return false
		}
	}
	return true
}

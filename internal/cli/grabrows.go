package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/zmap-go/zmap"
	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/grab/pool"
	"github.com/zmap-go/zmap/internal/grabrow"
	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/sink"
)

// done takes a grab from the pool.
func (j *grabJob) done(w *pool.Work, g grab.Grab, _ bool) { j.put(&w.Target, g) }

// put sends a grab to the outputs.
func (j *grabJob) put(t *grab.Target, g grab.Grab) {
	j.rows <- &grabRow{*t, grabrow.Of(&g, j.module.Describe().Name, j.extras.rules, j.lists)}
}

// write writes rows until there are no more, and the status line every second. At the first failure of an output failed is called,
// and what comes after it is dropped: there is nowhere to put it.
func (j *grabJob) write(failed func()) (err error) {
	row := record.New(grabSchema())
	flush, status := time.NewTicker(100*time.Millisecond), time.NewTicker(time.Second)
	defer flush.Stop()
	defer status.Stop()
	note := func(werr error) {
		if werr != nil && err == nil {
			err = werr
			failed()
		}
	}
	for {
		select {
		case r, ok := <-j.rows:
			switch {
			case !ok:
				return err
			case err == nil:
				note(j.writeRow(row, r))
			}
		case <-flush.C:
			if err == nil {
				note(j.flush())
			}
		case <-status.C:
			if !j.o.quiet {
				fmt.Fprintln(j.std.Err, j.status(time.Since(j.began)))
			}
		}
	}
}

// writeRow gives one row to all outputs.
func (j *grabJob) writeRow(row *record.Record, r *grabRow) error {
	row.Reset()
	row.Values[grabIP].SetAddr(r.target.Addr)
	if r.target.Name != "" {
		row.Values[grabDomain].SetText(r.target.Name)
	}
	if r.target.Tag != "" {
		row.Values[grabTag].SetText(r.target.Tag)
	}
	row.Values[grabPort].SetUint(uint64(r.target.Port))
	copy(row.Values[grabValues:], r.values)
	for _, t := range j.outputs {
		if !t.keep.Match(row) {
			continue
		}
		if err := t.sink.Write(row); err != nil {
			return fmt.Errorf("write to %s: %w", t.name, err)
		}
		t.rows++
	}
	return nil
}

func (j *grabJob) flush() error {
	for _, t := range j.outputs {
		if f, ok := t.sink.(sink.Flusher); ok {
			if err := f.Flush(); err != nil {
				return fmt.Errorf("write to %s: %w", t.name, err)
			}
		}
	}
	return nil
}

// status is the line about how far it has come.
func (j *grabJob) status(elapsed time.Duration) string {
	c, a := j.pool.Counts(), &j.account
	s := int(elapsed.Seconds())
	var b strings.Builder
	fmt.Fprintf(&b, "%d:%02d; %d targets, %d done (%.0f/s), %d in flight, %d waiting", s/60, s%60, a.targets.Load(), c.Done+a.unresolved.Load(),
		float64(c.Done)/max(elapsed.Seconds(), 0.001), c.Running, c.Waiting)
	b.WriteString(statusesText(c.Grabs))
	for _, n := range []struct {
		n    uint64
		what string
	}{{a.blocked.Load(), "not to be contacted"}, {a.unresolved.Load(), "without an address"}, {a.bad.Load(), "bad lines"}, {c.Panics, "panics"}} {
		if n.n > 0 {
			fmt.Fprintf(&b, "; %d %s", n.n, n.what)
		}
	}
	return b.String()
}

// statusesText lists how grabs ended.
func statusesText(grabs map[grab.Status]uint64) string {
	var parts []string
	for _, s := range slices.Sorted(maps.Keys(grabs)) {
		parts = append(parts, fmt.Sprintf("%d %s", grabs[s], s))
	}
	if len(parts) == 0 {
		return ""
	}
	return "; " + strings.Join(parts, ", ")
}

// grabMetadata is what a run came to, as --metadata-file has it. The keys statuses, start, end and duration are those of zgrab2's
// summary.
type grabMetadata struct {
	Version     string                  `json:"zmap_version"`
	Module      string                  `json:"module"`
	Statuses    map[string]grabStatuses `json:"statuses"`
	Start       string                  `json:"start"`
	End         string                  `json:"end"`
	Duration    string                  `json:"duration"`
	Interrupted bool                    `json:"interrupted"`
	Error       string                  `json:"error,omitempty"`
	LastLine    uint64                  `json:"last_line"` // of the input, up to which all targets were taken
	Targets     uint64                  `json:"targets"`
	Grabs       map[grab.Status]uint64  `json:"grabs"`
	Connections uint64                  `json:"connections"`
	Blocked     uint64                  `json:"blocked"`      // addresses of the input that may not be contacted
	Followed    uint64                  `json:"not_followed"` // connections to others that may not be contacted
	Unresolved  uint64                  `json:"unresolved"`
	BadLines    uint64                  `json:"bad_lines"`
	Passed      uint64                  `json:"rows_without_success"`
	Panics      uint64                  `json:"panics"`
	Names       uint64                  `json:"names_found,omitempty"`
	Rows        map[string]uint64       `json:"rows"` // written, by output
}

// grabStatuses are successes and failures of one module.
type grabStatuses struct {
	Successes uint64 `json:"successes"`
	Failures  uint64 `json:"failures"`
}

// finish ends the outputs, writes the metadata and says in a line what it came to.
func (j *grabJob) finish(err error, interrupted bool) error {
	m, errs := j.describe(err, interrupted), []error(nil)
	n, ferr := j.extras.flush()
	if m.Names = n; ferr != nil {
		errs = append(errs, ferr)
	}
	reason := zmap.StopWalkDone
	if interrupted {
		reason = zmap.StopInterrupted
	}
	for _, t := range j.outputs {
		m.Rows[t.name] = t.rows
		if store, ok := t.sink.(sink.Store); ok && err == nil {
			errs = append(errs, store.End(sink.Outcome{Ended: time.Now(), Reason: reason.String()}))
		}
		if cerr := t.sink.Close(); cerr != nil && err == nil {
			errs = append(errs, fmt.Errorf("write to %s: %w", t.name, cerr))
		}
	}
	j.outputs = nil
	j.log.Info("grab " + m.Module + " ended: " + j.status(time.Since(j.began)))
	return errors.Join(append(errs, j.writeMetadata(m))...)
}

func (j *grabJob) describe(err error, interrupted bool) *grabMetadata {
	c, a, end := j.pool.Counts(), &j.account, time.Now()
	m := &grabMetadata{
		Version: zmap.Version(), Module: j.module.Describe().Name, Start: j.began.Format(time.RFC3339), End: end.Format(time.RFC3339),
		Duration: end.Sub(j.began).String(), Interrupted: interrupted, LastLine: a.line.Load(), Targets: a.targets.Load(), Grabs: c.Grabs,
		Connections: c.Connections, Blocked: a.blocked.Load(), Followed: c.Blocked, Unresolved: a.unresolved.Load(), BadLines: a.bad.Load(),
		Passed: a.passed.Load(), Panics: c.Panics, Rows: make(map[string]uint64),
	}
	if err != nil {
		m.Error = oneLine(err.Error())
	}
	s := grabStatuses{Failures: m.Unresolved}
	for status, n := range c.Grabs {
		if status == grab.Success {
			s.Successes += n
		} else {
			s.Failures += n
		}
	}
	m.Statuses = map[string]grabStatuses{m.Module: s}
	return m
}

func (j *grabJob) writeMetadata(m *grabMetadata) error {
	if j.o.metadata == "" {
		return nil
	}
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	w := j.std.Out
	if j.metadata != nil {
		w = j.metadata
	}
	if _, err := w.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("--metadata-file: %w", sink.WriteError(err))
	}
	return nil
}

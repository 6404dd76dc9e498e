package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/zmap-go/zmap"
	"github.com/zmap-go/zmap/annotate"
	"github.com/zmap-go/zmap/internal/engine"
	"github.com/zmap-go/zmap/internal/grabrow"
	"github.com/zmap-go/zmap/internal/monitor"
	"github.com/zmap-go/zmap/probe"
	"github.com/zmap-go/zmap/sink"
)

// A file is one that the scan writes. What was in it stays until the scan begins: a mistake elsewhere on the command line
// costs nobody the results of the scan before.
type file struct {
	*os.File
	begun bool
}

// begin empties the file, once.
func (f *file) begin() error {
	if f.begun {
		return nil
	}
	f.begun = true
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() {
		return err
	}
	return f.Truncate(0)
}

// open opens the file that an option names, and makes it if need be. It must not be the file of another option.
func (j *job) open(option, path string) (*file, error) { return j.openWith(option, path, 0) }

// openWith is open with flags of [os.OpenFile] beside the usual ones.
func (j *job) openWith(option, path string, flags int) (*file, error) {
	if j.o.explain {
		return j.pretend(option, path)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|flags, 0o666)
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", option, err)
	}
	j.files = append(j.files, &file{File: f})
	for _, other := range j.files[:len(j.files)-1] {
		a, aerr := f.Stat()
		b, berr := other.Stat()
		if aerr == nil && berr == nil && sameFile(a, b) {
			return nil, sameFileError(option, path, other.Name())
		}
	}
	return j.files[len(j.files)-1], nil
}

// openGrowing is open for a file that a scan which is carried on goes on writing.
func (j *job) openGrowing(option, path string) (*file, error) {
	if j.o.resume == "" {
		return j.open(option, path)
	}
	f, err := j.openWith(option, path, os.O_APPEND)
	if err == nil {
		f.begun = true
	}
	return f, err
}

// sameFile says whether two regular files are the same.
func sameFile(a, b os.FileInfo) bool { return a.Mode().IsRegular() && os.SameFile(a, b) }

// sameFileError says that a file of one option is that of another.
func sameFileError(option, path, other string) error {
	return argError(option, path, fmt.Errorf("is %s, which another option names", other))
}

// beginFiles empties what the scan writes.
func (j *job) beginFiles() {
	for _, f := range j.files {
		if err := f.begin(); err != nil {
			j.log.Warn("empty file: " + err.Error())
		}
	}
}

// closeFiles closes what prepare opened.
func (j *job) closeFiles() error {
	var errs []error
	for _, f := range j.files {
		errs = append(errs, f.Close())
	}
	j.files = nil
	return errors.Join(errs...)
}

// openMetadata opens the file for the metadata.
func (j *job) openMetadata() error {
	var err error
	if j.o.metadataFile != "" && j.o.metadataFile != "-" {
		j.metadata, err = j.open("metadata-file", j.o.metadataFile)
	}
	return err
}

// writeMetadata writes the metadata of a scan that has ended, if they are wanted.
func (j *job) writeMetadata(m *monitor.Metadata) error {
	w := j.std.Out
	switch {
	case j.o.metadataFile == "":
		return nil
	case j.metadata != nil:
		w = j.metadata
		if err := j.metadata.begin(); err != nil {
			return fmt.Errorf("--metadata-file: %w", err)
		}
	}
	if _, err := m.WriteTo(w); err != nil {
		return fmt.Errorf("--metadata-file: %w", sink.WriteError(err))
	}
	return nil
}

// openUnreachable opens the file for the targets that cannot be reached.
func (j *job) openUnreachable() error {
	var err error
	if j.o.unreachable != "" {
		j.silent, err = j.open("unreachable-file", j.o.unreachable)
	}
	return err
}

// writeUnreachable writes the targets that could not be reached, if they are wanted.
func (j *job) writeUnreachable(r *zmap.Report) error {
	if j.silent == nil {
		return nil
	}
	var b strings.Builder
	for _, a := range r.Silent {
		fmt.Fprintln(&b, a)
	}
	err := j.silent.begin()
	if err == nil {
		_, err = j.silent.WriteString(b.String())
	}
	if err != nil {
		return fmt.Errorf("--unreachable-file: %w", sink.WriteError(err))
	}
	return nil
}

// openStatus sets up what a user sees of the scan's progress.
func (j *job) openStatus() error {
	var updates *file
	if j.o.statusFile != "" {
		var err error
		if updates, err = j.openGrowing("status-updates-file", j.o.statusFile); err != nil {
			return err
		}
	}
	var plan *zmap.Plan
	var m *monitor.Monitor
	j.config.Hooks.Patience = -1 // a terminal may stand still for as long as somebody reads it
	j.config.Hooks.Start = func(p *zmap.Plan, _ *zmap.Control) {
		plan = p
		j.beginFiles()
		m = monitor.New(j.statusOutputs(updates)...)
		j.announce(p)
	}
	j.config.Hooks.Progress = func(p zmap.Progress) {
		if err := m.Observe(monitor.SampleOf(&p, plan)); err != nil {
			j.log.Warn("write status: " + err.Error())
		}
	}
	return nil
}

// statusOutputs are where the scan's progress is shown; updates may be nil.
func (j *job) statusOutputs(updates *file) []monitor.Output {
	form := monitor.Plain
	if _, ok := j.config.Probe.Describe().Schema.Lookup("app_success"); ok {
		form = monitor.AppSuccess
	}
	outputs := []monitor.Output{monitor.NewWarnings(j.log)}
	if !j.o.quiet && !j.o.dryRun {
		outputs = append(outputs, monitor.NewStatus(j.std.Err, form))
	}
	if updates != nil {
		csv, err := newUpdates(updates)
		if err != nil {
			j.log.Warn("write status: " + err.Error())
		} else {
			outputs = append(outputs, csv)
		}
	}
	return outputs
}

// newUpdates writes rows of status to a file, behind those that are there.
func newUpdates(f *file) (*monitor.CSV, error) {
	if st, err := f.Stat(); err == nil && st.Mode().IsRegular() && st.Size() > 0 {
		return monitor.ContinueCSV(f, nil), nil
	}
	return monitor.NewCSV(f, nil)
}

// announce logs what was chosen.
func (j *job) announce(p *zmap.Plan) {
	j.warnOfExcluded(p.Excluded)
	j.announcePairs(p)
	j.announceResumption(p.Resumed)
	if n := p.Space.Ports().Duplicates(); n > 0 {
		j.log.Warn(fmt.Sprintf("%d target ports are named more than once; each is scanned once", n))
	}
	if j.defaultMode() {
		j.log.Info("only first successful answers are written; -O, -f or --output-filter changes that", "module", "output")
	}
	j.log.Info("deduplication method is "+p.Dedup.String(), "module", "dedup")
	if j.config.DryRun == nil {
		j.log.Info(fmt.Sprintf("%d targets, %d senders, %s", p.Total, p.Senders, p.Why), "module", "send")
	}
}

// listNames prints names, one a line.
func listNames(w io.Writer, names []string) error {
	_, err := io.WriteString(w, strings.Join(names, "\n")+"\n")
	return sink.WriteError(err)
}

// listPayloads prints the udp module's ready payloads as a table. One whose answers are much longer than itself is marked.
func listPayloads(w io.Writer) error {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "name\tport\trequest\tanswer\tamplifies\tspecification")
	for _, p := range probe.Payloads() {
		amplifies := "no"
		if p.Amplifies() {
			amplifies = "yes"
		}
		fmt.Fprintf(t, "%s\t%d\t%d B\t%d B\t%s\t%s\n", p.Name, p.Port, p.Size(), p.Answer, amplifies, p.Spec)
	}
	_ = t.Flush() // to memory
	_, err := io.WriteString(w, b.String())
	return sink.WriteError(err)
}

// listFields prints the fields of a scan with a probe module, which do not depend on the module's arguments, with the fields
// of tables, and with those of grabs.
func listFields(w io.Writer, module string, tables []string, grabs bool) error {
	p, err := probe.Sample(module)
	if err != nil {
		return fmt.Errorf("--probe-module: %w", err)
	}
	known, err := readTables(tables, p.Describe())
	if err != nil {
		return err
	}
	var b strings.Builder
	notes := annotate.Join(known...).Fields()
	if grabs {
		notes = append(slices.Clip(notes), grabrow.Fields()...)
	}
	for _, f := range engine.Schema(p.Describe(), notes...).Fields() {
		fmt.Fprintf(&b, "%-15s %6s: %s\n", f.Name, f.Type, f.Doc)
	}
	_, err = io.WriteString(w, b.String())
	return sink.WriteError(err)
}

package cli

import (
	"fmt"
	"io"
	"os"

	"github.com/zmap-go/zmap"
	"github.com/zmap-go/zmap/internal/monitor"
	"github.com/zmap-go/zmap/probe"
	"github.com/zmap-go/zmap/sink"

	"github.com/zmap-go/zmap/internal/engine"
)

// openOutput makes the sink and the file behind it.
func (j *job) openOutput() error {
	format, err := sink.Lookup(j.o.format)
	if err != nil {
		return fmt.Errorf("--output-module: %w", err)
	}
	fields := j.o.fields
	if fields == "" {
		fields = "saddr"
		if zmap.SeveralPorts(j.config.Ports) {
			fields = "saddr,sport"
		}
	}
	schema := engine.Schema(j.config.Probe.Describe())
	if _, err := schema.Select(fields); err != nil {
		return argError("output-fields", fields, err)
	}
	w := j.std.Out
	switch {
	case j.config.DryRun != nil && (j.o.output == "" || j.o.output == "-"):
		w = io.Discard // standard output belongs to the probes
	case j.o.output != "" && j.o.output != "-":
		f, err := sink.Create(j.o.output)
		if err != nil {
			return fmt.Errorf("--output-file: %w", err)
		}
		j.files = append(j.files, f)
		w = f
	}
	j.config.Sink = format.New(w, sink.Options{Fields: fields, NoHeader: j.o.noHeader || j.config.DefaultMode})
	return nil
}

// openMetadata opens, and empties, the file for the metadata.
func (j *job) openMetadata() error {
	switch j.o.metadataFile {
	case "":
		return nil
	case "-":
		j.metadata = j.std.Out
		return nil
	}
	f, err := os.Create(j.o.metadataFile)
	if err != nil {
		return fmt.Errorf("open --metadata-file: %w", err)
	}
	j.files = append(j.files, f)
	j.metadata = f
	return nil
}

// openStatus sets up what a user sees of the scan's progress.
func (j *job) openStatus() error {
	form := monitor.Plain
	if _, ok := j.config.Probe.Describe().Schema.Lookup("app_success"); ok {
		form = monitor.AppSuccess
	}
	outputs := []monitor.Output{monitor.NewWarnings(j.log)}
	if !j.o.quiet && !j.o.dryRun {
		outputs = append(outputs, monitor.NewStatus(j.std.Err, form))
	}
	if j.o.statusFile != "" {
		f, err := os.Create(j.o.statusFile)
		if err != nil {
			return fmt.Errorf("open --status-updates-file: %w", err)
		}
		j.files = append(j.files, f)
		csv, err := monitor.NewCSV(f, nil)
		if err != nil {
			return fmt.Errorf("write --status-updates-file: %w", err)
		}
		outputs = append(outputs, csv)
	}
	m := monitor.New(outputs...)
	var plan *zmap.Plan
	j.config.Hooks.Start = func(p *zmap.Plan) {
		plan = p
		j.announce(p)
	}
	j.config.Hooks.Progress = func(p zmap.Progress) {
		if err := m.Observe(monitor.SampleOf(&p, plan)); err != nil {
			j.log.Warn("write status: " + err.Error())
		}
	}
	return nil
}

// announce logs what was chosen.
func (j *job) announce(p *zmap.Plan) {
	if n := p.Space.Ports().Duplicates(); n > 0 {
		j.log.Warn(fmt.Sprintf("%d target ports are named more than once; each is scanned once", n))
	}
	if j.config.DefaultMode {
		j.log.Info("only first successful answers are written; -O, -f or --output-filter changes that", "module", "csv")
	}
	j.log.Info("deduplication method is "+p.Dedup.String(), "module", "dedup")
	if j.config.DryRun == nil {
		j.log.Info(fmt.Sprintf("%d targets, %d senders, %s", p.Space.Rows()*p.Space.Cols(), p.Senders, p.Why), "module", "send")
	}
}

// listModules prints the probe modules, one a line.
func listModules(w io.Writer) error {
	for _, m := range probe.Modules() {
		if _, err := fmt.Fprintln(w, m.Name); err != nil {
			return err
		}
	}
	return nil
}

// listFormats prints the output modules, one a line.
func listFormats(w io.Writer) error {
	for _, f := range sink.Formats() {
		if _, err := fmt.Fprintln(w, f.Name); err != nil {
			return err
		}
	}
	return nil
}

// listFields prints the fields of a scan with p.
func listFields(w io.Writer, p probe.Probe) error {
	for _, f := range engine.Schema(p.Describe()).Fields() {
		if _, err := fmt.Fprintf(w, "%-15s %6s: %s\n", f.Name, f.Type, f.Doc); err != nil {
			return err
		}
	}
	return nil
}

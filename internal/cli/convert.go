package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/zmap-go/zmap"
	"github.com/zmap-go/zmap/filter"
	"github.com/zmap-go/zmap/internal/outputs"
	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/sink"
)

// convertCommand copies results from one format to others.
func convertCommand(std Streams) *cobra.Command {
	t := newToolSet(3)
	t.under = "zmap "
	c := conversion{std: std}
	t.text(&c.fields, "output-fields", "f", "`fields` of a row, separated by commas (default all)")
	t.textOrEmpty(&c.filter, "output-filter", "copy only rows for which `expression` holds, such as 'success = 1'")
	t.flag(&c.noHeader, "no-header-row", "", "write no header line (csv)")
	return t.command(std, "convert RESULTS OUTPUT ... [options]",
		"Reads results of this program or of C ZMap and writes them in other formats. The formats are known by the names of the\n"+
			"files; OUTPUT may also be written as -O takes it: csv=open.csv,fields=saddr,filter=success = 1",
		func(ctx context.Context, log *slog.Logger, args []string) error {
			if len(args) < 2 {
				return errors.New("convert takes results and what to write them to: zmap convert scan.csv scan.json")
			}
			c.log, c.from = log, args[0]
			return c.run(ctx, args[1:])
		})
}

// A conversion copies rows.
type conversion struct {
	std            Streams
	log            *slog.Logger
	fields, filter string
	noHeader       bool
	from           string // file of the results
	files          []*os.File
}

// A converted is an output of a conversion and the rows that it is for.
type converted struct {
	name string
	sink sink.Sink
	keep *filter.Program
	rows uint64
}

func (c *conversion) run(ctx context.Context, to []string) (err error) {
	src, err := outputs.OpenSource(c.from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	var list []*converted
	defer func() {
		for _, t := range list {
			err = errors.Join(err, c.finish(t, src, err))
		}
		for _, f := range c.files {
			err = errors.Join(err, f.Close())
		}
	}()
	for _, text := range to {
		t, err := c.open(text, src)
		if err != nil {
			return err
		}
		list = append(list, t)
	}
	n, err := c.copy(ctx, src, list)
	for _, t := range list {
		c.log.Info(fmt.Sprintf("%d of %d rows of %s written to %s", t.rows, n, c.from, t.name))
	}
	return err
}

// copy copies all rows.
func (c *conversion) copy(ctx context.Context, src sink.Source, to []*converted) (n uint64, err error) {
	row := record.New(src.Schema())
	for ; ctx.Err() == nil; n++ {
		row.Reset()
		if err := src.Read(row); errors.Is(err, io.EOF) {
			return n, nil
		} else if err != nil {
			return n, err
		}
		for _, t := range to {
			if !t.keep.Match(row) {
				continue
			}
			if err := t.sink.Write(row); err != nil {
				return n, fmt.Errorf("write to %s: %w", t.name, err)
			}
			t.rows++
		}
	}
	return n, context.Cause(ctx)
}

// open makes an output of what the user calls it.
func (c *conversion) open(text string, src sink.Source) (*converted, error) {
	spec, err := outputs.ParseFile(text)
	if err != nil {
		return nil, err
	}
	env := &outputs.Env{
		Stdout: c.std.Out, Stderr: c.std.Err, Fields: "*", Filter: c.filter, GivenFields: true, GivenFilter: true, NoHeader: c.noHeader,
		Create: c.create,
	}
	if c.fields != "" {
		env.Fields = c.fields
	}
	out, err := spec.Open(src.Schema(), env)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", text, err)
	}
	t := &converted{name: out.Name, sink: out.Sink}
	if t.keep, err = filter.Compile(out.Filter, src.Schema()); err == nil {
		if store, ok := t.sink.(sink.Store); ok {
			err = store.Begin(scanOf(src))
		}
	}
	if err == nil {
		err = t.sink.Open(src.Schema())
	}
	if err != nil {
		return nil, errors.Join(err, t.sink.Close())
	}
	return t, nil
}

// create makes a file, which is closed when all is done.
func (c *conversion) create(path string) (io.Writer, error) {
	from, ferr := os.Stat(c.from)
	to, terr := os.Stat(path)
	if ferr == nil && terr == nil && sameFile(from, to) {
		return nil, errors.New("these are the results that are read: name another file")
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	c.files = append(c.files, f)
	return f, nil
}

// finish closes an output. Databases learn that all rows are there only if they are.
func (c *conversion) finish(t *converted, src sink.Source, err error) error {
	var lost error
	if store, ok := t.sink.(sink.Store); ok && err == nil {
		lost = store.End(outcomeOf(src))
	}
	return errors.Join(lost, t.sink.Close())
}

// outcomeOf is how the scan ended that the rows are of, or the end of the rows that do not say.
func outcomeOf(src sink.Source) sink.Outcome {
	if kept, ok := src.(outputs.Kept); ok {
		return kept.Outcome()
	}
	return sink.Outcome{Ended: time.Now(), Reason: zmap.StopWalkDone.String()}
}

// scanOf is the scan that the rows are of, or a new one for rows that do not say.
func scanOf(src sink.Source) sink.Scan {
	if kept, ok := src.(outputs.Kept); ok {
		return kept.Scan()
	}
	return sink.Scan{ID: sink.NewID(), Started: time.Now(), Version: zmap.Version()}
}

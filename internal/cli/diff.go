package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/zmap-go/zmap/internal/compare"
	"github.com/zmap-go/zmap/internal/outputs"
	"github.com/zmap-go/zmap/sink"
)

// Exit codes of diff beside exitOK, which are those of diff(1).
const (
	exitChanged = 1
	exitTrouble = 2
)

// diffCommand says what changed between two scans.
func diffCommand(std Streams) *cobra.Command {
	t := newToolSet(3)
	t.under = "zmap "
	d := difference{std: std, scan: defaults()}
	var fields string
	t.text(&fields, "output-fields", "f", "`fields` whose values make a change, separated by commas (default classification)")
	t.flag(&d.table, "table", "", "print a table instead of JSON lines")
	t.flag(&d.confirm, "confirm", "", "ask what seems gone once more before saying so, since probes get lost; takes the options of a scan")
	var command *cobra.Command
	command = t.command(std, "diff BEFORE AFTER | DATABASE [options]",
		"Says which services appeared, are gone, or answer otherwise than before. BEFORE and AFTER are results of this program or\n"+
			"of C ZMap; FILE#ID is a scan of a database. Of a DATABASE alone, the last two scans are compared. Exit code 0 means no\n"+
			"change, 1 changes, 2 trouble. What a scan missed is not in its results: --confirm asks again what the second one may have\n"+
			"missed, and says how many of those that appeared the first one may have.",
		func(ctx context.Context, log *slog.Logger, args []string) error {
			if fields != "" {
				d.fields = strings.FieldsFunc(fields, func(r rune) bool { return r == ',' || r == ' ' })
			}
			d.log = log
			err := d.scan.settle(command.Flags(), std.Etc)
			changed := false
			if err == nil {
				changed, err = d.run(ctx, args)
			}
			switch {
			case err != nil:
				return errors.Join(err, exitStatus(exitTrouble))
			case changed:
				return exitStatus(exitChanged)
			}
			return nil
		})
	for _, s := range sections(d.scan) {
		s.flags.VisitAll(func(f *pflag.Flag) {
			if command.Flags().Lookup(f.Name) == nil {
				f.Shorthand = "" // letters are for diff's own
				f.Hidden = true
				command.Flags().AddFlag(f)
			}
		})
	}
	return command
}

// A difference is one run of diff.
type difference struct {
	std            Streams
	log            *slog.Logger
	scan           *scanOptions // of the scan that confirms
	networks       []string     // that the first scan asked
	fields         []string
	table, confirm bool
}

// run compares two results, or the last two of one database, and says whether anything changed.
func (d *difference) run(ctx context.Context, names []string) (changed bool, err error) {
	if len(names) == 1 {
		if names, err = outputs.LastTwo(names[0]); err != nil {
			return false, err
		}
	}
	if len(names) != 2 {
		return false, fmt.Errorf("diff takes two results, and there are %d: zmap diff monday.csv tuesday.csv", len(names))
	}
	var sources [2]sink.Source
	for i, name := range names {
		if sources[i], err = outputs.OpenSource(name); err != nil {
			return false, err
		}
		defer func() { _ = sources[i].Close() }() // it was only read
	}
	r, err := compare.Diff(sources[0], sources[1], compare.Options{Fields: d.fields})
	if err != nil {
		return false, err
	}
	if d.confirm {
		if err := d.reprobe(ctx, r, sources[0]); err != nil {
			return false, err
		}
	}
	count := map[compare.Kind]int{}
	for _, c := range r.Changes {
		count[c.Kind]++
	}
	d.log.Info(fmt.Sprintf("%d services before, %d after: %d appeared, %d gone, %d changed", r.Before, r.After,
		count[compare.Appeared], count[compare.Gone], count[compare.Changed]))
	return len(r.Changes) > 0, sink.WriteError(d.print(r))
}

// print writes the changes.
func (d *difference) print(r *compare.Result) error {
	w := bufio.NewWriter(d.std.Out)
	if d.table {
		printTable(w, r)
		return w.Flush()
	}
	e := json.NewEncoder(w)
	for _, c := range r.Changes {
		if err := e.Encode(lineOf(r, &c)); err != nil {
			return err
		}
	}
	return w.Flush()
}

// A diffLine is a change as JSON.
type diffLine struct {
	Change string            `json:"change"`
	Addr   string            `json:"saddr"`
	Port   *uint16           `json:"sport,omitempty"`
	Was    map[string]string `json:"was,omitempty"`
	Is     map[string]string `json:"is,omitempty"`
}

func lineOf(r *compare.Result, c *compare.Change) diffLine {
	l := diffLine{Change: string(c.Kind), Addr: c.Target.Addr.String()}
	if r.Ports {
		l.Port = &c.Target.Port
	}
	named := func(values []string) map[string]string {
		if values == nil || len(r.Fields) == 0 {
			return nil
		}
		m := make(map[string]string, len(values))
		for i, name := range r.Fields {
			m[name] = values[i]
		}
		return m
	}
	l.Was, l.Is = named(c.Was), named(c.Is)
	return l
}

// printTable writes the changes as columns.
func printTable(w *bufio.Writer, r *compare.Result) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	head := "change\tsaddr"
	if r.Ports {
		head += "\tsport"
	}
	fmt.Fprintln(t, head+"\twas\tis")
	show := func(values []string) string {
		if values == nil {
			return "-"
		}
		return strings.Join(values, ", ")
	}
	for _, c := range r.Changes {
		line := string(c.Kind) + "\t" + c.Target.Addr.String()
		if r.Ports {
			line += fmt.Sprintf("\t%d", c.Target.Port)
		}
		fmt.Fprintln(t, line+"\t"+show(c.Was)+"\t"+show(c.Is))
	}
	_ = t.Flush() // the writer below tells
}

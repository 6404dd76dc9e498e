// Package outputs makes sinks out of what a user says of them on a command line: which kind, where to, which fields and rows.
//
//	spec, err := outputs.Parse("csv=open.csv,fields=saddr,sport,filter=success = 1")
//	...
//	output, err := spec.Open(schema, &env)
//
// It is the one table of kinds of outputs, and the one room that knows light and heavy sinks.
package outputs

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/zmap-go/zmap"
	"github.com/zmap-go/zmap/filter"
	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/sink"
	"github.com/zmap-go/zmap/sink/remote"
)

// A Kind is one kind of output.
type Kind struct {
	Name        string
	Destination string   // what it is written to, in a word
	Doc         string   // one line
	Text        bool     // it is written to files and to standard output
	Options     []Option // beside fields and filter
	// Store says that it keeps all fields of all answers but repeats unless told otherwise; text is C ZMap's.
	Store bool

	ends   []string // of the names of its files
	open   func(s *Spec, e *Env) (sink.Sink, error)
	server func(s *Spec) (remote.Server, error) // nil if there is none; else destinations may have passwords in them
}

// An Option is one of a kind's own.
type Option struct{ Name, Doc string }

// An Env is what an output needs to know of the program around it.
type Env struct {
	Stdout, Stderr io.Writer
	Log            *slog.Logger    // nil is none
	Stop           <-chan struct{} // closed when the end of the program is wanted; nil is never
	// Create opens a file to write to; what is in it may stay until the scan begins.
	Create func(path string) (io.Writer, error)
	// File is what text without a destination of its own is written to: a file, or "" for Stdout.
	File string
	// Args are the words behind a kind that has no destination: a command.
	Args string
	// Fields, Filter and DefaultMode are those of text that says nothing else, and NoHeader leaves out csv's header.
	Fields, Filter        string
	DefaultMode, NoHeader bool
	// Given says that Fields and Filter were asked for, and are not defaults: then they are for stores, too.
	GivenFields, GivenFilter bool
}

// Kinds returns all kinds of outputs, sorted by name.
func Kinds() []Kind {
	kinds := []Kind{
		{
			Name: "csv", Destination: "file", Text: true, Doc: "comma separated values with a header row", Options: fileOptions(),
			ends: []string{".csv"},
			open: func(s *Spec, e *Env) (sink.Sink, error) {
				return e.text(s, func(w io.Writer, o sink.Options) sink.Sink { return sink.NewCSV(w, o) })
			},
		},
		{
			Name: "exec", Destination: "command", Doc: "JSON lines into the standard input of a command, which a shell runs",
			Options: []Option{{"format", "csv or json"}},
			open:    openExec,
		},
		httpKind(),
		{
			Name: "json", Destination: "file", Text: true, Doc: "one JSON object a line, without null fields", Options: fileOptions(),
			ends: []string{".json", ".jsonl", ".ndjson"},
			open: func(s *Spec, e *Env) (sink.Sink, error) {
				return e.text(s, func(w io.Writer, o sink.Options) sink.Sink { return sink.NewJSON(w, o) })
			},
		},
		natsKind(),
		postgresKind(),
	}
	kinds = append(kinds, localKinds()...)
	slices.SortFunc(kinds, func(a, b Kind) int { return strings.Compare(a.Name, b.Name) })
	return kinds
}

// A FieldsError is about fields that do not exist or that a kind cannot hold.
type FieldsError struct{ error }

// Unwrap returns what is wrong with them.
func (e *FieldsError) Unwrap() error { return e.error }

// Open makes the output. Fields that do not exist, or that the kind cannot hold, are told here, before anything is emptied or
// connected.
func (s *Spec) Open(schema *record.Schema, e *Env) (zmap.Output, error) {
	out := s.output(e)
	if s.Kind.Store && s.Destination == "" {
		return out, fmt.Errorf("names no %s: write -O %s=%s", s.Kind.Destination, s.Kind.Name, strings.ToUpper(s.Kind.Destination))
	}
	if err := s.check(schema, e); err != nil {
		return out, err
	}
	var err error
	out.Sink, err = s.Kind.open(s, e)
	return out, err
}

// Pretend is Open for programs that only say what they would do. Nothing is written or connected.
func (s *Spec) Pretend(schema *record.Schema, e *Env) (zmap.Output, error) {
	out := s.output(e)
	out.Sink = sink.NewCSV(io.Discard, sink.Options{})
	err := s.check(schema, e)
	if path := s.path(e); err == nil && s.Kind.Text && path != "" {
		_, err = e.Create(path)
	}
	return out, err
}

// String is the kind and the destination, as they may be shown.
func (s *Spec) String() string {
	switch {
	case s.Destination == "":
		return s.Kind.Name
	case s.Kind.server != nil:
		return s.Kind.Name + "=" + withoutPassword(s.Destination)
	default:
		return s.Kind.Name + "=" + s.Destination
	}
}

// output is the output without its sink.
func (s *Spec) output(e *Env) zmap.Output {
	return zmap.Output{Name: s.String(), Filter: s.filter(e), DefaultMode: e.DefaultMode && !s.Kind.Store && s.Option("filter") == ""}
}

// ToStdout says whether it is text that names no file of its own.
func (s *Spec) ToStdout() bool {
	return s.Kind.Text && (s.Destination == "" || s.Destination == "-")
}

// path is the file that text is written to; "" means standard output.
func (s *Spec) path(e *Env) string {
	path := cmp.Or(s.Destination, e.File)
	if path == "-" {
		return ""
	}
	return path
}

// check tries the fields on a sink that leads nowhere, and reads a filter of its own.
func (s *Spec) check(schema *record.Schema, e *Env) error {
	if _, err := filter.Compile(s.Option("filter"), schema); err != nil {
		return errors.New(err.Error()) // not a *filter.Error, which is about --output-filter
	}
	fields := s.fields(e)
	if fields == "" {
		return nil
	}
	_, err := schema.Select(fields)
	if s.Kind.Name == "csv" || s.Option("format") == "csv" {
		err = sink.NewCSV(io.Discard, sink.Options{Fields: fields}).Open(schema)
	}
	if err != nil {
		return &FieldsError{err}
	}
	return nil
}

// fields are the fields that are wanted; "" means all, for stores.
func (s *Spec) fields(e *Env) string {
	switch own := s.Option("fields"); {
	case own != "":
		return own
	case s.Kind.Store && !e.GivenFields:
		return ""
	default:
		return e.Fields
	}
}

// filter is the filter of the rows that are wanted.
func (s *Spec) filter(e *Env) string {
	switch own := s.Option("filter"); {
	case own != "":
		return own
	case s.Kind.Store && !e.GivenFilter:
		return "repeat = 0"
	default:
		return e.Filter
	}
}

// openExec opens the sink of a command.
func openExec(s *Spec, e *Env) (sink.Sink, error) {
	command := cmp.Or(s.Destination, e.Args)
	if command == "" {
		return nil, errors.New("names no command: write -O 'exec=jq .saddr', or --output-args 'jq .saddr'")
	}
	options := sink.Options{Fields: s.fields(e), NoHeader: e.NoHeader}
	var format func(w io.Writer) sink.Sink
	switch s.Option("format") {
	case "", "json":
		format = func(w io.Writer) sink.Sink { return sink.NewJSON(w, options) }
	case "csv":
		format = func(w io.Writer) sink.Sink { return sink.NewCSV(w, options) }
	default:
		return nil, fmt.Errorf("exec has no format %q: expected csv or json", s.Option("format"))
	}
	return sink.NewExec(command, e.Stdout, e.Stderr, format), nil
}

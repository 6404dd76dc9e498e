package outputs

import (
	"errors"
	"io"

	"github.com/zmap-go/zmap/sink"
)

// fileOptions are the options of files of text.
func fileOptions() []Option {
	return []Option{{"rotate", "begin a new file after so many bytes or so much time: 100MB, 1h"}}
}

// text opens a sink of text: into one file, compressed if its name says so, into one after the other, or into standard output.
func (e *Env) text(s *Spec, format func(io.Writer, sink.Options) sink.Sink) (sink.Sink, error) {
	options := sink.Options{Fields: s.fields(e), NoHeader: e.NoHeader}
	path := s.path(e)
	if s.Option("rotate") != "" {
		return s.rotating(path, func(w io.Writer) sink.Sink { return format(w, options) })
	}
	if path == "" {
		return format(e.Stdout, options), nil
	}
	w, err := e.Create(path)
	if err != nil {
		return nil, err
	}
	behind, err := sink.NewFile(path, w)
	if err != nil {
		return nil, err
	}
	inner := format(behind, options)
	return packed{inner.(sink.Resumer), inner.(sink.Flusher), inner.(sink.Chooser), behind}, nil
}

// rotating opens a sink of one file after the other.
func (s *Spec) rotating(path string, one func(io.Writer) sink.Sink) (sink.Sink, error) {
	size, every, err := sink.ParseRotation(s.Option("rotate"))
	switch {
	case err != nil:
		return nil, err
	case path == "":
		return nil, errors.New("rotate= is for files, and none is named")
	}
	return sink.NewRotating(sink.RotateOptions{Path: path, Size: size, Every: every, New: one}), nil
}

// packed is a sink of text with a compressor behind it, which ends with it.
type packed struct {
	sink.Resumer
	sink.Flusher
	sink.Chooser
	behind io.Closer
}

// Close implements [sink.Sink].
func (p packed) Close() error {
	return errors.Join(p.Resumer.Close(), sink.WriteError(p.behind.Close()))
}

package sink

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// A File is the file, or standard output, that a sink writes to. It does not collect, unless it compresses: sinks do. Its
// errors name the path.
type File struct {
	name     string
	w        io.Writer
	own      io.Closer // what Close closes; nil for what belongs to somebody else
	packed   Compressor
	held     bool // the compressor has something that the end of a text is missing for
	standard bool
}

// Create returns the file at path, made if need be and emptied; "-" and "" are standard output. What is written to one whose
// name ends in .gz or .zst is compressed: see [Compress].
//
// When nobody reads standard output any more, a Go program is killed by SIGPIPE, unless it has asked for that signal or
// ignores it (os/signal): commands that want [ErrReaderGone] do one of these.
func Create(path string) (*File, error) {
	if path == "-" || path == "" {
		return &File{name: os.Stdout.Name(), w: os.Stdout, packed: plain{os.Stdout}, standard: true}, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("create output file: %w", err)
	}
	file, err := NewFile(path, f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	file.own = f
	return file, nil
}

// NewFile is Create for a file that is open, or another writer, and stays open. Its name says how it is compressed. To be carried on
// in another process ([Resumer]) it must be a regular [os.File], or have the methods of one.
func NewFile(name string, w io.Writer) (*File, error) {
	packed, err := Compress(name, w)
	if err != nil {
		return nil, fmt.Errorf("create output file %s: %w", name, err)
	}
	return &File{name: name, w: w, packed: packed}, nil
}

// Name returns the path of the file.
func (f *File) Name() string { return f.name }

// Write implements [io.Writer].
func (f *File) Write(b []byte) (int, error) {
	f.held = true
	return f.packed.Write(b)
}

// Flush implements [Flusher]: what was written is in the file, and readable, if the program ends in any way.
func (f *File) Flush() error { return f.packed.Flush() }

// Close ends what is compressed and closes the file, if Create has opened it. Standard output stays open.
func (f *File) Close() error {
	if f.standard {
		return nil
	}
	err := f.packed.Close()
	if f.own != nil {
		err = errors.Join(err, f.own.Close())
	}
	if err != nil {
		return fmt.Errorf("close output file: %w", err)
	}
	return nil
}

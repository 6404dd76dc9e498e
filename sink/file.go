package sink

import (
	"errors"
	"fmt"
	"os"
)

// A File is the file, or standard output, that a sink writes to. It does not collect, unless it compresses: sinks do. Its
// errors name the path.
type File struct {
	file     *os.File
	packed   Compressor
	standard bool
}

// Create returns the file at path, made if need be and emptied; "-" and "" are standard output. What is written to one whose
// name ends in .gz or .zst is compressed: see [Compress].
//
// When nobody reads standard output any more, a Go program is killed by SIGPIPE, unless it has asked for that signal or
// ignores it (os/signal): commands that want [ErrReaderGone] do one of these.
func Create(path string) (*File, error) {
	if path == "-" || path == "" {
		return &File{file: os.Stdout, packed: plain{os.Stdout}, standard: true}, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("create output file: %w", err)
	}
	packed, err := Compress(path, f)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("create output file %s: %w", path, err), f.Close())
	}
	return &File{file: f, packed: packed}, nil
}

// Name returns the path of the file.
func (f *File) Name() string { return f.file.Name() }

// Write implements [io.Writer].
func (f *File) Write(b []byte) (int, error) { return f.packed.Write(b) }

// Flush implements [Flusher]: what was written is in the file, and readable, if the program ends in any way.
func (f *File) Flush() error { return f.packed.Flush() }

// Close ends what is compressed and closes the file. Standard output stays open.
func (f *File) Close() error {
	if f.standard {
		return nil
	}
	if err := errors.Join(f.packed.Close(), f.file.Close()); err != nil {
		return fmt.Errorf("close output file: %w", err)
	}
	return nil
}

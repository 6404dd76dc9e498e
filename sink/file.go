package sink

import (
	"fmt"
	"os"
)

// A File is the file, or standard output, that a sink writes to. It does not collect: sinks do. Its errors name the path.
type File struct {
	file     *os.File
	standard bool
}

// Create returns the file at path, made if need be and emptied; "-" and "" are standard output.
//
// When nobody reads standard output any more, a Go program is killed by SIGPIPE, unless it has asked for that signal or
// ignores it (os/signal): commands that want [ErrReaderGone] do one of these.
func Create(path string) (*File, error) {
	if path == "-" || path == "" {
		return &File{file: os.Stdout, standard: true}, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("create output file: %w", err)
	}
	return &File{file: f}, nil
}

// Name returns the path of the file.
func (f *File) Name() string { return f.file.Name() }

// Write implements [io.Writer].
func (f *File) Write(b []byte) (int, error) { return f.file.Write(b) }

// Close closes the file. Standard output stays open.
func (f *File) Close() error {
	if f.standard {
		return nil
	}
	if err := f.file.Close(); err != nil {
		return fmt.Errorf("close output file: %w", err)
	}
	return nil
}

package sink

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// partSuffix is what names of files that are still written to end in.
const partSuffix = ".part"

// A Part is a file that gets its name when it is complete, so that nobody takes a part of it for all. One that is left behind by
// a program that was killed keeps its name, which ends in .part, and is never written to again.
type Part struct {
	file *os.File
	size int64
}

// createPart makes a file with that name, which must be free.
func createPart(name string) (*Part, error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, fmt.Errorf("create output file: %w", err)
	}
	return &Part{file: f}, nil
}

// CreatePart makes the file that is to become the one called name: NAME.part, or NAME.2.part and so on if others write
// one or have left one behind.
func CreatePart(name string) (*Part, error) {
	p, err := createPart(name + partSuffix)
	for n := 2; errors.Is(err, fs.ErrExist) && n < 1000; n++ {
		p, err = createPart(fmt.Sprintf("%s.%d%s", name, n, partSuffix))
	}
	return p, err
}

// Name returns the path that the file has as long as it is not complete.
func (p *Part) Name() string { return p.file.Name() }

// Size returns how many bytes were written.
func (p *Part) Size() int64 { return p.size }

// Write implements [io.Writer].
func (p *Part) Write(b []byte) (int, error) {
	n, err := p.file.Write(b)
	p.size += int64(n)
	return n, err
}

// Publish makes sure that the file is on the disk, closes it and gives it its name. A file that has that name is replaced.
func (p *Part) Publish(name string) error {
	err := p.file.Sync()
	if err = errors.Join(err, p.file.Close()); err != nil {
		return fmt.Errorf("close output file: %w", err)
	}
	if err := os.Rename(p.file.Name(), name); err != nil {
		return fmt.Errorf("give the output file its name: %w", err)
	}
	return nil
}

// Close closes a file that is not complete, and leaves it there.
func (p *Part) Close() error { return p.file.Close() }

// Discard removes a file that has nothing in it that is worth anything.
func (p *Part) Discard() {
	p.file.Close()
	_ = os.Remove(p.file.Name()) // it is only clutter
}

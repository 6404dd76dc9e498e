//go:build !unix

package name

import (
	"io"
	"os"
)

// mapFile reads a file into memory.
func mapFile(f *os.File, size int64) ([]byte, func() error, error) {
	data, err := io.ReadAll(io.NewSectionReader(f, 0, size))
	return data, func() error { return nil }, err
}

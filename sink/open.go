package sink

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/zmap-go/zmap/record"
)

// OpenSource opens a file of rows: of JSON lines if the name without .part, .gz and .zst ends in .json, .jsonl or .ndjson, else
// of CSV. It is decompressed if need be. Errors name the path.
func OpenSource(path string, o SourceOptions) (Source, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open rows: %w", err)
	}
	f := &fileSource{path: path, file: file}
	if err := f.open(o); err != nil {
		return nil, errors.Join(fmt.Errorf("open rows of %s: %w", path, err), f.Close())
	}
	return f, nil
}

// fileSource is the source of a file that it has opened itself.
type fileSource struct {
	Source
	path    string
	file    *os.File
	decoder io.ReadCloser
}

func (f *fileSource) open(o SourceOptions) (err error) {
	if f.decoder, err = Decompress(f.file); err != nil {
		return err
	}
	name := strings.TrimSuffix(f.path, partSuffix)
	name = strings.TrimSuffix(strings.TrimSuffix(name, ".gz"), ".zst")
	switch filepath.Ext(name) {
	case ".json", ".jsonl", ".ndjson":
		f.Source, err = NewJSONSource(f.decoder, o)
	default:
		f.Source, err = NewCSVSource(f.decoder, o)
	}
	return err
}

// Read implements [Source].
func (f *fileSource) Read(r *record.Record) error {
	err := f.Source.Read(r)
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	return fmt.Errorf("%s: %w", f.path, err)
}

// Close implements [Source].
func (f *fileSource) Close() error {
	var err error
	if f.decoder != nil {
		err = f.decoder.Close()
	}
	return errors.Join(err, f.file.Close())
}

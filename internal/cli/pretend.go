package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// A pretended is a file that would be opened.
type pretended struct {
	path string
	st   fs.FileInfo // nil if there is no such file yet
}

// pretend takes the place of open where nothing is to be written. It has the same errors, as far as they show without the
// file being made, emptied or, unless it is a regular one, opened. What it returns takes no bytes.
func (j *job) pretend(option, path string) (*file, error) {
	p := pretended{path: path}
	var err error
	if p.st, err = os.Stat(path); err == nil && (p.st.Mode().IsRegular() || p.st.IsDir()) {
		var f *os.File
		if f, err = os.OpenFile(path, os.O_WRONLY, 0); err == nil {
			err = f.Close()
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		if _, missing := os.Stat(filepath.Dir(path)); missing == nil {
			p.st, err = nil, nil // it would be made
		}
	}
	var cause *fs.PathError
	if errors.As(err, &cause) {
		err = &fs.PathError{Op: "open", Path: path, Err: cause.Err}
	}
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", option, err)
	}
	for _, other := range j.pretended {
		if p.is(other) {
			return nil, sameFileError(option, path, other.path)
		}
	}
	j.pretended = append(j.pretended, p)
	return &file{begun: true}, nil
}

// is says whether two regular files are or would be the same.
func (p pretended) is(other pretended) bool {
	switch {
	case p.st != nil && other.st != nil:
		return sameFile(p.st, other.st)
	case p.st == nil && other.st == nil:
		a, aerr := filepath.Abs(p.path)
		b, berr := filepath.Abs(other.path)
		return aerr == nil && berr == nil && a == b
	default:
		return false
	}
}

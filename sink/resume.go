package sink

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"

	"github.com/zmap-go/zmap/record"
)

// A Resumer is a [Sink] that another process can carry on where this one left off, even if this one was killed since.
type Resumer interface {
	Sink
	// Save writes down the rows so far, makes sure that they survive the machine, and returns the place of the next one. It fails,
	// without harm, where there is no way back to a place: on pipes, for example.
	Save() (place string, err error)
	// Resume comes instead of Open. It drops what was written behind place, which Save of the same sink has returned in another
	// process, and goes on from there. It refuses, and changes nothing, if what is before place is not all there.
	Resume(s *record.Schema, place string) error
}

// A rewinder is what the text formats write to when they can be carried on: a [File].
type rewinder interface {
	save() (int64, error)
	rewind(to int64) error
}

// errNoWayBack is of text that goes into something else than a file.
var errNoWayBack = fmt.Errorf("is no file, and cannot be taken back to an earlier row: %w", errors.ErrUnsupported)

// Save implements [Resumer].
func (o *output) Save() (string, error) {
	if err := o.Flush(); err != nil {
		return "", err
	}
	f, ok := o.w.(rewinder)
	if !ok {
		return "", errNoWayBack
	}
	at, err := f.save()
	return strconv.FormatInt(at, 10), err
}

// rewind goes back to place.
func (o *output) rewind(place string) error {
	f, ok := o.w.(rewinder)
	if !ok {
		o.err = errNoWayBack
		return o.err
	}
	at, err := strconv.ParseInt(place, 10, 64)
	if err != nil || at < 0 {
		err = fmt.Errorf("%.40q is no place in a file", place)
	} else {
		err = f.rewind(at)
	}
	o.err = err
	return err
}

// Resume implements [Resumer].
func (c *CSV) Resume(s *record.Schema, place string) error {
	if err := c.rewind(place); err != nil {
		return err
	}
	c.options.NoHeader = true // it is there
	return c.Open(s)
}

// Resume implements [Resumer].
func (j *JSON) Resume(s *record.Schema, place string) error {
	if err := j.rewind(place); err != nil {
		return err
	}
	return j.Open(s)
}

// A disk is a file of the system: an [os.File].
type disk interface {
	io.WriteSeeker
	Stat() (fs.FileInfo, error)
	Sync() error
	Truncate(size int64) error
}

// save ends what is compressed, for another process could not go on in the middle, and returns the length of the file once that is on the
// disk.
func (f *File) save() (int64, error) {
	d, size, err := f.disk()
	if err != nil {
		return 0, err
	}
	if f.held {
		if err := f.packed.Close(); err != nil {
			return 0, WriteError(err)
		}
		f.packed.Reset(f.w)
		f.held = false
		if size, err = d.Seek(0, io.SeekCurrent); err != nil {
			return 0, WriteError(err)
		}
	}
	return size, WriteError(d.Sync())
}

// rewind cuts the file off.
func (f *File) rewind(to int64) error {
	d, _, err := f.disk()
	if err != nil {
		return err
	}
	st, err := d.Stat()
	if err == nil && st.Size() < to {
		return fmt.Errorf("has %d bytes, and had %d when the scan was killed: something else has been there since", st.Size(), to)
	}
	if err == nil {
		err = d.Truncate(to)
	}
	if err == nil {
		_, err = d.Seek(to, io.SeekStart)
	}
	return WriteError(err)
}

// disk returns the file if there is a way back in it, and where the next byte goes.
func (f *File) disk() (disk, int64, error) {
	d, ok := f.w.(disk)
	if !ok || f.standard {
		return nil, 0, errNoWayBack
	}
	st, err := d.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = errNoWayBack
	}
	if err != nil {
		return nil, 0, err
	}
	at, err := d.Seek(0, io.SeekCurrent)
	return d, at, err
}

var (
	_ Resumer = (*CSV)(nil)
	_ Resumer = (*JSON)(nil)
)

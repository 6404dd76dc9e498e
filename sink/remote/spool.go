package remote

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A spool is the part of the queue that is on disk: a folder of segments. It belongs to one process at a time, and within it to
// whoever holds the queue's lock.
type spool struct {
	folder   string
	lock     *os.File
	limit    int64 // bytes of all segments
	most     int64 // bytes of a segment, about
	sync     bool
	segments []*segment // oldest first
	tail     *segment   // the last of them while this process writes to it
	number   uint64     // of the newest segment
	bytes    int64
	rows     int64   // that are not delivered
	damage   []error // what could not be read
	damaged  int     // pieces of it: damage holds the first ones
}

// lockName is the file in the folder that a process locks while it uses the queue.
const lockName = "lock"

// maxDamage is how many damaged pieces are described; the rest is counted.
const maxDamage = 10

// openSpool opens the queue in a folder, which is made if need be.
func openSpool(folder string, limit int64, sync bool) (*spool, error) {
	if folder == "" {
		return nil, errors.New("no folder named for rows that the server does not take at once")
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("make spill folder: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(folder, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open spill folder: %w", err)
	}
	s := &spool{folder: folder, lock: lock, limit: limit, most: min(max(limit/16, 64<<10), 16<<20), sync: sync}
	if err := lockFile(lock); err != nil {
		lock.Close()
		return nil, fmt.Errorf("spill folder %s is in use by another process: %w", folder, err)
	}
	if err := s.find(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// find finds what earlier processes have left.
func (s *spool) find() error {
	names, err := filepath.Glob(filepath.Join(s.folder, "*.spill"))
	if err != nil {
		return fmt.Errorf("list spill folder: %w", err)
	}
	slices.Sort(names)
	for _, name := range names {
		n, err := strconv.ParseUint(strings.TrimSuffix(filepath.Base(name), ".spill"), 10, 64)
		if err != nil {
			return fmt.Errorf("spill folder has a file %s, which is none of its own: take it away", name)
		}
		s.number = max(s.number, n)
		seg := &segment{path: name}
		s.segments = append(s.segments, seg)
		if err := seg.open(); err == nil {
			s.rows += seg.waiting()
		}
		s.bytes += seg.size
		seg.origin = nil // read again when it is its turn, errors included
		seg.close()
	}
	return nil
}

// empty says whether nothing on disk waits to be delivered.
func (s *spool) empty() bool { return len(s.segments) == 0 }

// room says whether a batch may be appended. To an empty spool one always may.
func (s *spool) room(b *batch) bool {
	return s.empty() || s.bytes+int64(len(b.data))+64 <= s.limit
}

// append writes a batch to disk. For [Options.Sync] commit must follow.
func (s *spool) append(b *batch) error {
	if s.tail == nil || s.tail.origin != b.origin || s.tail.size >= s.most {
		if err := s.roll(b.origin); err != nil {
			return err
		}
	}
	before := s.tail.size
	if err := s.tail.write(appendFrame(make([]byte, 0, len(b.data)+64), b.append)); err != nil {
		return err
	}
	s.bytes += s.tail.size - before
	s.rows += int64(b.rows)
	b.segment, b.end = s.tail, s.tail.size
	return nil
}

// roll begins a new segment.
func (s *spool) roll(o *origin) error {
	if err := s.commit(); err != nil {
		return err
	}
	seg, err := createSegment(filepath.Join(s.folder, fmt.Sprintf("%020d.spill", s.number+1)), o)
	if err != nil {
		return err
	}
	s.number++
	if s.tail != nil && s.tail != s.segments[0] {
		s.tail.close()
	}
	s.tail = seg
	s.segments = append(s.segments, seg)
	s.bytes += seg.size
	if !s.sync {
		return nil
	}
	dir, err := os.Open(s.folder)
	if err == nil {
		err = errors.Join(dir.Sync(), dir.Close())
	}
	if err != nil {
		return fmt.Errorf("sync spill folder: %w", err)
	}
	return nil
}

// commit returns when what was appended would survive a failure of the machine, if that is wanted.
func (s *spool) commit() error {
	if !s.sync || s.tail == nil {
		return nil
	}
	if err := s.tail.file.Sync(); err != nil {
		return fmt.Errorf("sync spill file: %w", err)
	}
	return nil
}

// first returns the oldest batch, nil if there is none. What cannot be read is noted as damage and passed over; an error is one
// of the disk.
func (s *spool) first() (*batch, error) {
	for len(s.segments) > 0 {
		seg := s.segments[0]
		b, err := (*batch)(nil), seg.open()
		if err == nil {
			if b, err = seg.next(); err == nil {
				return b, nil
			}
		}
		corrupt := new(CorruptError)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, errTail):
			if err := s.drop(); err != nil {
				return nil, err
			}
		case errors.As(err, &corrupt):
			s.note(corrupt)
		case errors.Is(err, os.ErrPermission), errors.Is(err, os.ErrNotExist):
			return nil, err
		default:
			seg.damaged = true
			s.note(&CorruptError{File: seg.path, Err: err})
			if err := s.drop(); err != nil {
				return nil, err
			}
		}
	}
	return nil, nil
}

func (s *spool) note(err *CorruptError) {
	if s.damaged++; s.damaged <= maxDamage {
		s.damage = append(s.damage, err)
	}
}

// done takes away the oldest batch, which first has returned or append has written.
func (s *spool) done(b *batch) error {
	s.rows = max(0, s.rows-int64(b.rows))
	if b.end >= b.segment.size {
		return s.drop()
	}
	return b.segment.mark(b.end)
}

// drop takes away the oldest segment.
func (s *spool) drop() error {
	seg := s.segments[0]
	s.segments = s.segments[1:]
	if s.tail == seg {
		s.tail = nil
	}
	s.bytes -= seg.size
	if s.empty() {
		s.bytes, s.rows = 0, 0
	}
	return seg.remove()
}

// report returns what could not be read so far, nil if all could.
func (s *spool) report() error {
	err := errors.Join(s.damage...)
	if more := s.damaged - len(s.damage); more > 0 {
		err = errors.Join(err, fmt.Errorf("%d more damaged pieces in %s", more, s.folder))
	}
	return err
}

// close gives up the folder. What is in it stays.
func (s *spool) close() {
	for _, seg := range s.segments {
		seg.close()
	}
	s.lock.Close() // which unlocks it
}

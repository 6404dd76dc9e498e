package checkpoint

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/bits"
	"os"

	"github.com/zmap-go/zmap/dedup"
)

// Suffix is what the name of a journal has more than that of its state.
const Suffix = ".seen"

// An Extent is how much of a journal belongs to a state.
type Extent struct {
	Entries uint64 `json:"entries"`
	Width   int    `json:"width"`  // bytes of an entry
	Sum     string `json:"sha256"` // of those entries
}

// maxWidth is that of 63 bits.
const maxWidth = 8

func (e *Extent) check() error {
	if e.Width < 1 || e.Width > maxWidth || e.Entries > 1<<56 || len(e.Sum) != 2*sha256.Size {
		return fmt.Errorf("is no checkpoint: its journal has %d entries of %d bytes", e.Entries, e.Width)
	}
	return nil
}

// A Journal is the list of targets that have answered: for each the index in the scan's space, shifted left by one, with a 1 if it was a
// success, in as many bytes as the scan needs, the least significant first. It is owned by one goroutine.
type Journal struct {
	file    *os.File
	buf     []byte
	width   int
	entries uint64
	sum     hash.Hash
	err     error
}

// journalBuffer is how many bytes wait for a write at most.
const journalBuffer = 64 << 10

// width is how many bytes an entry has in a scan of so many indexes.
func width(indexes uint64) int { return max(1, (bits.Len64(max(indexes, 1)-1)+1+7)/8) }

// CreateJournal makes the journal of a new scan, whose indexes are below that number. A file that has its name is emptied.
func CreateJournal(path string, indexes uint64) (*Journal, error) {
	f, err := openLocked(path, os.O_CREATE)
	if err != nil {
		return nil, err
	}
	if err := f.Truncate(0); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &Journal{file: f, width: width(indexes), sum: sha256.New(), buf: make([]byte, 0, journalBuffer)}, nil
}

// openLocked opens a journal that no other process has open.
func openLocked(path string, flags int) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|flags, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lock(f); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: another process is at work with this checkpoint: %w", path, err), f.Close())
	}
	return f, nil
}

// OpenJournal takes the journal at path to the end of e, and gives every entry to each. It refuses a journal that is not the one of
// which e was said.
func OpenJournal(path string, e Extent, indexes uint64, each func(index uint64, o dedup.Outcome)) (*Journal, error) {
	if w := width(indexes); w != e.Width {
		return nil, fmt.Errorf("%s: its entries have %d bytes, those of this scan have %d", path, e.Width, w)
	}
	f, err := openLocked(path, 0)
	if err != nil {
		return nil, err
	}
	j := &Journal{file: f, width: e.Width, sum: sha256.New(), buf: make([]byte, 0, journalBuffer)}
	if err := j.replay(e, indexes, each); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	return j, nil
}

// replay reads the entries of e twice: before the first is given to each, their sum must be right.
func (j *Journal) replay(e Extent, indexes uint64, each func(index uint64, o dedup.Outcome)) error {
	size := int64(e.Entries) * int64(j.width)
	if _, err := io.CopyN(j.sum, j.file, size); err != nil {
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("is cut: the checkpoint has %d entries of %d bytes of it", e.Entries, j.width)
		}
		return err
	}
	if hex.EncodeToString(j.sum.Sum(nil)) != e.Sum {
		return fmt.Errorf("is damaged: its first %d bytes do not have the SHA-256 that the checkpoint names", size)
	}
	r := bufio.NewReaderSize(io.NewSectionReader(j.file, 0, size), journalBuffer)
	var entry [maxWidth]byte
	for n := range e.Entries {
		if _, err := io.ReadFull(r, entry[:j.width]); err != nil {
			return err
		}
		v := binary.LittleEndian.Uint64(entry[:])
		if v>>1 >= indexes {
			return fmt.Errorf("is of another scan: entry %d is target %d of %d", n+1, v>>1, indexes)
		}
		each(v>>1, dedup.Outcome(v&1))
	}
	j.entries = e.Entries
	if err := j.file.Truncate(size); err != nil {
		return err
	}
	_, err := j.file.Seek(size, io.SeekStart)
	return err
}

// Note adds an entry. Errors come with the next Sync.
func (j *Journal) Note(index uint64, o dedup.Outcome) {
	var entry [maxWidth]byte
	binary.LittleEndian.PutUint64(entry[:], index<<1|uint64(o))
	j.buf = append(j.buf, entry[:j.width]...)
	j.entries++
	if len(j.buf) > journalBuffer-maxWidth {
		j.spill()
	}
}

// spill writes what waits.
func (j *Journal) spill() {
	if j.err != nil {
		return
	}
	_, j.err = j.file.Write(j.buf)
	j.sum.Write(j.buf)
	j.buf = j.buf[:0]
}

// Sync makes sure that all entries are on the disk, and returns what there is.
func (j *Journal) Sync() (Extent, error) {
	j.spill()
	if j.err == nil {
		j.err = j.file.Sync()
	}
	return Extent{Entries: j.entries, Width: j.width, Sum: hex.EncodeToString(j.sum.Sum(nil))}, j.err
}

// Close closes the file.
func (j *Journal) Close() error { return j.file.Close() }

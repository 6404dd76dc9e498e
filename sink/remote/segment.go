package remote

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

// A segment is one file of the queue. Numbers are little endian, sums are CRC-32C (RFC 3720, appendix B.4).
//
//	 0  magic, 16 bytes
//	16  offset of the first frame that is not delivered, 8 bytes; sum of these, 4 bytes: overwritten in place
//	28  frames: the origin in JSON, then batches
//
//	frame   length of the payload, 4 bytes | sum of the payload, 4 bytes | sum of the 8 bytes before, 4 bytes | payload
//
// The second sum tells a frame whose end was not written any more, as its writer was killed, from one whose length is damaged.
const (
	magic       = "zmap spill v1\r\n\x00"
	markOffset  = int64(len(magic))
	firstFrame  = markOffset + 12
	frameHeader = 12
	maxFrame    = 8 << 20
)

func sum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// A CorruptError says that a piece of the queue cannot be read, so rows in it are not delivered. The file is kept, under a name
// that ends in .damaged.
type CorruptError struct {
	File   string
	Offset int64 // of the frame in the file
	Err    error // what is wrong with it
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("%s, offset %d: %v", e.File, e.Offset, e.Err)
}

func (e *CorruptError) Unwrap() error { return e.Err }

// errTail says that a file ends inside a frame: its writer was killed.
var errTail = errors.New("file ends inside a frame")

// appendFrame appends a frame whose payload is made by add.
func appendFrame(buf []byte, add func([]byte) []byte) []byte {
	start := len(buf)
	buf = add(append(buf, make([]byte, frameHeader)...))
	h, payload := buf[start:start+frameHeader], buf[start+frameHeader:]
	binary.LittleEndian.PutUint32(h, uint32(len(payload)))
	binary.LittleEndian.PutUint32(h[4:], sum(payload))
	binary.LittleEndian.PutUint32(h[8:], sum(h[:8]))
	return buf
}

// readHeader reads the header of the frame at off: the length of the payload and its sum. It returns [io.EOF] behind the last
// frame and errTail inside one.
func readHeader(f io.ReaderAt, off, size int64) (length int, check uint32, err error) {
	var h [frameHeader]byte
	switch {
	case off == size:
		return 0, 0, io.EOF
	case off+frameHeader > size:
		return 0, 0, errTail
	}
	if _, err := f.ReadAt(h[:], off); err != nil {
		return 0, 0, fmt.Errorf("read frame: %w", err)
	}
	if binary.LittleEndian.Uint32(h[8:]) != sum(h[:8]) {
		return 0, 0, errors.New("header of the frame is damaged")
	}
	n := binary.LittleEndian.Uint32(h[:])
	if n > maxFrame {
		return 0, 0, fmt.Errorf("frame of %d bytes: more than %d", n, maxFrame)
	}
	if off+frameHeader+int64(n) > size {
		return 0, 0, errTail
	}
	return int(n), binary.LittleEndian.Uint32(h[4:]), nil
}

// readFrame reads the frame at off in a file of that size. next is the offset behind it, also if only its payload is damaged, and
// 0 if nobody can know.
func readFrame(f io.ReaderAt, off, size int64) (payload []byte, next int64, err error) {
	n, check, err := readHeader(f, off, size)
	if err != nil {
		return nil, 0, err
	}
	payload = make([]byte, n)
	if _, err := f.ReadAt(payload, off+frameHeader); err != nil {
		return nil, 0, fmt.Errorf("read frame: %w", err)
	}
	next = off + frameHeader + int64(n)
	if sum(payload) != check {
		return nil, next, errors.New("checksum of the frame is wrong")
	}
	return payload, next, nil
}

// segment is one file; see the drawing above.
type segment struct {
	path    string
	file    *os.File    // nil while it is neither first nor last
	frames  io.ReaderAt // the file
	origin  *origin
	at      int64 // first frame that is not delivered
	size    int64 // end of the last frame; of the file, if an earlier process wrote it
	damaged bool
}

// createSegment makes a new file that holds the origin.
func createSegment(path string, o *origin) (*segment, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return nil, fmt.Errorf("encode scan: %w", err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("create spill file: %w", err)
	}
	s := &segment{path: path, file: f, frames: f, origin: o}
	buf := append([]byte(magic), make([]byte, firstFrame-markOffset)...)
	buf = appendFrame(buf, func(b []byte) []byte { return append(b, text...) })
	if err := s.write(buf); err != nil {
		return nil, errors.Join(err, s.remove())
	}
	s.at = s.size
	return s, nil
}

// write appends to the file, all or nothing.
func (s *segment) write(buf []byte) error {
	if _, err := s.file.WriteAt(buf, s.size); err != nil {
		_ = s.file.Truncate(s.size) // what stays is a torn tail, which readers bear
		return fmt.Errorf("write spill file: %w", err)
	}
	s.size += int64(len(buf))
	return nil
}

// open opens a file that another process has written, and reads where it stands. A file that has not even an origin is a torn
// tail as a whole.
func (s *segment) open() error {
	if s.file != nil {
		return nil
	}
	f, err := os.OpenFile(s.path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("open spill file: %w", err)
	}
	s.file, s.frames = f, f
	if s.origin != nil {
		return nil // it is one of ours
	}
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("open spill file: %w", err)
	}
	s.size = info.Size()
	s.origin, s.at, err = readStart(f, s.size)
	return err
}

// readStart reads what is before the batches of a file, and where the first is that is not delivered. A mark that makes no
// sense is none: everything is delivered once more.
func readStart(f io.ReaderAt, size int64) (*origin, int64, error) {
	var start [firstFrame]byte
	if size < firstFrame {
		return nil, size, errTail
	}
	if _, err := f.ReadAt(start[:], 0); err != nil {
		return nil, 0, fmt.Errorf("read spill file: %w", err)
	}
	if string(start[:markOffset]) != magic {
		return nil, size, errors.New("file is no spill file of this version")
	}
	text, at, err := readFrame(f, firstFrame, size)
	if errors.Is(err, io.EOF) {
		err = errTail
	}
	if err != nil {
		return nil, size, err
	}
	o, err := decodeOrigin(text)
	if err != nil {
		return nil, size, err
	}
	mark := start[markOffset:]
	if off := binary.LittleEndian.Uint64(mark); binary.LittleEndian.Uint32(mark[8:]) == sum(mark[:8]) && off > uint64(at) && off <= uint64(size) {
		at = int64(off)
	}
	return o, at, nil
}

// next reads the first batch that is not delivered. It returns io.EOF behind the last, errTail there if the writer was killed,
// and a CorruptError otherwise, behind which it goes on when it is called again.
func (s *segment) next() (*batch, error) {
	payload, next, err := readFrame(s.frames, s.at, s.size)
	var b *batch
	if err == nil {
		b, err = decodeBatch(payload)
	}
	if err == nil {
		b.origin, b.segment, b.end = s.origin, s, next
		return b, nil
	}
	if errors.Is(err, io.EOF) || errors.Is(err, errTail) {
		return nil, err
	}
	corrupt := &CorruptError{File: s.path, Offset: s.at, Err: err}
	s.damaged = true
	s.at = next
	if next == 0 {
		s.at = s.size
		corrupt.Err = fmt.Errorf("%w; the %d bytes from here to the end are lost", err, s.size-corrupt.Offset)
	}
	return nil, corrupt
}

// mark writes down that everything before offset at is delivered.
func (s *segment) mark(at int64) error {
	s.at = at
	var m [firstFrame - markOffset]byte
	binary.LittleEndian.PutUint64(m[:], uint64(at))
	binary.LittleEndian.PutUint32(m[8:], sum(m[:8]))
	if _, err := s.file.WriteAt(m[:], markOffset); err != nil {
		return fmt.Errorf("mark spill file: %w", err)
	}
	return nil
}

// waiting counts the rows that are not delivered, up to the first damage.
func (s *segment) waiting() (rows int64) {
	var start [64]byte
	for off := s.at; ; {
		n, _, err := readHeader(s.frames, off, s.size)
		if err != nil {
			return rows
		}
		part := start[:min(n, len(start))]
		if _, err := s.frames.ReadAt(part, off+frameHeader); err != nil {
			return rows
		}
		if b, err := decodeBatch(part); err == nil {
			rows += int64(b.rows)
		}
		off += frameHeader + int64(n)
	}
}

func (s *segment) close() {
	if s.file != nil {
		s.file.Close()
		s.file = nil
	}
}

// remove closes the file and takes it away, or aside if it is damaged.
func (s *segment) remove() error {
	s.close()
	if s.damaged {
		if err := os.Rename(s.path, s.path+".damaged"); err != nil {
			return fmt.Errorf("put damaged spill file aside: %w", err)
		}
		return nil
	}
	if err := os.Remove(s.path); err != nil {
		return fmt.Errorf("remove spill file: %w", err)
	}
	return nil
}

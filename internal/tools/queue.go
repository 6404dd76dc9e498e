package tools

import (
	"bytes"
	"errors"
	"io"
	"sync"
)

// A queue lies between a reader that must not wait and consumers that may be slow. It is a ring of bytes: one goroutine
// fills it from an [io.Reader], and each consumer takes all of the bytes, in order and in its own time, through its
// cursor. When the slowest cursor is a whole ring behind, reading waits. The memory of the ring is all that it takes.
//
//	taken by everyone      behind for some         read, for all to take     free
//	------------------|------------------------|------------------------|-----------
//	                  ^ slowest cursor         ^ fastest cursor         ^ head        (positions only grow; buf[p % len])
//
// The lock is held for moments, once per piece, never while reading or writing.
type queue struct {
	buf []byte // its length is a power of two

	mu      sync.Mutex
	changed sync.Cond // any of what follows did
	head    uint64
	lines   uint64 // ends of lines before head; an end without one counts when there is no more to come
	cursors []*cursor
	err     error // why nothing more comes, io.EOF at the end of the input; nil before
}

// A cursor is a consumer's place in a queue. It belongs to one goroutine.
type cursor struct {
	q     *queue
	pos   uint64 // all before it is done with
	lines uint64 // ends of lines before pos
	taken int    // bytes handed out by next
	left  bool   // the consumer takes no more
}

// maxRead bounds a single read, so that consumers start on the beginning of a file while the rest is read.
const maxRead = 128 << 10

// errStopped is why nothing more comes after stop.
var errStopped = errors.New("reading was stopped")

// newQueue returns a queue of size bytes, a power of two, and a cursor for each of so many consumers.
func newQueue(size, consumers int) (*queue, []*cursor) {
	q := &queue{buf: make([]byte, size)}
	q.changed.L = &q.mu
	for range consumers {
		q.cursors = append(q.cursors, &cursor{q: q})
	}
	return q, q.cursors
}

// fill reads r to its end, until it fails, or until stop is called; then r is not read again.
func (q *queue) fill(r io.Reader) {
	for empty := 0; ; {
		room := q.room()
		if room == nil {
			return
		}
		n, err := r.Read(room)
		if n > 0 {
			empty = 0
		} else if empty++; empty > 100 && err == nil {
			err = io.ErrNoProgress
		}
		if !q.put(room[:n], err) {
			return
		}
	}
}

// room waits for free space, and returns a part of it without a break, or nil after stop.
func (q *queue) room() []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		if q.err != nil {
			return nil
		}
		if free := uint64(len(q.buf)) - (q.head - q.slowest()); free > 0 {
			at := q.head & uint64(len(q.buf)-1)
			return q.buf[at:min(at+free, at+maxRead, uint64(len(q.buf)))]
		}
		q.changed.Wait()
	}
}

// slowest is the position before which no consumer needs anything.
func (q *queue) slowest() uint64 {
	pos := q.head
	for _, c := range q.cursors {
		if !c.left {
			pos = min(pos, c.pos)
		}
	}
	return pos
}

// put makes what was read into the room available, and reports whether to go on. Bytes read while stop was called are
// available, too: they are gone from the input.
func (q *queue) put(read []byte, err error) bool {
	lines := uint64(bytes.Count(read, newline))
	q.mu.Lock()
	defer q.mu.Unlock()
	q.head += uint64(len(read))
	q.lines += lines
	if err != nil && q.err == nil {
		q.err = err
	}
	if q.err != nil && q.head > 0 && q.buf[(q.head-1)&uint64(len(q.buf)-1)] != '\n' {
		q.lines++
	}
	q.changed.Broadcast()
	return q.err == nil
}

// stop ends the reading. What has been read can still be taken; after it, cursors return errStopped.
func (q *queue) stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err == nil {
		q.err = errStopped
	}
	q.changed.Broadcast()
}

// progress returns how many lines have been read, and how many of them the slowest consumer is not done with.
func (q *queue) progress() (read, waiting uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	done := q.lines
	for _, c := range q.cursors {
		if !c.left {
			done = min(done, c.lines)
		}
	}
	return q.lines, q.lines - done
}

// ready is done with the bytes that next returned before, and reports whether next would return at once.
func (c *cursor) ready() bool {
	c.q.mu.Lock()
	defer c.q.mu.Unlock()
	c.release()
	return c.pos != c.q.head || c.q.err != nil
}

// next is done with the bytes it returned before, waits for more and returns what there is of them without a break, at
// least one. The bytes are valid until the next call of ready or next. When all have been taken and no more come, it
// returns why.
func (c *cursor) next() ([]byte, error) {
	q := c.q
	q.mu.Lock()
	defer q.mu.Unlock()
	c.release()
	for c.pos == q.head {
		if q.err != nil {
			c.lines = q.lines
			return nil, q.err
		}
		q.changed.Wait()
	}
	at := c.pos & uint64(len(q.buf)-1)
	c.taken = int(min(q.head-c.pos, uint64(len(q.buf))-at, maxRead))
	return q.buf[at : at+uint64(c.taken)], nil
}

// release gives the bytes taken back. The lock is held.
func (c *cursor) release() {
	if c.taken == 0 {
		return
	}
	at := c.pos & uint64(len(c.q.buf)-1)
	c.lines += uint64(bytes.Count(c.q.buf[at:at+uint64(c.taken)], newline))
	c.pos += uint64(c.taken)
	c.taken = 0
	c.q.changed.Broadcast()
}

// leave takes no more: reading no longer waits for this consumer.
func (c *cursor) leave() {
	c.q.mu.Lock()
	defer c.q.mu.Unlock()
	c.left = true
	c.q.changed.Broadcast()
}

var newline = []byte{'\n'}

package tools

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
)

// noise returns n bytes, every tenth of them about an end of a line.
func noise(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		if b[i] = byte(r.Uint32()); r.IntN(10) == 0 {
			b[i] = '\n'
		}
	}
	return b
}

// A randomReader reads pieces of random size, sometimes none, sometimes the last with the error.
type randomReader struct {
	r    *rand.Rand
	rest []byte
	err  error
}

func (r *randomReader) Read(p []byte) (int, error) {
	n := copy(p, r.rest[:min(len(r.rest), r.r.IntN(1+min(len(p), 100)))])
	r.rest = r.rest[n:]
	if len(r.rest) == 0 && r.r.IntN(2) == 0 {
		return n, r.err
	}
	return n, nil
}

// drain takes everything from c.
func drain(c *cursor) (all []byte, err error) {
	for {
		piece, err := c.next()
		if err != nil {
			return all, err
		}
		all = append(all, piece...)
	}
}

// TestQueueGivesEachConsumerEverything has three consumers of their own paces take what a reader reads.
func TestQueueGivesEachConsumerEverything(t *testing.T) {
	cause := errors.New("read error")
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 1))
		want := noise(r, r.IntN(5000))
		q, cursors := newQueue(1<<r.IntN(10), 3)
		go q.fill(&randomReader{rand.New(rand.NewPCG(seed, 2)), want, cause})
		var wg sync.WaitGroup
		for _, c := range cursors {
			wg.Go(func() {
				got, err := drain(c)
				if !bytes.Equal(got, want) || !errors.Is(err, cause) {
					t.Errorf("seed %d: a consumer took %d bytes and %v, want all %d and %v", seed, len(got), err, len(want), cause)
				}
			})
		}
		wg.Wait()
		lines := uint64(len(bytes.SplitAfter(want, newline)))
		if len(want) == 0 || want[len(want)-1] == '\n' {
			lines--
		}
		if read, waiting := q.progress(); read != lines || waiting != 0 {
			t.Errorf("seed %d: progress = %d, %d, want %d lines read and none waiting", seed, read, waiting, lines)
		}
	}
}

// TestQueueIsBounded stops consuming and counts what is read nevertheless.
func TestQueueIsBounded(t *testing.T) {
	const size = 1 << 12
	synctest.Test(t, func(t *testing.T) {
		q, cursors := newQueue(size, 2)
		in := &countingReader{}
		go q.fill(in)
		synctest.Wait()
		if got := in.count(); got != size {
			t.Errorf("with nothing consumed %d bytes are read, want %d", got, size)
		}
		if read, waiting := q.progress(); read != size/2 || waiting != size/2 {
			t.Errorf("progress = %d, %d, want %d lines read and waiting", read, waiting, size/2)
		}
		if _, err := cursors[0].next(); err != nil {
			t.Fatal(err)
		}
		cursors[0].ready()
		synctest.Wait()
		if got := in.count(); got != size {
			t.Errorf("with one consumer behind %d bytes are read, want %d", got, size)
		}
		cursors[1].leave()
		synctest.Wait()
		if got := in.count(); got != 2*size {
			t.Errorf("after that consumer left %d bytes are read, want %d", got, 2*size)
		}
		q.stop()
	})
}

// A countingReader is an endless input of two-byte lines.
type countingReader struct {
	mu sync.Mutex
	n  int
}

func (r *countingReader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range p {
		p[i] = 'x'
		if (r.n+i)%2 == 1 {
			p[i] = '\n'
		}
	}
	r.n += len(p)
	return len(p), nil
}

func (r *countingReader) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.n
}

func TestQueueStopKeepsWhatWasRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		q, cursors := newQueue(1<<10, 1)
		go q.fill(r)
		io.WriteString(w, "one\ntw")
		synctest.Wait()
		q.stop()
		got, err := drain(cursors[0])
		if string(got) != "one\ntw" || !errors.Is(err, errStopped) {
			t.Errorf("after stop a consumer takes %q and %v, want what was read and %v", got, err, errStopped)
		}
		if !cursors[0].ready() {
			t.Error("ready is false, though next would return at once")
		}
		w.Close() // ends the read that is under way
	})
}

func TestQueueReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		q, cursors := newQueue(1<<10, 1)
		go q.fill(r)
		c := cursors[0]
		if c.ready() {
			t.Error("ready is true before anything is read")
		}
		io.WriteString(w, "x")
		synctest.Wait()
		if !c.ready() {
			t.Error("ready is false with a byte read")
		}
		if _, err := c.next(); err != nil || c.ready() {
			t.Errorf("next = %v, then ready is true with all bytes taken", err)
		}
		w.Close()
		synctest.Wait()
		if !c.ready() {
			t.Error("ready is false at the end of the input")
		}
	})
}

func TestQueueReaderWithoutProgress(t *testing.T) {
	q, cursors := newQueue(1<<10, 1)
	go q.fill(iotest.ErrReader(nil))
	if _, err := drain(cursors[0]); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a reader that never reads gives %v, want %v", err, io.ErrNoProgress)
	}
}

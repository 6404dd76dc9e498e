//go:build amd64 || arm64

package xdp

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// A ring is our end of a BPF ring buffer (Documentation/bpf/ringbuf.rst):
//
//	┌──────────────────┬──────────────────┬─────────────────────┬─────────────────────┐
//	│ our position     │ kernel's position│ data                │ the same data again │
//	│ a page, writable │ a page           │ size bytes          │ for what wraps round│
//	└──────────────────┴──────────────────┴─────────────────────┴─────────────────────┘
//
// A record is a header of 8 bytes, its length with two flags on top, then the data, rounded up to 8. It is owned by the
// receiver; full may be called by any goroutine.
type ring struct {
	ours, theirs []byte // mappings
	size         uint64
	at           uint64 // our position; what is given back to the kernel follows it
	consumer     *uint64
	producer     *uint64
	data         []byte      // twice
	deaf         atomic.Bool // nobody will read it any more: set by its reader
}

// Flags of a record's length (include/uapi/linux/bpf.h), and the header's length.
const (
	recordBusy    = 1 << 31
	recordDiscard = 1 << 30
	recordHeader  = 8
)

// answerHead is the length of struct answer of bpf/tap.h in front of its data.
const answerHead = 16

// An answer is one record. data is nil for a record that the program discarded.
type answer struct {
	at   uint64 // CLOCK_MONOTONIC, nanoseconds
	len  int    // on the wire
	data []byte // valid until give
}

// openRing maps a ring buffer.
func openRing(m *ebpf.Map) (_ *ring, err error) {
	page, size := unix.Getpagesize(), int(m.MaxEntries())
	r := &ring{size: uint64(size)}
	if r.ours, err = unix.Mmap(m.FD(), 0, page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return nil, fmt.Errorf("map position in ring buffer: %w", err)
	}
	if r.theirs, err = unix.Mmap(m.FD(), int64(page), page+2*size, unix.PROT_READ, unix.MAP_SHARED); err != nil {
		_ = unix.Munmap(r.ours)
		return nil, fmt.Errorf("map ring buffer of %d bytes: %w", size, err)
	}
	r.consumer, r.producer, r.data = word(r.ours), word(r.theirs), r.theirs[page:]
	return r, nil
}

func (r *ring) close() {
	_ = unix.Munmap(r.ours)
	_ = unix.Munmap(r.theirs)
}

// ready says whether there is a whole record.
func (r *ring) ready() bool {
	if r.at == atomic.LoadUint64(r.producer) {
		return false
	}
	return atomic.LoadUint32(header(r.data[r.at&(r.size-1):]))&recordBusy == 0
}

// next returns the next record; not ok if there is none.
func (r *ring) next() (a answer, ok bool) {
	if !r.ready() {
		return a, false
	}
	start := r.at & (r.size - 1)
	word := atomic.LoadUint32(header(r.data[start:]))
	n := uint64(word &^ (recordBusy | recordDiscard))
	if word&recordDiscard == 0 && n >= answerHead {
		b := r.data[start+recordHeader:][:n:n]
		a.at, a.len = binary.NativeEndian.Uint64(b), int(binary.NativeEndian.Uint32(b[8:]))
		c := min(uint64(binary.NativeEndian.Uint32(b[12:])), n-answerHead)
		a.data = b[answerHead:][:c:c]
	}
	r.at += (n + recordHeader + 7) &^ 7
	return a, true
}

// give gives all that was read back to the kernel.
func (r *ring) give() {
	atomic.StoreUint64(r.consumer, r.at)
}

// full says whether more than half of the buffer waits to be read.
func (r *ring) full() bool {
	return atomic.LoadUint64(r.producer)-atomic.LoadUint64(r.consumer) > r.size/2
}

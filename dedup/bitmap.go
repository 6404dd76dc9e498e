package dedup

import "sync/atomic"

const (
	pageShift = 16 // a page holds the bits of 65,536 targets in 8 KiB
	pageWords = 1 << pageShift / 64
)

type page [pageWords]atomic.Uint64

// A Bitmap is the memory of method full: one bit for every target, set by its first success. It may be shared by any
// number of goroutines: of several that see the first success of one target at once, exactly one is told that it is new.
//
// Pages are made when a target of theirs first succeeds: a scan of a /16 costs one page, and one of all IPv4 addresses
// 512 MiB once successes have been seen all over. After that See allocates nothing.
type Bitmap struct {
	pages   []atomic.Pointer[page] // written by whoever sees the first success in a page
	targets uint64
}

// NewBitmap returns a bitmap for so many targets. Its directory costs 8 bytes for every 65,536 of them.
func NewBitmap(targets uint64) *Bitmap {
	return &Bitmap{pages: make([]atomic.Pointer[page], pagesFor(targets)), targets: targets}
}

// pagesFor is how many pages the bits of so many targets fill.
func pagesFor(targets uint64) uint64 { return (targets + 1<<pageShift - 1) >> pageShift }

// See implements [Seen]. An index that is not below the number of targets is never a repeat.
func (b *Bitmap) See(index uint64, o Outcome) bool {
	if index >= b.targets {
		return false
	}
	slot := &b.pages[index>>pageShift]
	p := slot.Load()
	if p == nil {
		if o == Failure {
			return false
		}
		p = fill(slot)
	}
	word, bit := &p[index%(1<<pageShift)/64], uint64(1)<<(index%64)
	if o == Failure || word.Load()&bit != 0 {
		return word.Load()&bit != 0
	}
	return word.Or(bit)&bit != 0
}

// Warm implements [Seen].
func (b *Bitmap) Warm(indexes []uint64) {
	for _, index := range indexes {
		if index >= b.targets {
			continue
		}
		if p := b.pages[index>>pageShift].Load(); p != nil {
			p[index%(1<<pageShift)/64].Load() // an atomic load is one that the compiler keeps
		}
	}
}

// fill puts a page into an empty slot, unless another goroutine is faster, and returns the page that is there.
func fill(slot *atomic.Pointer[page]) *page {
	p := new(page)
	if slot.CompareAndSwap(nil, p) {
		return p
	}
	return slot.Load()
}

// Memory returns the number of bytes of the bitmap, its directory included.
func (b *Bitmap) Memory() uint64 {
	bytes := uint64(len(b.pages)) * 8
	for i := range b.pages {
		if b.pages[i].Load() != nil {
			bytes += pageWords * 8
		}
	}
	return bytes
}

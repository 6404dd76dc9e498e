package oneshot

import "sync"

// A stretch holds a window of a stream in pages, each of which is there only while something is in it. A byte has its place by
// its sequence number, so that what arrives out of order is written where it belongs. It holds windows of up to 64 KiB, wherever
// they begin.
type stretch struct {
	pages [stretchPages]*page
}

const (
	pageLen      = 4 << 10
	stretchPages = 32 // a power of two that divides all sequence numbers into whole rounds; a window touches 17 at most
)

type page [pageLen]byte

// A store keeps pages that are free. They are not cleared: what is read was written before.
type store struct{ free sync.Pool }

func (s *store) get() *page {
	if p, ok := s.free.Get().(*page); ok {
		return p
	}
	return new(page)
}

// place returns the number of the page of a byte, and where it is in it.
func place(at uint32) (n, offset uint32) { return at / pageLen % stretchPages, at % pageLen }

// write puts b to the place at.
func (s *stretch) write(from *store, at uint32, b []byte) {
	for len(b) > 0 {
		n, offset := place(at)
		if s.pages[n] == nil {
			s.pages[n] = from.get()
		}
		k := copy(s.pages[n][offset:], b)
		at, b = at+uint32(k), b[k:]
	}
}

// read fills b with what was written to the place at.
func (s *stretch) read(at uint32, b []byte) {
	for len(b) > 0 {
		n, offset := place(at)
		k := copy(b, s.pages[n][offset:])
		at, b = at+uint32(k), b[k:]
	}
}

// drop lets go of the pages that are behind the window when its beginning moves on.
func (s *stretch) drop(to *store, from, until uint32) {
	for at := from - from%pageLen; until-at >= pageLen && before(at, until); at += pageLen {
		s.release(to, at)
	}
}

// release lets go of the page with that byte.
func (s *stretch) release(to *store, at uint32) {
	if n, _ := place(at); s.pages[n] != nil {
		to.free.Put(s.pages[n])
		s.pages[n] = nil
	}
}

// clear lets go of all.
func (s *stretch) clear(to *store) {
	for n := range s.pages {
		s.release(to, uint32(n)*pageLen)
	}
}

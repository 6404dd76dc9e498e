package tools

import "net/netip"

// A seen is a set of IPv4 addresses: a bitmap of which only the pages that hold one exist. Its memory is 16 MB, and
// 128 bytes for each /22 network with an address in it, 528 MB at most. The directory and the pages hold no pointers, so
// that the garbage collector has nothing to look for in them.
type seen struct {
	directory []uint32     // by the upper 22 bits: number of the page, from 1; 0 means none
	slabs     [][]seenPage // slabs[n>>slabBits][n&slabMask] is page n
	next      uint32       // number of the next page
	touched   uint64       // keeps the second round of add from being optimised away
}

// A seenPage has a bit for each address of a /22, in two cache lines.
type seenPage [1 << pageBits / 64]uint64

const (
	pageBits = 10
	slabBits = 12
	slabMask = 1<<slabBits - 1
)

func newSeen() *seen {
	return &seen{directory: make([]uint32, 1<<(32-pageBits)), next: 1}
}

// add adds the addresses, and stores for each whether it was there before, also by an earlier place in addrs. It allocates
// once for 4,096 new pages.
//
// Both the directory and the pages are mostly far from the processor, and each look at them takes longer than all else
// that is done about a line. So it looks in rounds that nothing in them waits for: the processor has many such looks
// under way at once.
func (s *seen) add(addrs []uint32, repeat *[batchSize]bool) {
	var pages [batchSize]uint32
	for i, a := range addrs {
		pages[i&(batchSize-1)] = s.directory[a>>pageBits]
	}
	sum := uint64(0)
	for i, a := range addrs {
		n := pages[i&(batchSize-1)]
		if n == 0 {
			n = s.page(a)
			pages[i&(batchSize-1)] = n
		}
		sum += *s.word(n, a)
	}
	for i, a := range addrs {
		word, bit := s.word(pages[i&(batchSize-1)], a), uint64(1)<<(a&63)
		repeat[i&(batchSize-1)] = *word&bit != 0
		*word |= bit
	}
	s.touched = sum
}

// page returns the number of the page of an address, which is made if there is none.
func (s *seen) page(a uint32) uint32 {
	n := s.directory[a>>pageBits]
	if n != 0 {
		return n
	}
	n = s.next
	s.next++
	if int(n>>slabBits) == len(s.slabs) {
		s.slabs = append(s.slabs, make([]seenPage, 1<<slabBits))
	}
	s.directory[a>>pageBits] = n
	*s.word(n, a) = 0 // the kernel gives memory that is read first twice: shared, then one's own
	return n
}

// word returns the word with the bit of an address in its page.
func (s *seen) word(page, a uint32) *uint64 {
	return &s.slabs[page>>slabBits][page&slabMask][a>>6&(1<<(pageBits-6)-1)]
}

// addr4 returns the address of a host-order integer.
func addr4(a uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(a >> 24), byte(a >> 16), byte(a >> 8), byte(a)})
}

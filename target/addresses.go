package target

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"math/bits"
	"net/netip"
	"slices"
	"strings"
)

// A List is a set of single addresses, as read from an address list (-I). It is immutable and may be shared between
// goroutines. The zero List is empty. It takes 512 KB, and 2 bytes to 1 bit for each address.
//
// There are two ways to scan the addresses of a list. C zmap walks the permutation of all that is allowed and passes over
// what is not on the list: the order is kept by asking Contains for each target, at the cost of a walk over up to 2^32
// elements. [Space.Intersect] makes a space of the list itself: the cost is that of the list, the order another one.
type List struct {
	pages [1 << 16]*page // one for each /16; nil if it holds no address
	six   list6
	count int // of IPv4
	lines int
}

// A page holds the addresses of a /16 by their low 16 bits: a few in a sorted array, many in a bitmap.
type page struct {
	few  []uint16
	bits *[1 << 10]uint64 // not nil: few is not used
}

// maxFew is the size at which an array is as large as the bitmap.
const maxFew = 4096

var (
	errNotIPv4    = errors.New("not an IPv4 address: write one such as 192.0.2.1")
	errNotAddress = errors.New("not an address: write one such as 192.0.2.1 or 2001:db8::1")
	errNetwork    = errors.New("networks are not allowed in a list of addresses: name the file as an allowlist instead")
)

// NewList returns the list of some addresses.
func NewList(addrs iter.Seq[netip.Addr]) *List {
	l := &List{}
	for addr := range addrs {
		l.addAddr(addr)
	}
	l.six.sort()
	return l
}

// ReadList reads a list of addresses, the first word of each line, in the forms of inet_aton(3); # begins a comment, and
// lines without an address are passed over. Name stands for r in errors. It reads to the end and reports up to ten lines
// that cannot be used in one error, each an [EntryError].
func ReadList(r io.Reader, name string) (*List, error) {
	l := &List{}
	words := newWordReader(r)
	var bad faults
	for {
		word, err := words.next()
		switch {
		case err == nil:
			if a, ok := aton(string(word)); ok { // which does not allocate
				l.add(a)
				continue
			}
			if a, err := netip.ParseAddr(string(word)); err == nil && a.Zone() == "" {
				l.addAddr(a)
				continue
			}
			bad.add(&EntryError{Origin{name, words.line}, string(word), addressError(string(word))})
		case errors.Is(err, io.EOF):
			if err := bad.err(); err != nil {
				return nil, err
			}
			l.six.sort()
			return l, nil
		case errors.Is(err, errLongLine):
			bad.add(&EntryError{Origin: Origin{name, words.line}, Err: err})
		default:
			return nil, fmt.Errorf("read list of addresses %s: %w", name, err)
		}
	}
}

// addressError returns the reason why word is not an address.
func addressError(word string) error {
	if e, err := parseEntry(word); err == nil && e.name == "" && strings.Contains(word, "/") {
		return errNetwork
	}
	return errNotAddress
}

// Contains reports whether addr is on the list. It does not allocate.
func (l *List) Contains(addr netip.Addr) bool {
	if addr.Is6() {
		return l.six.has(wideOf(addr)) && !addr.Is4In6()
	}
	a, ok := host4(addr)
	return ok && l.has(a)
}

// Len returns the number of different addresses.
func (l *List) Len() int { return l.count + len(l.six.list) }

// Lines returns the number of lines that held an address, which counts an address as often as it was listed. C zmap
// reports this number.
func (l *List) Lines() int { return l.lines }

// All yields the addresses, ascending, those of IPv4 first.
func (l *List) All() iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		for s := range l.spans {
			for a := uint64(s.lo); a <= uint64(s.hi); a++ {
				if !yield(addr4(uint32(a))) {
					return
				}
			}
		}
		for _, a := range l.six.list {
			if !yield(a.addr()) {
				return
			}
		}
	}
}

// Intersect returns the space of those addresses of s that are on the list, with the ports and the entries of s. Its
// rows are numbered anew, so that a permutation of it costs what the list costs, not what s costs; it takes the list's
// targets in another order than a permutation of s would. If no address is on the list, the error is an [EmptyError].
func (s *Space) Intersect(l *List) (*Space, error) {
	out := &Space{ports: s.ports, rules: s.rules, allowed: s.allowed}
	allowed := slices.Collect(s.spans)
	i := 0
	for listed := range l.spans {
		for i < len(allowed) && allowed[i].hi < listed.lo {
			i++
		}
		for j := i; j < len(allowed) && allowed[j].lo <= listed.hi; j++ {
			out.add(span{max(allowed[j].lo, listed.lo), min(allowed[j].hi, listed.hi)})
			i = j
		}
	}
	six := l.six.spans()
	six = subtract6(six, s.six.without(six))
	if out.count() == 0 && len(six) == 0 {
		return nil, s.noneListed(l)
	}
	if err := out.six.grow(0, suffix{}, 0, six); err != nil {
		return nil, err
	}
	out.finish()
	return out, nil
}

// noneListed returns the error of Intersect.
func (s *Space) noneListed(l *List) error {
	e := &EmptyError{Reason: "the list of addresses is empty", rules: s.rules}
	for a := range l.All() {
		e.Reason = fmt.Sprintf("none of the %d listed addresses is allowed, neither is the first one, %s; check the blocklist and the networks to scan",
			l.Len(), a)
		break
	}
	if s.allowed != s.count() {
		return e // of a space that was cut before, the lists do not say what it would hold without some of the entries
	}
	e.wanted, e.wanted6 = s.listed(l), s.listed6(l)
	return e
}

// addAddr adds an address; an IPv4 address in IPv6 form is the IPv4 address.
func (l *List) addAddr(addr netip.Addr) {
	addr = addr.Unmap()
	if a, ok := host4(addr); ok {
		l.add(a)
		return
	}
	l.lines++
	l.six.list = append(l.six.list, wideOf(addr))
}

func (l *List) add(a uint32) {
	l.lines++
	p := l.pages[a>>16]
	if p == nil {
		p = &page{}
		l.pages[a>>16] = p
	}
	if p.add(uint16(a)) {
		l.count++
	}
}

func (l *List) has(a uint32) bool {
	p := l.pages[a>>16]
	if p == nil {
		return false
	}
	low := uint16(a)
	if p.bits != nil {
		return p.bits[low>>6]>>(low&63)&1 != 0
	}
	_, found := slices.BinarySearch(p.few, low)
	return found
}

// spans yields what the list holds, ascending; spans do not touch.
func (l *List) spans(yield func(span) bool) {
	pending, have := span{}, false
	for i, p := range &l.pages {
		if p == nil {
			continue
		}
		for s := range p.spans {
			s := span{uint32(i)<<16 | s.lo, uint32(i)<<16 | s.hi}
			if have && pending.hi+1 == s.lo {
				pending.hi = s.hi
				continue
			}
			if have && !yield(pending) {
				return
			}
			pending, have = s, true
		}
	}
	if have {
		yield(pending)
	}
}

// add reports whether low was not there before.
func (p *page) add(low uint16) bool {
	if p.bits != nil {
		word, bit := &p.bits[low>>6], uint64(1)<<(low&63)
		old := *word
		*word |= bit
		return old&bit == 0
	}
	i := len(p.few) // lists are often sorted
	if i > 0 && p.few[i-1] >= low {
		found := false
		if i, found = slices.BinarySearch(p.few, low); found {
			return false
		}
	}
	if len(p.few) == maxFew {
		p.bits = new([1 << 10]uint64)
		for _, x := range p.few {
			p.bits[x>>6] |= 1 << (x & 63)
		}
		p.few = nil
		return p.add(low)
	}
	p.few = slices.Insert(p.few, i, low)
	return true
}

// spans yields the ranges of low bits in the page, ascending.
func (p *page) spans(yield func(span) bool) {
	if p.bits == nil {
		for _, x := range p.few {
			if !yield(span{uint32(x), uint32(x)}) {
				return
			}
		}
		return
	}
	for i, word := range p.bits {
		for base := uint32(i) << 6; word != 0; {
			skip := uint32(bits.TrailingZeros64(word))
			run := uint32(bits.TrailingZeros64(^(word >> skip)))
			if !yield(span{base + skip, base + skip + run - 1}) {
				return
			}
			word = word >> skip >> run
			base += skip + run
		}
	}
}

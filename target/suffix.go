package target

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Suffixes say which addresses are asked in each network of a window: its network number with each of the suffixes behind it. The zero
// Suffixes are ::1 alone, which routers and servers have more often than any other (Gasser et al., Clusters in the Expanse, IMC 2018).
// They are immutable.
type Suffixes struct {
	text string
	list []suffix
}

// A suffix is what stands behind the number of a network: a value, or one that follows from network and seed.
type suffix struct {
	random bool
	value  wide
}

// maxSuffixes bounds how often a network is asked.
const maxSuffixes = 256

// ParseSuffixes reads suffixes with commas between them: addresses such as "::1" or "::dead:beef", whose bits behind the network
// count; "low:1-16,53" for low bytes, each as hexadecimal as in an address; and "random" for one that nobody can guess without the
// seed, another in each network. "" is ::1.
func ParseSuffixes(text string) (Suffixes, error) {
	s := Suffixes{text: text}
	low := false
	for item := range strings.SplitSeq(text, ",") {
		item = strings.TrimSpace(item)
		rest, begins := strings.CutPrefix(item, "low:")
		low = begins || low && item != "random" && !strings.Contains(item, ":")
		var more []suffix
		var err error
		switch {
		case text == "":
			more = []suffix{{value: wide{0, 1}}}
		case item == "random":
			more = []suffix{{random: true}}
		case low:
			more, err = lowBytes(rest)
		default:
			more, err = fixedSuffix(item)
		}
		if err != nil {
			return Suffixes{}, fmt.Errorf("suffix %s: %w", quote(item), err)
		}
		s.list = append(s.list, more...)
	}
	slices.SortFunc(s.list, suffix.compare)
	s.list = slices.Compact(s.list)
	if len(s.list) > maxSuffixes {
		return Suffixes{}, fmt.Errorf("there are %d suffixes, and a network is asked at %d addresses at most", len(s.list), maxSuffixes)
	}
	return s, nil
}

// String returns the text that the suffixes were read from.
func (s Suffixes) String() string { return s.text }

// all returns the suffixes, at least one.
func (s Suffixes) all() []suffix {
	if len(s.list) == 0 {
		return []suffix{{value: wide{0, 1}}}
	}
	return s.list
}

func fixedSuffix(item string) ([]suffix, error) {
	a, err := netip.ParseAddr(item)
	if err != nil || !a.Is6() || a.Zone() != "" {
		return nil, errors.New("write an address such as ::1, low:1-16 for low bytes, or random")
	}
	return []suffix{{value: wideOf(a)}}, nil
}

// lowBytes reads a hexadecimal number or a range of two.
func lowBytes(item string) ([]suffix, error) {
	first, last, ranged := strings.Cut(item, "-")
	if !ranged {
		last = first
	}
	lo, errLo := strconv.ParseUint(first, 16, 8)
	hi, errHi := strconv.ParseUint(last, 16, 8)
	if errLo != nil || errHi != nil || hi < lo {
		return nil, errors.New("low bytes are hexadecimal numbers of 0 to ff, or ranges of them: write low:1-16,53")
	}
	var list []suffix
	for v := lo; v <= hi; v++ {
		list = append(list, suffix{value: wide{0, v}})
	}
	return list, nil
}

func (s suffix) compare(t suffix) int {
	switch {
	case s.random == t.random:
		return s.value.compare(t.value)
	case t.random:
		return -1
	}
	return 1
}

// behind returns what stands behind a network with host bits of its own. A value must have no others.
func (s *suffix) behind(network wide, host uint8, seed uint64) wide {
	if !s.random {
		return s.value
	}
	hi := stir(stir(seed^network.hi) ^ network.lo)
	return wide{hi, stir(hi + 0x9e3779b97f4a7c15)}.and(mask(host))
}

// stir is the last step of SplitMix64 (G. Steele, D. Lea and C. Flood, 2014): each bit of the result depends on all of x.
func stir(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

package target

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// A rule6 is an entry of IPv6. An allow entry is a window: one address is asked in each network of length asked that lies in prefix,
// or several with several suffixes. If asked is 128 these are all addresses of prefix.
type rule6 struct {
	prefix netip.Prefix // as typed, host bits included
	asked  uint8
	line   uint32
	source uint32
}

// String returns the window as it is written.
func (r rule6) String() string {
	if r.asked == 128 {
		return r.prefix.String()
	}
	return fmt.Sprintf("%s-%d", r.prefix, r.asked)
}

// rule returns where the entry comes from, as that of IPv4 does.
func (r rule6) rule() rule { return rule{line: r.line, source: r.source} }

// mostWindow is how many bits the networks of one window may take.
const mostWindow = 62

var errBlockWindow = lengthError("a blocklist blocks networks entirely: leave out the second length")

// parseEntry6 reads an address, a network, or a window such as 2001:db8::/32-64. An IPv4 address in IPv6 form is the IPv4 address.
func parseEntry6(s string) (entry, error) {
	host, length, hasLength := strings.Cut(s, "/")
	a, err := netip.ParseAddr(host)
	if err != nil || !a.Is6() {
		return entry{}, errColon
	}
	if a.Zone() != "" {
		return entry{}, errors.New("an address with a zone means something on this host alone: leave out the zone")
	}
	length, asked, window := strings.Cut(length, "-")
	e := entry{asked: 128}
	bits := uint8(128)
	if hasLength {
		if bits, err = parseLength(length, 128); err != nil {
			return entry{}, err
		}
	}
	if window {
		if e.asked, err = parseLength(asked, 128); err != nil {
			return entry{}, err
		}
		if e.asked < bits {
			return entry{}, lengthError(fmt.Sprintf("a network of length /%d holds none of length /%d: write the longer length last, as in /32-64", bits, e.asked))
		}
	}
	if a.Is4In6() && bits >= 96 && !window {
		v4, _ := host4(a.Unmap())
		return entry{addr: v4, bits: bits - 96}, nil
	}
	e.prefix = netip.PrefixFrom(a, int(bits))
	return e, nil
}

// checkWindow says what a scan cannot do with an allow entry.
func (b *Builder) checkWindow(e rule6) error {
	if bits := e.prefix.Bits(); int(e.asked)-bits > mostWindow {
		hint := "ask in larger ones, or name a smaller one"
		if e.asked == 128 {
			hint = fmt.Sprintf("name the networks in which one address is asked, as in %s-%d", e.prefix, max(64, min(bits+16, 128)))
		}
		text := e.prefix.String()
		if e.asked < 128 {
			text = e.String()
		}
		return &EntryError{Origin: originOf(b.sources, e.rule()), Entry: text, Err: fmt.Errorf(
			"a network of length /%d holds 2^%d of length /%d, and a scan asks 2^%d at most: %s", bits, int(e.asked)-bits, e.asked, mostWindow, hint)}
	}
	return nil
}

// OnlyIPv6 makes single addresses the IPv6 part of the space: those of them that the allow entries name, if an allowlist was given,
// and the block entries leave. Windows then say no more than which networks are allowed. Addresses that are not of IPv6 are left out.
func (b *Builder) OnlyIPv6(l *List) {
	b.only = &l.six
}

// build6 returns what is asked over IPv6, and what is blocked there.
func (b *Builder) build6() (*layers, []span6, error) {
	x, blocked := &layers{}, spans6Of(b.lists[Block].six)
	if b.only != nil {
		singles := b.only.spans()
		if b.lists[Allow].given {
			singles = subtract6(singles, subtract6(singles, spans6Of(b.lists[Allow].six)))
		}
		return x, blocked, x.grow(0, suffix{}, 0, subtract6(singles, blocked))
	}
	byLength := map[uint8][]span6{}
	var lengths []uint8
	var bad faults
	for _, r := range b.lists[Allow].six {
		if err := b.checkWindow(r); err != nil {
			bad.add(err)
		}
		if byLength[r.asked] == nil {
			lengths = append(lengths, r.asked)
		}
		byLength[r.asked] = append(byLength[r.asked], span6Of(r.prefix))
	}
	if err := bad.err(); err != nil {
		return nil, nil, err
	}
	slices.Sort(lengths) // windows before single addresses, which give way to them
	for _, asked := range lengths {
		host := 128 - asked
		nets := union6(byLength[asked])
		for _, s := range distinct(b.Suffixes.all(), host) {
			left := subtract6(nets, denied(b.lists[Block].six, host, s, b.Seed))
			if host == 0 {
				left = x.others(left)
			}
			if err := x.clash(host, s, left); err != nil {
				return nil, nil, err
			}
			if err := x.grow(host, s, b.Seed, left); err != nil {
				return nil, nil, err
			}
		}
	}
	return x, blocked, nil
}

// A Reach says which IPv6 addresses lists let one contact, whoever names them: those that allow entries name, or all if there is no
// allowlist, without those of block entries. It is immutable.
type Reach struct {
	all            bool
	named, blocked []span6
}

// Reach returns what the entries so far let one contact.
func (b *Builder) Reach() Reach {
	return Reach{all: !b.lists[Allow].given, named: spans6Of(b.lists[Allow].six), blocked: spans6Of(b.lists[Block].six)}
}

// Has says whether an IPv6 address is within reach. It does not allocate.
func (r *Reach) Has(a netip.Addr) bool {
	if !a.Is6() || a.Is4In6() {
		return false
	}
	w := wideOf(a)
	return (r.all || in6(r.named, w)) && !in6(r.blocked, w)
}

// spans6Of returns what the entries name, as union6 does.
func spans6Of(rules []rule6) []span6 {
	spans := make([]span6, len(rules))
	for i, r := range rules {
		spans[i] = span6Of(r.prefix)
	}
	return union6(spans)
}

// distinct returns those suffixes that differ in their last bits.
func distinct(list []suffix, host uint8) []suffix {
	var out []suffix
	for _, s := range list {
		s.value = s.value.and(mask(host))
		s.random = s.random && host > 0
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// denied returns which networks with host bits of their own block entries take: those that lie in a blocked one, and those whose address
// with the suffix does.
func denied(block []rule6, host uint8, s suffix, seed uint64) []span6 {
	var out []span6
	for _, r := range block {
		b := span6Of(r.prefix)
		if r.prefix.Bits() <= int(128-host) {
			out = append(out, b)
			continue
		}
		net := b.lo.without(mask(host))
		if a := net.or(s.behind(net, host, seed)); !a.less(b.lo) && !b.hi.less(a) {
			out = append(out, span6{net, net.or(mask(host))})
		}
	}
	return union6(out)
}

// grow puts a layer behind the others, unless it would be empty.
func (x *layers) grow(host uint8, s suffix, seed uint64, spans []span6) error {
	if len(spans) == 0 {
		return nil
	}
	l, ok := newLayer(host, s, seed, spans)
	if !ok || x.rows+l.nets > mostRows {
		return lengthError(fmt.Sprintf("there are more than 2^%d addresses of IPv6 to ask: name fewer networks", mostWindow))
	}
	x.add(l)
	return nil
}

// fewSingles is how many addresses a span may have that others looks at one by one.
const fewSingles = 1 << 16

// single says whether a span is of that few addresses.
func (s span6) single() bool {
	n := s.hi.sub(s.lo)
	return n.hi == 0 && n.lo < fewSingles
}

// others returns the spans without the addresses that a layer has, but for spans of many addresses.
func (x *layers) others(spans []span6) []span6 {
	var few, many []span6
	for _, s := range spans {
		if s.single() {
			few = append(few, s)
		} else {
			many = append(many, s)
		}
	}
	return union6(append(x.without(few), many...))
}

// without returns the spans without the addresses that a layer has. It looks at all their addresses, one by one, if there are windows.
func (x *layers) without(spans []span6) []span6 {
	var theirs []span6
	windows := false
	for _, l := range x.list {
		if windows = windows || l.host > 0; l.host == 0 {
			theirs = slices.AppendSeq(theirs, l.spans)
		}
	}
	spans = subtract6(spans, union6(theirs))
	if !windows {
		return spans
	}
	theirs = nil
	for _, s := range spans {
		for a := s.lo; ; a = a.add(wide{0, 1}) {
			if _, has := x.row(a); has {
				theirs = append(theirs, span6{a, a})
			}
			if a == s.hi {
				break
			}
		}
	}
	return subtract6(spans, union6(theirs))
}

// sureBits is how many random bits are never those of another suffix: in a scan of 2^32 networks once in 65,536 scans.
const sureBits = 48

// clash refuses a layer that names addresses which another one names as well: they would be asked twice.
func (x *layers) clash(host uint8, s suffix, spans []span6) error {
	for _, l := range x.list {
		shared := min(host, l.host)
		low := mask(shared)
		random := s.random || l.suffix.random
		if random && shared >= sureBits || !random && s.value.and(low) != l.suffix.value.and(low) && host > 0 {
			continue
		}
		theirs := slices.Collect(l.spans)
		for _, mine := range spans {
			if at, ok := overlap6(theirs, mine); ok && (host > 0 || !mine.single()) {
				return fmt.Errorf("around %s two windows may name the same addresses, one of networks of length /%d and one of length /%d: scan one after the other",
					max6(mine.lo, at.lo).addr(), 128-host, 128-l.host)
			}
		}
	}
	return nil
}

func max6(a, b wide) wide {
	if a.less(b) {
		return b
	}
	return a
}

package target

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
)

// A Verdict says what an entry does to the addresses it covers.
type Verdict uint8

// The verdicts.
const (
	Allow Verdict = iota // the entry is for the allowlist
	Block                // the entry is for the blocklist, which always wins
)

// A Resolver looks up the addresses of host names in lists. [net.Resolver] is one. The network is always "ip4".
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// A Builder collects allow and block entries, each with its origin, and makes a [Space] of them. The zero Builder is
// ready for use and stands for all of IPv4 without ports. It is not safe for concurrent use.
//
// As soon as an allowlist has been read or an allow entry has been given, only what allow entries name is allowed, even
// if there was nothing in the list.
type Builder struct {
	Ports        Ports
	Resolver     Resolver // nil: host names are errors
	IgnoreErrors bool     // pass over entries that cannot be used, except for bad prefix lengths; see Ignored
	Suffixes     Suffixes // what is asked in each network of an IPv6 window
	Seed         uint64   // what random suffixes follow from

	lists   [2]entries // by Verdict
	sources []string   // names of files and other origins; index 0 is unused
	names   []string   // host names of entries that await look-up
	only    *list6     // see OnlyIPv6
	ignored faults
}

// entries is one of the two lists, in the order of arrival.
type entries struct {
	rules []rule
	six   []rule6
	given bool // a list or an entry was given, though it may have held nothing
}

// A rule is an entry in the compact form of which lists of millions are made.
type rule struct {
	addr   uint32 // as typed, host bits included; or an index into Builder.names
	line   uint32
	source uint32 // index into Builder.sources; 0 is an argument
	bits   uint8
	named  bool // addr is the index of a name
}

func (r rule) prefix() netip.Prefix { return netip.PrefixFrom(addr4(r.addr), int(r.bits)) }

func (r rule) span() span { return prefixSpan(r.addr, r.bits) }

// Add adds an entry given on the command line. Its syntax is that of a line in a file, without comments.
func (b *Builder) Add(v Verdict, text string) error {
	b.lists[v].given = true
	return b.addText(v, strings.Trim(text, blanks), 0, 0)
}

// AddPrefix adds a network that came from elsewhere, o says whence. All addresses of an IPv6 network are meant.
func (b *Builder) AddPrefix(v Verdict, p netip.Prefix, o Origin) error {
	b.lists[v].given = true
	if !p.IsValid() {
		return &EntryError{Origin: o, Entry: p.String(), Err: errors.New("not a valid network")}
	}
	if !p.Addr().Is4() {
		e := entry{prefix: p, asked: 128}
		if err := checkEntry(v, e); err != nil {
			return &EntryError{Origin: o, Entry: p.String(), Err: err}
		}
		b.addRule6(v, rule6{prefix: p, asked: 128, line: uint32(o.Line), source: b.source(o.Name)})
		return nil
	}
	addr, _ := host4(p.Addr())
	b.addRule(v, rule{addr: addr, bits: uint8(p.Bits()), line: uint32(o.Line), source: b.source(o.Name)})
	return nil
}

// Replace puts the networks that f returns into the place of a network among the entries, if f says so. It is asked about
// each in turn, those of IPv4 first, with the host bits that were typed; networks of the same family alone may come back. Entries that are
// host names stay as they are.
func (b *Builder) Replace(v Verdict, f func(p netip.Prefix, o Origin) (with []netip.Prefix, replace bool)) {
	rules := b.lists[v].rules
	out, same := rules, true
	for i, r := range rules {
		var with []netip.Prefix
		replace := false
		if !r.named {
			with, replace = f(r.prefix(), originOf(b.sources, r))
		}
		if replace && same {
			out, same = slices.Clone(rules[:i]), false
		}
		switch {
		case replace:
			for _, p := range with {
				addr, _ := host4(p.Addr())
				out = append(out, rule{addr: addr, bits: uint8(p.Bits()), line: r.line, source: r.source})
			}
		case !same:
			out = append(out, r)
		}
	}
	b.lists[v].rules = out
	b.replace6(v, f)
}

// replace6 is Replace for the entries of IPv6.
func (b *Builder) replace6(v Verdict, f func(p netip.Prefix, o Origin) (with []netip.Prefix, replace bool)) {
	var out []rule6
	for _, r := range b.lists[v].six {
		with, replace := f(r.prefix, originOf(b.sources, r.rule()))
		if !replace {
			out = append(out, r)
			continue
		}
		for _, p := range with {
			out = append(out, rule6{prefix: p, asked: r.asked, line: r.line, source: r.source})
		}
	}
	b.lists[v].six = out
}

// ReadFile adds the entries of the named file, see [Builder.Read].
func (b *Builder) ReadFile(v Verdict, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read list of networks: %w", err)
	}
	defer f.Close()
	return b.Read(v, f, path)
}

// Read adds the entries of a list, the first word of each line; # begins a comment. Name stands for r in errors. It
// reads to the end and reports up to ten lines that cannot be used in one error, each an [EntryError].
func (b *Builder) Read(v Verdict, r io.Reader, name string) error {
	b.lists[v].given = true
	source := b.source(name)
	words := newWordReader(r)
	var bad faults
	for {
		word, err := words.next()
		switch {
		case err == nil:
			err = b.addText(v, string(word), source, words.line)
			if err != nil {
				bad.add(err)
			}
		case errors.Is(err, io.EOF):
			return bad.err()
		case errors.Is(err, errLongLine):
			if err := b.reject(&EntryError{Origin: Origin{name, words.line}, Err: err}); err != nil {
				bad.add(err)
			}
		default:
			return fmt.Errorf("read list of networks %s: %w", name, err)
		}
	}
}

// IPv6 says whether the allow entries or single addresses name something of IPv6, and the first entry that does.
func (b *Builder) IPv6() (Origin, string, bool) {
	if six := b.lists[Allow].six; len(six) > 0 {
		return originOf(b.sources, six[0].rule()), six[0].String(), true
	}
	if b.only != nil && len(b.only.list) > 0 {
		return Origin{}, b.only.list[0].addr().String(), true
	}
	return Origin{}, "", false
}

// Ignored returns up to ten of the errors that IgnoreErrors held back, and the number of all of them. After Build it
// includes names that could not be looked up.
func (b *Builder) Ignored() (errs []error, total int) { return b.ignored.list, b.ignored.count() }

func (b *Builder) addText(v Verdict, text string, source uint32, line int) error {
	e, err := parseEntry(text)
	if err == nil && e.name != "" && b.Resolver == nil {
		err = errNoResolver
	}
	if err == nil {
		err = checkEntry(v, e)
	}
	switch {
	case err != nil:
		return b.reject(&EntryError{Origin: b.origin(source, line), Entry: text, Err: err})
	case e.prefix.IsValid():
		b.addRule6(v, rule6{prefix: e.prefix, asked: e.asked, line: uint32(line), source: source})
		return nil
	}
	r := rule{addr: e.addr, bits: e.bits, line: uint32(line), source: source}
	if e.name != "" {
		r.named, r.addr = true, uint32(len(b.names))
		b.names = append(b.names, e.name)
	}
	b.addRule(v, r)
	return nil
}

func (b *Builder) addRule(v Verdict, r rule) {
	b.lists[v].rules = append(b.lists[v].rules, r)
}

func (b *Builder) addRule6(v Verdict, r rule6) {
	b.lists[v].six = append(b.lists[v].six, r)
}

// checkEntry says what is wrong with an IPv6 entry for that list.
func checkEntry(v Verdict, e entry) error {
	switch {
	case !e.prefix.IsValid():
		return nil
	case v == Block && e.asked != 128:
		return errBlockWindow
	}
	return nil
}

// reject returns err, or nil after noting it if it may be ignored.
func (b *Builder) reject(err *EntryError) error {
	if _, fatal := errors.AsType[lengthError](err.Err); fatal || !b.IgnoreErrors {
		return err
	}
	b.ignored.add(err)
	return nil
}

// source returns the number of the named source.
func (b *Builder) source(name string) uint32 {
	if len(b.sources) == 0 {
		b.sources = append(b.sources, "")
	}
	if last := len(b.sources) - 1; last > 0 && b.sources[last] == name {
		return uint32(last)
	}
	if name == "" {
		return 0
	}
	b.sources = append(b.sources, name)
	return uint32(len(b.sources) - 1)
}

func (b *Builder) origin(source uint32, line int) Origin {
	return originOf(b.sources, rule{source: source, line: uint32(line)})
}

// originOf says where a rule comes from that is not the built-in one. Sources are those of its Builder.
func originOf(sources []string, r rule) Origin {
	if r.source == 0 {
		return Origin{}
	}
	return Origin{Name: sources[r.source], Line: int(r.line)}
}

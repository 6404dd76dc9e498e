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

	lists   [2]entries // by Verdict
	sources []string   // names of files and other origins; index 0 is unused
	names   []string   // host names of entries that await look-up
	skipped int
	ignored faults
}

// entries is one of the two lists, in the order of arrival.
type entries struct {
	rules []rule
	given bool // a list or an entry was given, though it may have held nothing for IPv4
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

// AddPrefix adds a network that came from elsewhere, o says whence. IPv6 networks are counted and skipped.
func (b *Builder) AddPrefix(v Verdict, p netip.Prefix, o Origin) error {
	b.lists[v].given = true
	if !p.IsValid() {
		return &EntryError{Origin: o, Entry: p.String(), Err: errors.New("not a valid network")}
	}
	if !p.Addr().Is4() {
		b.skipped++
		return nil
	}
	addr, _ := host4(p.Addr())
	b.addRule(v, rule{addr: addr, bits: uint8(p.Bits()), line: uint32(o.Line), source: b.source(o.Name)})
	return nil
}

// Replace puts the networks that f returns into the place of a network among the entries, if f says so. It is asked about
// each in turn, with the host bits that were typed; IPv4 networks alone may come back. Entries that are host names stay as they are.
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

// Skipped returns the number of IPv6 entries, which an IPv4 scan has no use for.
func (b *Builder) Skipped() int { return b.skipped }

// Ignored returns up to ten of the errors that IgnoreErrors held back, and the number of all of them. After Build it
// includes names that could not be looked up.
func (b *Builder) Ignored() (errs []error, total int) { return b.ignored.list, b.ignored.count() }

func (b *Builder) addText(v Verdict, text string, source uint32, line int) error {
	e, err := parseEntry(text)
	if err == nil && e.name != "" && b.Resolver == nil {
		err = errNoResolver
	}
	switch {
	case err != nil:
		return b.reject(&EntryError{Origin: b.origin(source, line), Entry: text, Err: err})
	case e.v6:
		b.skipped++
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

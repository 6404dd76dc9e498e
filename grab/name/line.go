package name

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// maxLine bounds a line of a file of names, in bytes.
const maxLine = 1 << 10

// An Entry is a name of an address.
type Entry struct {
	Addr   netip.Addr // IPv4 in IPv6 is IPv4
	Name   string     // clean, as by Clean; it may begin with "*."
	Source string     // SourceMap, or SourceEarlier if it is from a file of found names
}

// parseLine reads "address,name" or "address name"; a third column makes it a line of a file of found names.
func parseLine(line []byte) (Entry, error) {
	var e Entry
	if len(line) > maxLine {
		return e, fmt.Errorf("line is longer than %d bytes", maxLine)
	}
	fields := strings.FieldsFunc(string(line), separates)
	if len(fields) < 2 {
		return e, errors.New("an address and a name are wanted")
	}
	a, err := netip.ParseAddr(fields[0])
	if err != nil || a.Zone() != "" {
		return e, fmt.Errorf("%q is no address", fields[0])
	}
	domain, wild := strings.CutPrefix(fields[1], "*.")
	name, ok := Clean(domain)
	if !ok {
		return e, fmt.Errorf("%q is no host name", fields[1])
	}
	if wild {
		name = "*." + name
	}
	e = Entry{Addr: a.Unmap(), Name: name, Source: SourceMap}
	if len(fields) > 2 {
		e.Source = SourceEarlier
	}
	return e, nil
}

func separates(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\r' }

// parseAddr reads the address alone of a line that appendLine wrote.
func parseAddr(line []byte) (netip.Addr, error) {
	i := max(0, bytes.IndexByte(line, ','))
	a, err := netip.ParseAddr(string(line[:i]))
	if err != nil {
		return a, fmt.Errorf("%q begins with no address", line[:min(len(line), 60)])
	}
	return a, nil
}

// appendLine writes an entry as parseLine reads it.
func (e *Entry) appendLine(b []byte) []byte {
	b = e.Addr.AppendTo(b)
	b = append(append(b, ','), e.Name...)
	if e.Source != SourceMap {
		b = append(append(b, ','), e.Source...)
	}
	return append(b, '\n')
}

// compare orders entries as they stand in a sorted file: by address, then name, then the heavier source first.
func (e *Entry) compare(o *Entry) int {
	if c := e.Addr.Compare(o.Addr); c != 0 {
		return c
	}
	if c := strings.Compare(e.Name, o.Name); c != 0 {
		return c
	}
	return weights[o.Source] - weights[e.Source]
}

// blank says that a line says nothing.
func blank(line []byte) bool {
	line = bytes.TrimSpace(line)
	return len(line) == 0 || line[0] == '#'
}

package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"net/netip"
	"os"
)

// hits are the addresses in a scanner's output: of the /8 that is scanned, each once.
type hits struct {
	seen   []uint64 // a bit for each address of the /8
	found  int      // hosts that are there
	twice  int      // lines that repeat one
	nobody int      // lines with an address that has no host, or none at all
}

// readHits reads a scanner's output.
func readHits(path string, isHost func(netip.Addr) bool) (*hits, error) {
	h := &hits{seen: make([]uint64, 1<<24/64)}
	return h, eachAddr(path, func(a netip.Addr) { h.add(a, isHost) })
}

// eachAddr reads a scanner's output. The first word of a line that is an address counts, whatever the format; remarks and
// lines without an address, such as a header, are skipped.
func eachAddr(path string, each func(netip.Addr)) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(bufio.NewReaderSize(f, 1<<20))
	for lines.Scan() {
		if a, ok := findAddr(lines.Bytes()); ok {
			each(a)
		}
	}
	return lines.Err()
}

// findAddr returns the first address in a line.
func findAddr(line []byte) (netip.Addr, bool) {
	if bytes.HasPrefix(line, []byte("#")) {
		return netip.Addr{}, false
	}
	for len(line) > 0 {
		word := line
		if end := bytes.IndexAny(line, " \t,"); end >= 0 {
			word, line = line[:end], line[end+1:]
		} else {
			line = nil
		}
		if bytes.Count(word, []byte(".")) != 3 {
			continue
		}
		if a, err := netip.ParseAddr(string(word)); err == nil && a.Is4() {
			return a, true
		}
	}
	return netip.Addr{}, false
}

func (h *hits) add(a netip.Addr, isHost func(netip.Addr) bool) {
	if !isHost(a) || a.As4()[0] != 10 {
		h.nobody++
		return
	}
	b := a.As4()
	i := binary.BigEndian.Uint32(b[:]) & (1<<24 - 1)
	if h.seen[i/64]>>(i%64)&1 != 0 {
		h.twice++
		return
	}
	h.seen[i/64] |= 1 << (i % 64)
	h.found++
}

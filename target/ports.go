package target

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
)

// Ports is an ordered list of distinct target ports. The zero Ports is the single port 0, for protocols without ports.
// It is immutable and may be shared.
type Ports struct {
	list       []uint16
	table      []uint16 // port -> position, checked against list; nil for short lists
	duplicates int
}

// shortList is the number of ports up to which looking at each of them is as fast as a table of 128 KB.
const shortList = 16

const maxPort = 65535

// ParsePorts reads a port list such as "80,443,8000-8010", or "*" for all ports from 0 on. The order is kept, since it
// decides the order of the scan; a port named again is dropped and counted. Blanks around numbers and empty pieces
// between commas are allowed, anything else is an error that names the piece and says what to type.
func ParsePorts(text string) (Ports, error) {
	if strings.TrimSpace(text) == "*" {
		return collectPorts([]portRange{{0, maxPort}}), nil
	}
	var ranges []portRange
	var bad faults
	for piece := range strings.SplitSeq(text, ",") {
		piece = strings.TrimSpace(piece)
		if piece == "" {
			continue
		}
		r, err := parsePortRange(piece)
		if err != nil {
			bad.add(fmt.Errorf("port %s: %w", quote(piece), err))
			continue
		}
		ranges = append(ranges, r)
	}
	if err := bad.err(); err != nil {
		return Ports{}, err
	}
	if len(ranges) == 0 {
		return Ports{}, fmt.Errorf("ports %s: name at least one port, such as 80 or 80,443 or 8000-8010", quote(text))
	}
	return collectPorts(ranges), nil
}

// NewPorts returns the list of the given ports in their order; ports named again are dropped and counted.
func NewPorts(ports ...uint16) Ports {
	ranges := make([]portRange, len(ports))
	for i, p := range ports {
		ranges[i] = portRange{int(p), int(p)}
	}
	return collectPorts(ranges)
}

// Len returns the number of ports, at least 1.
func (p Ports) Len() int { return max(len(p.list), 1) }

// At returns the port at position i. It panics if i is not in 0..Len()-1.
func (p Ports) At(i int) uint16 { return p.ports()[i] }

// All yields the ports in order.
func (p Ports) All() iter.Seq[uint16] { return slices.Values(p.ports()) }

// Index returns the position of port, or false when it is not in the list.
func (p Ports) Index(port uint16) (int, bool) {
	p.list = p.ports()
	return p.index(port)
}

// Duplicates returns how many ports of the text were dropped because they had been named before.
func (p Ports) Duplicates() int { return p.duplicates }

// index is Index for a list that is not empty.
func (p *Ports) index(port uint16) (int, bool) {
	if p.table != nil {
		i := int(p.table[port])
		return i, p.list[i] == port
	}
	for i, q := range p.list {
		if q == port {
			return i, true
		}
	}
	return 0, false
}

func (p *Ports) ports() []uint16 {
	if len(p.list) == 0 {
		return []uint16{0}
	}
	return p.list
}

// portRange holds the first and the last port of one piece.
type portRange struct{ first, last int }

func collectPorts(ranges []portRange) Ports {
	var p Ports
	var seen [maxPort + 1]bool
	for _, r := range ranges {
		for port := r.first; port <= r.last; port++ {
			if seen[port] {
				p.duplicates++
				continue
			}
			seen[port] = true
			p.list = append(p.list, uint16(port))
		}
	}
	if len(p.list) > shortList {
		p.table = make([]uint16, maxPort+1)
		for i, port := range p.list {
			p.table[port] = uint16(i)
		}
	}
	return p
}

func parsePortRange(piece string) (portRange, error) {
	if piece == "*" {
		return portRange{}, errors.New("all ports and single ports do not mix: write * alone")
	}
	left, right, isRange := strings.Cut(piece, "-")
	left, right = strings.TrimSpace(left), strings.TrimSpace(right)
	switch {
	case isRange && left == "":
		return portRange{}, fmt.Errorf("the range has no first port: write a range such as 1-%s", orPort(right, "1024"))
	case isRange && right == "":
		return portRange{}, fmt.Errorf("the range has no last port: write a range such as %s-%d", left, maxPort)
	}
	first, err := parsePort(left)
	if err != nil || !isRange {
		return portRange{first, first}, err
	}
	last, err := parsePort(right)
	if err != nil {
		return portRange{}, err
	}
	if last < first {
		return portRange{}, fmt.Errorf("the range runs backwards: write %d-%d", last, first)
	}
	return portRange{first, last}, nil
}

// parsePort reads decimal digits and nothing else; a leading zero does not mean octal, as in C zmap.
func parsePort(s string) (int, error) {
	if strings.Trim(s, "0123456789") != "" {
		return 0, fmt.Errorf("%s is not a port: write a number from 0 to %d", quote(s), maxPort)
	}
	n, err := strconv.Atoi(s)
	if err != nil || n > maxPort {
		return 0, fmt.Errorf("ports end at %d: write a number from 0 to %d", maxPort, maxPort)
	}
	return n, nil
}

// orPort returns s if it can stand in an example, else the given port.
func orPort(s, otherwise string) string {
	if _, err := parsePort(s); err != nil || s == "" || s == "0" {
		return otherwise
	}
	return s
}

package validate

import (
	"fmt"
	"strconv"
	"strings"
)

// Ports are our source ports, First to Last, both included. The zero value is port 0 alone. First must not be above Last,
// which [ParsePorts] takes care of; ports that break this hold no port.
type Ports struct{ First, Last uint16 }

// DefaultPorts returns 32768-61000, the ephemeral ports of Linux and the default of C zmap.
func DefaultPorts() Ports { return Ports{First: 32768, Last: 61000} }

// ParsePorts reads what the option -s takes: one port, or two joined by a dash, each from 0 to 65535.
func ParsePorts(text string) (Ports, error) {
	first, last, isRange := strings.Cut(text, "-")
	if !isRange {
		last = first
	}
	var p Ports
	for _, end := range []struct {
		text string
		port *uint16
	}{{first, &p.First}, {last, &p.Last}} {
		n, err := strconv.ParseUint(end.text, 10, 16)
		if err != nil {
			return Ports{}, fmt.Errorf("read source ports %q: %q is not a port from 0 to 65535; "+
				"type one port or a range such as 32768-61000", text, end.text)
		}
		*end.port = uint16(n)
	}
	if p.First > p.Last {
		return Ports{}, fmt.Errorf("read source ports %q: the first port is above the last; "+
			"type the lower one first: %d-%d", text, p.Last, p.First)
	}
	return p, nil
}

// String returns the form that [ParsePorts] reads, such as "32768-61000" or "40000".
func (p Ports) String() string {
	if p.First == p.Last {
		return strconv.Itoa(int(p.First))
	}
	return strconv.Itoa(int(p.First)) + "-" + strconv.Itoa(int(p.Last))
}

// Size returns the number of ports, 65536 at most.
func (p Ports) Size() uint32 {
	if p.First > p.Last {
		return 0
	}
	return uint32(p.Last) - uint32(p.First) + 1
}

// Of returns the source port of the probe number try (0 for the first) to the target of tag: the ports from
// First + tag.PortWord modulo the size on, one after the other, and round to First again.
//
// As in C zmap the try is added before the remainder is taken, in 32 bits. So for the few targets whose word overflows
// among the tries the ports jump once, and may repeat.
func (p Ports) Of(tag Tag, try int) uint16 {
	size := p.Size()
	if size == 0 {
		return p.First
	}
	return p.First + uint16((tag.PortWord()+uint32(try))%size)
}

// Match reports whether port is one of those that [Ports.Of] gives the first tries probes to the target of tag.
func (p Ports) Match(tag Tag, port uint16, tries int) bool {
	if port < p.First || port > p.Last || tries <= 0 {
		return false
	}
	size, word, k := uint64(p.Size()), uint64(tag.PortWord()), uint64(port-p.First)
	// The try at which the walk that starts at word comes to port, if it is still below 2^32 there: C zmap compares
	// both ends of the walk instead, which takes far too many ports around the overflow and too few beyond one round.
	try := (k + size - word%size) % size
	if try < uint64(tries) && word+try < 1<<32 {
		return true
	}
	// From 2^32 on the walk starts again at First.
	return 1<<32-word+k < uint64(tries)
}

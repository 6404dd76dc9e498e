package cli

import (
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/zmap-go/zmap/target"
)

// grouped is a number with commas between its thousands.
func grouped(n uint64) string {
	text := strconv.FormatUint(n, 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// count is a number of things, with the word for one of them or for several.
func count(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return grouped(n) + " " + many
}

// scaled is a number with three digits and the prefix of its unit: 7.20 M.
func scaled(v float64) string {
	prefixes := [...]string{"", "k", "M", "G", "T", "P", "E"}
	i := 0
	for ; v >= 999.5 && i < len(prefixes)-1; i++ {
		v /= 1000
	}
	decimals := 2
	switch {
	case i == 0 || v >= 99.95:
		decimals = 0
	case v >= 9.995:
		decimals = 1
	}
	return strconv.FormatFloat(v, 'f', decimals, 64) + " " + prefixes[i]
}

func bytesText(n uint64) string { return scaled(float64(n)) + "B" }

func bitsText(perSecond float64) string { return scaled(perSecond) + "bit/s" }

// memoryText is how much memory something takes at first and at most.
func memoryText(first, most uint64) string {
	if first == most {
		return bytesText(first)
	}
	return bytesText(first) + " at first, " + bytesText(most) + " at most"
}

// spell is a duration in its two largest units, or in one with three digits if it is short.
func spell(d time.Duration) string {
	const day, year = 24 * time.Hour, 365 * 24 * time.Hour
	switch {
	case d == 0:
		return "0 s"
	case d < time.Microsecond:
		return fmt.Sprintf("%d ns", d)
	case d < time.Minute:
		return shortTime(d)
	case d < time.Hour:
		return pairOf(d, time.Minute, "min", time.Second, "s")
	case d < day:
		return pairOf(d, time.Hour, "h", time.Minute, "min")
	case d < year:
		return pairOf(d, day, "d", time.Hour, "h")
	default:
		return pairOf(d, year, "y", day, "d")
	}
}

// shortTime is a time below a minute with three digits.
func shortTime(d time.Duration) string {
	v, unit := float64(d)/float64(time.Second), "s"
	switch {
	case d < time.Millisecond:
		v, unit = v*1e6, "µs"
	case d < time.Second:
		v, unit = v*1e3, "ms"
	}
	return strconv.FormatFloat(v, 'g', 3, 64) + " " + unit
}

// pairOf is a time in two units, the smaller one rounded and left out if it is 0.
func pairOf(d, big time.Duration, bigName string, small time.Duration, smallName string) string {
	n := int64(math.Round(float64(d) / float64(small)))
	per := int64(big / small)
	text := fmt.Sprintf("%d %s", n/per, bigName)
	if n%per > 0 {
		text += fmt.Sprintf(" %d %s", n%per, smallName)
	}
	return text
}

// speed is a number of probes per second: whole, or below a thousand with two decimals, where changes by a few percent show.
func speed(perSecond float64) string {
	if perSecond < 1000 {
		return strconv.FormatFloat(math.Round(perSecond*100)/100, 'f', -1, 64)
	}
	return grouped(uint64(math.Round(perSecond)))
}

// portRanges lists ports, ranges for those that follow each other, and not all if they are many.
func portRanges(ports target.Ports) string {
	const most = 8
	var pieces []string
	first, last := -1, -1
	add := func() {
		switch {
		case first < 0:
		case first == last:
			pieces = append(pieces, strconv.Itoa(first))
		default:
			pieces = append(pieces, fmt.Sprintf("%d-%d", first, last))
		}
	}
	for port := range ports.All() {
		if first >= 0 && int(port) == last+1 {
			last++
			continue
		}
		add()
		if len(pieces) == most {
			return strings.Join(pieces, ",") + ",..."
		}
		first, last = int(port), int(port)
	}
	add()
	return strings.Join(pieces, ",")
}

// addrList lists addresses, and not all if they are many.
func addrList(addrs []netip.Addr) string {
	const most = 4
	var pieces []string
	for i, a := range addrs {
		if i == most {
			pieces = append(pieces, fmt.Sprintf("and %d more", len(addrs)-most))
			break
		}
		pieces = append(pieces, a.String())
	}
	return strings.Join(pieces, ", ")
}

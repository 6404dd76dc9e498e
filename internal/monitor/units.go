package monitor

import (
	"math"
	"strconv"
	"time"
)

// appendQuantity appends n in the form of the status line: whole below a thousand, then thousands with two, one or no
// decimals, then millions with two. A blank follows the number also where no letter does. Fractions are cut off, and what
// is no count is 0.
func appendQuantity(dst []byte, n float64) []byte {
	n = math.Trunc(n)
	switch {
	case !(n > 0): // also NaN
		return append(dst, "0 "...)
	case n < 1e3:
		return append(strconv.AppendFloat(dst, n, 'f', 0, 64), ' ')
	case n < 1e4:
		return append(strconv.AppendFloat(dst, n/1e3, 'f', 2, 64), " K"...)
	case n < 1e5:
		return append(strconv.AppendFloat(dst, n/1e3, 'f', 1, 64), " K"...)
	case n < 1e6:
		return append(strconv.AppendFloat(dst, n/1e3, 'f', 0, 64), " K"...)
	default:
		return append(strconv.AppendFloat(dst, n/1e6, 'f', 2, 64), " M"...)
	}
}

// year is the tropical year, in seconds, after which C ZMap counts in years.
const year = 31556736

// clock is a duration split as a clock shows it.
type clock struct{ days, hours, minutes, seconds int64 }

func newClock(seconds int64) clock {
	return clock{seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60}
}

// appendElapsed appends d, rounded down to seconds: m:ss, h:mm:ss from an hour, DdH:mm:ss from a day.
func appendElapsed(dst []byte, d time.Duration) []byte {
	c := newClock(int64(max(d, 0) / time.Second))
	switch {
	case c.days > 0:
		dst = append(strconv.AppendInt(dst, c.days, 10), 'd')
		dst = append(strconv.AppendInt(dst, c.hours, 10), ':')
		dst = append(appendTwo(dst, c.minutes), ':')
	case c.hours > 0:
		dst = append(strconv.AppendInt(dst, c.hours, 10), ':')
		dst = append(appendTwo(dst, c.minutes), ':')
	default:
		dst = append(strconv.AppendInt(dst, c.minutes, 10), ':')
	}
	return appendTwo(dst, c.seconds)
}

// appendLeft appends d, rounded up to seconds, as an estimate: the larger the time, the coarser.
func appendLeft(dst []byte, d time.Duration) []byte {
	seconds := int64(max(d, 0) / time.Second)
	if d > 0 && d%time.Second != 0 {
		seconds++
	}
	c := newClock(seconds)
	switch {
	case seconds >= year:
		return append(strconv.AppendInt(dst, seconds/year, 10), " years"...)
	case c.days > 9:
		return append(strconv.AppendInt(dst, c.days, 10), 'd')
	case c.days > 0:
		return appendPair(dst, c.days, c.hours, "dh")
	case c.hours > 9:
		return append(strconv.AppendInt(dst, c.hours, 10), 'h')
	case c.hours > 0:
		return appendPair(dst, c.hours, c.minutes, "hm")
	case c.minutes > 9:
		return append(strconv.AppendInt(dst, c.minutes, 10), 'm')
	case c.minutes > 0:
		return appendPair(dst, c.minutes, c.seconds, "ms")
	default:
		return append(strconv.AppendInt(dst, c.seconds, 10), 's')
	}
}

// appendPair appends a and, in two digits, b, each with its letter of units.
func appendPair(dst []byte, a, b int64, units string) []byte {
	dst = append(strconv.AppendInt(dst, a, 10), units[0])
	return append(appendTwo(dst, b), units[1])
}

// appendTwo appends n, which is less than 100, in two digits.
func appendTwo(dst []byte, n int64) []byte {
	return append(dst, byte('0'+n/10), byte('0'+n%10))
}

package cli

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"runtime"
	"strconv"
	"strings"

	"github.com/zmap-go/zmap"
)

// decimal reads a decimal number with an optional fraction and exponent. Go's other forms (0x1p-2, 1_000, inf, nan) are no
// numbers here.
func decimal(text string) (float64, error) {
	if strings.Trim(text, "0123456789.eE+-") != "" {
		return 0, errNumber
	}
	return strconv.ParseFloat(text, 64)
}

// parseBandwidth reads bits per second with a decimal suffix: 10M, 1.5G, 100KK is not one. Letters behind the suffix, as in
// 10Mbps, are allowed if they spell the unit.
func parseBandwidth(text string) (uint64, error) {
	t := strings.TrimSpace(text)
	for _, unit := range []string{"bps", "bit/s", "bit", "b"} {
		if s, ok := strings.CutSuffix(t, unit); ok {
			t = s
			break
		}
	}
	factor := 1.0
	if t != "" {
		switch t[len(t)-1] {
		case 'k', 'K':
			factor = 1e3
		case 'm', 'M':
			factor = 1e6
		case 'g', 'G':
			factor = 1e9
		}
	}
	if factor > 1 {
		t = t[:len(t)-1]
	}
	v, err := decimal(t)
	if err != nil || v < 0 || v*factor > math.MaxInt64 {
		return 0, errors.New("is no bandwidth; write bits per second with suffix K, M or G, such as 10M")
	}
	return uint64(v * factor), nil
}

// parseMaxTargets reads a number of targets or a percentage.
func parseMaxTargets(text string) (zmap.TargetLimit, error) {
	number, isPercent := strings.CutSuffix(strings.TrimSpace(text), "%")
	v, err := decimal(number)
	switch {
	case err != nil:
		return zmap.TargetLimit{}, errors.New("is no number of targets; write 1000, 1e6 or 0.1%")
	case v <= 0 || !isPercent && v < 1:
		return zmap.TargetLimit{}, errors.New("asks for less than one target; leave the option out to scan all")
	case isPercent:
		return zmap.TargetLimit{Percent: v}, nil
	case v >= math.MaxUint64:
		return zmap.TargetLimit{N: math.MaxUint64}, nil
	default:
		return zmap.TargetLimit{N: uint64(v)}, nil
	}
}

// parseSources reads addresses and ranges of addresses, separated by commas.
func parseSources(text string) ([]netip.Addr, error) {
	var out []netip.Addr
	for item := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(strings.TrimSpace(item), "-")
		from, err := netip.ParseAddr(first)
		to := from
		if err == nil && isRange {
			to, err = netip.ParseAddr(last)
		}
		if err != nil || from.BitLen() != to.BitLen() || from.Is4In6() || from.Zone()+to.Zone() != "" {
			return nil, fmt.Errorf("%q is no address or range of them; write 192.0.2.1, 192.0.2.1-192.0.2.9 or 2001:db8::1", item)
		}
		if to.Less(from) {
			return nil, fmt.Errorf("the range %q ends before it begins", item)
		}
		for a := from; a.Compare(to) <= 0; a = a.Next() {
			switch {
			case len(out) == zmap.MaxSources:
				return nil, fmt.Errorf("there are more than %d addresses", zmap.MaxSources)
			case a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
				return nil, fmt.Errorf("%v is the address of many hosts; write one of ours", a)
			}
			out = append(out, a)
			if a == to {
				break
			}
		}
	}
	return out, nil
}

// parseCores reads numbers of processors, separated by commas or blanks.
func parseCores(text string) ([]int, error) {
	var out []int
	for _, item := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' }) {
		n, err := strconv.Atoi(item)
		if err != nil || n < 0 || n >= runtime.NumCPU() {
			return nil, fmt.Errorf("%q is no processor of this machine, which has 0 to %d", item, runtime.NumCPU()-1)
		}
		out = append(out, n)
	}
	if len(out) == 0 {
		return nil, errors.New("names no processor; write 0,1")
	}
	return out, nil
}

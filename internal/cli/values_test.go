package cli

import (
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zmap-go/zmap"
)

// bandwidthForm is the whole grammar of --bandwidth.
var bandwidthForm = regexp.MustCompile(`^\+?((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)([kKmMgG]?)(bps|bit/s|bit|b)?$`)

// slowBandwidth reads a bandwidth by a regular expression and exact arithmetic.
func slowBandwidth(text string) (*big.Rat, bool) {
	m := bandwidthForm.FindStringSubmatch(strings.TrimSpace(text))
	if m == nil {
		return nil, false
	}
	if exp := strings.IndexAny(m[1], "eE"); exp >= 0 && len(m[1])-exp > 5 {
		return nil, false // exponents that make big numbers slow; ours do not fit anyway, or are 0
	}
	v, ok := new(big.Rat).SetString(m[1])
	if !ok {
		return nil, false
	}
	factor := map[string]int64{"": 1, "k": 1e3, "m": 1e6, "g": 1e9}[strings.ToLower(m[2])]
	v.Mul(v, new(big.Rat).SetInt64(factor))
	return v, v.Cmp(new(big.Rat).SetFloat64(math.MaxInt64)) <= 0
}

func checkBandwidth(t *testing.T, text string) {
	t.Helper()
	got, err := parseBandwidth(text)
	want, ok := slowBandwidth(text)
	if err != nil {
		if ok && want.Cmp(big.NewRat(math.MaxInt64/2, 1)) < 0 {
			t.Errorf("parseBandwidth(%q): %v, want %s", text, err, want.FloatString(0))
		}
		return
	}
	if !ok {
		if m := bandwidthForm.FindStringSubmatch(strings.TrimSpace(text)); m == nil && !strings.HasPrefix(strings.TrimSpace(text), "-") {
			t.Errorf("parseBandwidth(%q) = %d, want an error", text, got)
		}
		return
	}
	// Nothing is lost but the rounding of a float64 and the fraction.
	exact, _ := want.Float64()
	if math.Abs(float64(got)-exact) > 1+exact*1e-14 {
		t.Errorf("parseBandwidth(%q) = %d, want %s", text, got, want.FloatString(3))
	}
}

var bandwidthSeeds = []string{
	"10M", "1G", "1k", "100", "0", "", "M", "10Mbps", "10mbit/s", "1.5G", "100KK", "10MB", "10.5M", "-5M", "0.0001k", "1e3M", "inf", "nan",
	"0x10", "1_000", " 10M ", "10 M", "9223372036854775807", "9300000000G", "10b", "10gb", "5000000000", ".5k", "5.k", "+5k", "-0",
}

func TestBandwidth(t *testing.T) {
	for _, s := range bandwidthSeeds {
		checkBandwidth(t, s)
	}
	for text, want := range map[string]uint64{
		"10M": 10e6, "1G": 1e9, "1k": 1000, "100": 100, "10Mbps": 10e6, "1.5G": 15e8, "5000000000": 5e9, "0": 0, "2bit/s": 2, "10gb": 1e10,
	} {
		if got, err := parseBandwidth(text); err != nil || got != want {
			t.Errorf("parseBandwidth(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "M", "100KK", "10MB", "-5M", "inf", "nan", "0x10", "1_000", "10 M", "9300000000G", "bps"} {
		if got, err := parseBandwidth(text); err == nil {
			t.Errorf("parseBandwidth(%q) = %d, want an error", text, got)
		}
	}
}

func FuzzParseBandwidth(f *testing.F) {
	for _, s := range bandwidthSeeds {
		f.Add(s)
	}
	f.Fuzz(checkBandwidth)
}

// maxTargetsForm is the whole grammar of --max-targets.
var maxTargetsForm = regexp.MustCompile(`^\+?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?%?$`)

// checkMaxTargets checks what every limit must be, and that its canonical text is the same limit.
func checkMaxTargets(t *testing.T, text string) {
	t.Helper()
	got, err := parseMaxTargets(text)
	if err != nil {
		if v, nerr := strconv.ParseUint(text, 10, 64); nerr == nil && v > 0 {
			t.Errorf("parseMaxTargets(%q): %v", text, err)
		}
		return
	}
	number := strings.TrimSuffix(strings.TrimSpace(text), "%")
	again := fmt.Sprintf("%d", got.N)
	switch percent := number != strings.TrimSpace(text); {
	case !maxTargetsForm.MatchString(strings.TrimSpace(text)):
		t.Errorf("parseMaxTargets(%q) = %+v, want an error", text, got)
	case percent && (got.N != 0 || !(got.Percent > 0) || math.IsInf(got.Percent, 0)),
		!percent && (got.N == 0 || got.Percent != 0):
		t.Errorf("parseMaxTargets(%q) = %+v", text, got)
	case percent:
		again = strconv.FormatFloat(got.Percent, 'g', -1, 64) + "%"
	case got.N > 1<<53:
		return // a float64 does not hold it exactly
	}
	if same, err := parseMaxTargets(again); err != nil || same != got {
		t.Errorf("parseMaxTargets(%q) = %+v, and of %q %+v, %v", text, got, again, same, err)
	}
}

var maxTargetsSeeds = []string{
	"1", "10", "1e6", "1.9", "0.1%", "100%", "250%", "1e-9%", "0", "0.5", "-5", "-1%", "", "%", "ten", "10%%", "10 %", " 10 ", "inf", "nan%",
	"0x10", "1_0", "18446744073709551615", "18446744073709551616", "1e300", "1e400", "1e-400%", "+5", "5.", ".5%",
}

func TestMaxTargets(t *testing.T) {
	for _, s := range maxTargetsSeeds {
		checkMaxTargets(t, s)
	}
	for text, want := range map[string]zmap.TargetLimit{
		"1": {N: 1}, "1e6": {N: 1_000_000}, "1.9": {N: 1}, " 10 ": {N: 10}, "0.1%": {Percent: 0.1}, "250%": {Percent: 250},
		"18446744073709551616": {N: math.MaxUint64}, "1e300": {N: math.MaxUint64},
	} {
		if got, err := parseMaxTargets(text); err != nil || got != want {
			t.Errorf("parseMaxTargets(%q) = %+v, %v; want %+v", text, got, err, want)
		}
	}
	// Unlike in C ZMap, a limit that comes to nothing does not lift the limit.
	for _, text := range []string{"0", "0.5", "-5", "-1%", "0%", "", "%", "ten", "10%%", "10 %", "inf", "nan%", "0x10", "1_0"} {
		if got, err := parseMaxTargets(text); err == nil {
			t.Errorf("parseMaxTargets(%q) = %+v, want an error", text, got)
		}
	}
}

func FuzzParseMaxTargets(f *testing.F) {
	for _, s := range maxTargetsSeeds {
		f.Add(s)
	}
	f.Fuzz(checkMaxTargets)
}

// slowAddr reads four decimal numbers with dots between them.
func slowAddr(text string) (uint32, bool) {
	parts := strings.Split(text, ".")
	if len(parts) != 4 {
		return 0, false
	}
	var addr uint32
	for _, p := range parts {
		n, err := strconv.ParseUint(p, 10, 8)
		if err != nil || strconv.FormatUint(n, 10) != p {
			return 0, false
		}
		addr = addr<<8 | uint32(n)
	}
	return addr, true
}

// slowSources reads --source-ip by counting.
func slowSources(text string) (out []netip.Addr, ok bool) {
	for _, item := range strings.Split(text, ",") {
		item = strings.TrimSpace(item)
		if a, err := netip.ParseAddr(item); err == nil && strings.Contains(item, ":") && !strings.ContainsAny(item, "%.") && !a.IsMulticast() && !strings.HasPrefix(a.String(), "::ffff:") {
			out = append(out, a)
			continue
		}
		ends := strings.Split(item, "-")
		first, ok1 := slowAddr(ends[0])
		last, ok2 := slowAddr(ends[len(ends)-1])
		if !ok1 || !ok2 || len(ends) > 2 || last < first || uint64(last)-uint64(first) >= 256 {
			return nil, false
		}
		for a := uint64(first); a <= uint64(last); a++ {
			if a>>28 == 14 || a == 1<<32-1 { // of many hosts
				return nil, false
			}
			out = append(out, netip.AddrFrom4([4]byte{byte(a >> 24), byte(a >> 16), byte(a >> 8), byte(a)}))
		}
	}
	return out, len(out) <= 256
}

func checkSources(t *testing.T, text string) {
	t.Helper()
	got, err := parseSources(text)
	want, ok := slowSources(text)
	if ok != (err == nil) {
		t.Errorf("parseSources(%q) = %v, %v; want ok %v", text, got, err, ok)
		return
	}
	if err == nil && !slices.Equal(got, want) {
		t.Errorf("parseSources(%q) = %v, want %v", text, got, want)
	}
}

var sourceSeeds = []string{
	"10.0.0.1", "10.0.0.1,10.0.0.9", "10.0.0.1-10.0.0.3", "10.0.0.1-10.0.0.3,10.1.1.1", "10.0.0.3-10.0.0.1", "", ",", "10.0.0.1,",
	"10.0.0.0-10.0.0.255", "10.0.0.0-10.0.1.0", "0.0.0.0-255.255.255.255", "255.255.255.255", "255.255.255.250-255.255.255.255",
	"255.255.255.250-255.255.255.254", "223.255.255.255-224.0.0.1", "239.1.2.3", "240.0.0.0", "::1",
	"::ffff:10.0.0.1", "10.1", "010.0.0.1", "10.0.0.1/32", "10.0.0.1-", "-10.0.0.1", "10.0.0.1 - 10.0.0.2", " 10.0.0.1 , 10.0.0.2 ",
	"10.0.0.1-10.0.0.2-10.0.0.3", "10.0.0.1,10.0.0.1", "fe80::1%eth0", "10.0.0.256",
}

func TestSources(t *testing.T) {
	for _, s := range sourceSeeds {
		checkSources(t, s)
	}
	got, err := parseSources("10.0.0.254-10.0.1.1, 10.0.0.1")
	want := []string{"10.0.0.254", "10.0.0.255", "10.0.1.0", "10.0.1.1", "10.0.0.1"}
	var texts []string
	for _, a := range got {
		texts = append(texts, a.String())
	}
	if d := cmp.Diff(want, texts); err != nil || d != "" {
		t.Errorf("parseSources: %v (-want +got):\n%s", err, d)
	}
}

func FuzzParseSources(f *testing.F) {
	for _, s := range sourceSeeds {
		f.Add(s)
	}
	f.Fuzz(checkSources)
}

func TestCores(t *testing.T) {
	for text, want := range map[string][]int{"0": {0}, "0,0": {0, 0}, " 0 ,": {0}} {
		if got, err := parseCores(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("parseCores(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", ",", "x", "-1", "100000", "0-1", "1.5"} {
		if got, err := parseCores(text); err == nil {
			t.Errorf("parseCores(%q) = %v, want an error", text, got)
		}
	}
}

// FuzzParseCores checks that what is accepted are numbers of processors that there are, and comes out of their plain list again.
func FuzzParseCores(f *testing.F) {
	for _, s := range []string{"0", "0,0", " 0 , 0", "", ",", "-1", "+0", "1e9", "9999999999999999999999", "0x0", "0;0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseCores(text)
		if err != nil {
			if !strings.ContainsAny(text, "123456789") && strings.Trim(text, "0 ,") == "" && strings.Contains(text, "0") {
				t.Fatalf("parseCores(%q): %v, though processor 0 is one", text, err)
			}
			return
		}
		plain := ""
		for _, n := range got {
			if n < 0 || n >= runtime.NumCPU() {
				t.Fatalf("parseCores(%q) has processor %d of %d", text, n, runtime.NumCPU())
			}
			plain += strconv.Itoa(n) + ","
		}
		if again, err := parseCores(plain); err != nil || !slices.Equal(got, again) {
			t.Fatalf("parseCores(%q) = %v, but of %q it is %v, %v", text, got, plain, again, err)
		}
	})
}

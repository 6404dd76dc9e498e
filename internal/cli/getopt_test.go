package cli

import (
	"errors"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/zmap-go/zmap/citizen"
)

// slowInt is strtoll(3) with base 0 by the book: blanks, a sign, 0x or 0, digits to the end. It takes every number of 64 bits,
// signed or not, and says so of others.
func slowInt(s string) (n *big.Int, ok bool) {
	i := 0
	for i < len(s) && strings.IndexByte(" \t\n\v\f\r", s[i]) >= 0 {
		i++
	}
	negative := false
	if i < len(s) && (s[i] == '+' || s[i] == '-') {
		negative = s[i] == '-'
		i++
	}
	base := int64(10)
	if i < len(s) && s[i] == '0' {
		base = 8
		if i+1 < len(s) && (s[i+1] == 'x' || s[i+1] == 'X') {
			base = 16
			i += 2
		}
	}
	n = new(big.Int)
	if i == len(s) {
		return n, false
	}
	for ; i < len(s); i++ {
		digit := int64(strings.IndexByte("0123456789abcdef", s[i]|0x20))
		if s[i] >= '0' && s[i] <= '9' {
			digit = int64(s[i] - '0')
		} else if s[i] < 'A' {
			digit = -1
		}
		if digit < 0 || digit >= base {
			return n, false
		}
		n.Add(n.Mul(n, big.NewInt(base)), big.NewInt(digit))
	}
	if negative {
		n.Neg(n)
	}
	return n, true
}

var intSeeds = []string{
	"", "0", "-0", "1", "-1", "+7", "10", "010", "0x10", "0X1f", "-0x10", "08", "0x", "0xg", "x", "1_000", "0_7", "0b1", "0B1", "0o7",
	"0O7", " 5", "\t\n\v\f\r5", "5 ", "--5", "+-5", "-+5", "- 5", "9223372036854775807", "9223372036854775808",
	"-9223372036854775808", "-9223372036854775809", "18446744073709551615", "18446744073709551616", "0xffffffffffffffff",
	"0x1p3", "1e3", "1.5", "٣", "0xB", "0xb_1", "0x0b1", "\xa05", "00", "000x1", "+0x8",
}

// checkInt compares the number rules of options and of seeds with the slow twin.
func checkInt(t *testing.T, s string) {
	t.Helper()
	s = s[:min(len(s), 80)] // the twin is slow
	want, ok := slowInt(s)
	got, err := parseInt(s)
	fits := ok && want.IsInt64()
	switch {
	case fits != (err == nil):
		t.Errorf("parseInt(%q) = %d, %v; want %v, ok %v", s, got, err, want, fits)
	case fits && got != want.Int64():
		t.Errorf("parseInt(%q) = %d, want %v", s, got, want)
	case !ok && len(s) < 16 && !errors.Is(err, errNumber): // longer ones may be called too large
		t.Errorf("parseInt(%q): error %q, want %q", s, err, errNumber)
	}
	var seed *uint64
	err = (&seedValue{p: &seed}).Set(s)
	fits = ok && (want.IsInt64() || want.IsUint64())
	if fits != (err == nil) {
		t.Errorf("seed %q: error %v, want ok %v", s, err, fits)
	}
	if fits && err == nil {
		whole := new(big.Int).Lsh(big.NewInt(1), 64)
		if *seed != want.Mod(want, whole).Uint64() {
			t.Errorf("seed %q = %d, want %v", s, *seed, want)
		}
	}
}

func TestIntIsStrtoll(t *testing.T) {
	for _, s := range intSeeds {
		checkInt(t, s)
	}
}

func FuzzParseInt(f *testing.F) {
	for _, s := range intSeeds {
		f.Add(s)
	}
	f.Fuzz(checkInt)
}

func TestIntValueKeepsItsBounds(t *testing.T) {
	for _, c := range []struct {
		text string
		want int64
		ok   bool
	}{{"-1", -1, true}, {"5", 5, true}, {"0x5", 5, true}, {"-2", 0, false}, {"6", 0, false}, {"x", 0, false}} {
		got := int64(math.MinInt64)
		err := (&intValue{p: &got, min: -1, max: 5}).Set(c.text)
		if (err == nil) != c.ok || c.ok && got != c.want {
			t.Errorf("Set(%q): value %d, error %v; want %d, ok %v", c.text, got, err, c.want, c.ok)
		}
		if !c.ok && got != math.MinInt64 {
			t.Errorf("Set(%q) failed and changed the value to %d", c.text, got)
		}
	}
}

func TestPercentValue(t *testing.T) {
	for text, want := range map[string]float64{"0": 0, "0.1": 0.1, "100": 100, "1e1": 10, " 5": 5} {
		got := -1.0
		if err := (&percentValue{p: &got}).Set(text); err != nil || got != want {
			t.Errorf("Set(%q): value %v, error %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "-1", "100.1", "nan", "inf", "1%", "0x1p3", "1_0", "1e999"} {
		got := -1.0
		if err := (&percentValue{p: &got}).Set(text); err == nil {
			t.Errorf("Set(%q): value %v, want an error", text, got)
		}
	}
}

// Every kind of option refuses a second value, and keeps the first; all take one in completion. Some add up.
func TestOptionsOnce(t *testing.T) {
	o := defaults()
	for _, s := range sections(o) {
		s.flags.VisitAll(func(f *pflag.Flag) {
			if _, list := f.Value.(*listValue); list || f.Name == "allow-special" {
				return
			}
			value := "1"
			if f.NoOptDefVal != "" {
				value = f.NoOptDefVal
			}
			first := f.Value.Set(value)
			kept := f.Value.String()
			if second := f.Value.Set(value); first != nil || !errors.Is(second, errTwice) || f.Value.String() != kept {
				t.Errorf("--%s %q twice: errors %v and %v, value %q then %q", f.Name, value, first, second, kept, f.Value.String())
			}
		})
		allowAgain(s.flags)
		s.flags.VisitAll(func(f *pflag.Flag) {
			value := "1"
			if f.Name == "allow-special" {
				value = "private"
			}
			if f.NoOptDefVal != "" {
				value = f.NoOptDefVal
			}
			if err := f.Value.Set(value); err != nil {
				t.Errorf("--%s again, in completion: %v", f.Name, err)
			}
		})
	}
}

func TestClassesAddUp(t *testing.T) {
	var got []citizen.Class
	v := &classValue{&got}
	for _, text := range []string{"private", "shared,loopback", "private"} {
		if err := v.Set(text); err != nil {
			t.Fatal(err)
		}
	}
	if citizen.JoinClasses(got) != "private,shared,loopback,private" {
		t.Errorf("classes are %v", got)
	}
	for _, text := range []string{"", "privat", "none", "private,"} {
		if err := v.Set(text); err == nil || len(got) != 4 {
			t.Errorf("Set(%q): error %v, classes %v", text, err, got)
		}
	}
}

func TestFlagsTakeNoValueThatCanBeTyped(t *testing.T) {
	for _, text := range []string{"", "1", "0", "on", "true", "false", "yes"} {
		on := false
		if err := (&flagValue{p: &on}).Set(text); err == nil || on {
			t.Errorf("Set(%q): error %v, value %v", text, err, on)
		}
	}
	if !strings.Contains(flagOn, "\x00") {
		t.Errorf("flagOn is %q, which an argument could be: arguments hold no NUL", flagOn)
	}
}

// A beginning stands for an option exactly if the slow way, counting, finds one option of C ZMap with it or, if there is none,
// one of all.
func TestBeginnings(t *testing.T) {
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	for _, s := range sections(defaults()) {
		fs.AddFlagSet(s.flags)
	}
	names := optionsOf(fs)
	completePrefix(fs, func(string) {})
	if len(names) < 40 {
		t.Fatalf("only %d options", len(names))
	}
	for _, name := range names {
		for n := 1; n <= len(name); n++ {
			beginning := name[:n]
			var czmap, with []string
			for _, other := range names {
				if strings.HasPrefix(other, beginning) {
					with = append(with, other)
					if !slices.Contains(ours(), other) {
						czmap = append(czmap, other)
					}
				}
			}
			if len(czmap) > 0 {
				with = czmap
			}
			want := ""
			if slices.Contains(names, beginning) {
				want = beginning
			} else if len(with) == 1 {
				want = with[0]
			}
			got := ""
			if f := fs.Lookup(beginning); f != nil {
				got = f.Name
			}
			_, old := oldOptions()[beginning]
			if got != want && !old {
				t.Errorf("--%s is --%s, want --%s (of %v)", beginning, got, want, with)
			}
		}
	}
}

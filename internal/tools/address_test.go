package tools

import (
	"bytes"
	"strings"
	"testing"

	"github.com/zmap-go/zmap/target"
)

// addressSeeds are tokens and lines that could be taken for addresses, or are.
var addressSeeds = []string{
	"", "0.0.0.0", "1.2.3.4", "255.255.255.255", "256.1.1.1", "1.2.3.256", "1.2.3.4.5", "1.2.3", "1.2", "1", "4294967295",
	"4294967296", "0x7f.1", "0x7f000001", "010.0.0.1", "08.0.0.1", "01.02.03.04", "1.2.3.4 ", " 1.2.3.4", "1..2.3", "1.2.3.",
	".1.2.3", "1.2.3.4,80", "1.2.3.4#c", "1.2.3.4\tx", "1.2.3.4\r\n", "example.com", "::1", "1.2.3.4/24", "-1.2.3.4", "+1.2.3.4",
	"1.2.3.0004", "1.2.3.4\x00x", "١.2.3.4", "1.2.3.4\v", "1.2.3.a", "1:2:3:4", "1/2/3/4", "99999999999999999999",
}

// checkAddr compares parseAddr with the parser of the lists, which knows all forms and takes its time.
func checkAddr(t *testing.T, text string) {
	t.Helper()
	got, ok := parseAddr([]byte(text))
	want, err := target.ParseAddr(text)
	if ok != (err == nil) || ok && addr4(got) != want {
		t.Errorf("parseAddr(%q) = %s, %v, want %s, %v", text, addr4(got), ok, want, err)
	}
}

func TestParseAddr(t *testing.T) {
	for _, s := range addressSeeds {
		checkAddr(t, s)
	}
	for n := range 1000 {
		checkAddr(t, strings.Replace("1.x.3.4", "x", strings.Repeat("0", n%4)+string(rune('0'+n%10))+string(rune('0'+n/10%10)), 1))
	}
}

func TestParseAddrDoesNotAllocate(t *testing.T) {
	for _, s := range []string{"192.0.2.1", "1.2", "0x7f000001", "010.0.0.1"} {
		word := []byte(s)
		if n := testing.AllocsPerRun(100, func() { parseAddr(word) }); n != 0 {
			t.Errorf("parseAddr(%q) allocates %v times", s, n)
		}
	}
}

func TestToken(t *testing.T) {
	for line, want := range map[string]string{
		"": "", "\n": "", "1.2.3.4\n": "1.2.3.4", "1.2.3.4": "1.2.3.4", "1.2.3.4\r\n": "1.2.3.4", "1.2.3.4,80\n": "1.2.3.4",
		"1.2.3.4 # c\n": "1.2.3.4", "1.2.3.4#c\n": "1.2.3.4", "1.2.3.4\tx\n": "1.2.3.4", " 1.2.3.4\n": "", "#c\n": "",
		"a.b-c_d\xff\n": "a.b-c_d\xff", "1\x002\n": "1", "m,\n": "m", "l\fx": "l", "l\vx": "l", "+-!\"$": "+-!\"$",
	} {
		if got := token([]byte(line)); string(got) != want {
			t.Errorf("token(%q) = %q, want %q", line, got, want)
		}
	}
}

func FuzzParseAddr(f *testing.F) {
	for _, s := range addressSeeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		checkAddr(t, line)
		word := token([]byte(line))
		if want, _, _ := bytes.Cut([]byte(line), word); len(want) > 0 {
			t.Errorf("token(%q) = %q, want what the line begins with", line, word)
		}
		if i := strings.IndexAny(line, ",# \t\n\v\f\r\x00"); i >= 0 && i != len(word) || i < 0 && len(word) != len(line) {
			t.Errorf("token(%q) = %q, want it to end at %d", line, word, i)
		}
		checkAddr(t, string(word))
	})
}

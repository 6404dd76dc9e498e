package target

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// listFile writes a file of lines and returns its path.
func listFile(t *testing.T, name string, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAddAllowed(t *testing.T) {
	var b Builder
	if err := b.AddAllowed(listFile(t, "allow", "10.0.0.0/24 # one"), []string{"10.0.1.0/24"}); err != nil {
		t.Fatal(err)
	}
	s, err := b.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("10.0.1.0/24")}
	if got := s.AllowEntries(); !slices.Equal(got, want) {
		t.Errorf("allow entries = %v, want %v: the file's first", got, want)
	}
}

func TestAddAllowedOfNothingAllowsEverything(t *testing.T) {
	var b Builder
	if err := b.AddAllowed("", nil); err != nil {
		t.Fatal(err)
	}
	s, err := b.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Addrs(); got != 1<<32-1 {
		t.Errorf("%d addresses, want all but 0.0.0.0", got)
	}
}

func TestAddAllowedReportsAllMistakes(t *testing.T) {
	var b Builder
	err := b.AddAllowed(filepath.Join(t.TempDir(), "missing"), []string{"10.0.0.0/33", "10.0.0.0/x"})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("AddAllowed = %v, want one that wraps os.ErrNotExist", err)
	}
	for _, part := range []string{"missing", `argument "10.0.0.0/33"`, `argument "10.0.0.0/x"`} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("AddAllowed = %v, want it to name %s", err, part)
		}
	}
}

func TestParseAddr(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "1.2": "1.0.0.2", "010.0.0.1": "8.0.0.1", "0x7f000001": "127.0.0.1",
		"4294967295": "255.255.255.255",
	} {
		got, err := ParseAddr(text)
		if err != nil || got.String() != want {
			t.Errorf("ParseAddr(%q) = %v, %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "1.2.3.4.5", "1.2.3.256", "example.com", "1.2.3.4 ", "::1", "1.2.3.4/32"} {
		if got, err := ParseAddr(text); err == nil {
			t.Errorf("ParseAddr(%q) = %v, want an error", text, got)
		}
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = ParseAddr("192.0.2.1") }); n != 0 {
		t.Errorf("ParseAddr allocates %v times", n)
	}
}

// FuzzParseAddr compares ParseAddr with the manual page's twin.
func FuzzParseAddr(f *testing.F) {
	for _, s := range []string{"192.0.2.1", "1.2", "010.0.0.1", "0x7f000001", "4294967295", "1.2.3.256", "1..2", "0x", "08", "+1", "1.2.3.4 "} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParseAddr(text)
		if want, ok := atonTwin(text); ok != (err == nil) || ok && got != addr4(want) {
			t.Fatalf("ParseAddr(%q) = %v, %v; the twin says %v, %v", text, got, err, addr4(want), ok)
		}
	})
}

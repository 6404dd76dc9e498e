package main

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzFindAddr holds that the address found is the first word of the line that is one.
func FuzzFindAddr(f *testing.F) {
	for _, line := range []string{
		"10.0.0.1", "open tcp 80 10.255.0.3 1700000000", "Host: 10.0.0.4 ()\tPorts: 80/open/tcp//http///", "# 10.0.0.9", "1.2.3.4.5 10.0.0.300",
		"saddr,sport", "synack,,10.0.0.7,80", "::ffff:10.0.0.1", " 1.2.3.4%eth0", "",
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		got, ok := findAddr([]byte(line))
		var want netip.Addr
		if !strings.HasPrefix(line, "#") {
			for _, word := range strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\t' || r == ',' }) {
				if a, err := netip.ParseAddr(word); err == nil && a.Is4() {
					want = a
					break
				}
			}
		}
		if got != want || ok != want.IsValid() {
			t.Errorf("%q: got %v (%v), want %v", line, got, ok, want)
		}
	})
}

func TestCountRows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rows")
	text := "saddr,sport,classification\n10.0.0.1,80,synack\n10.0.255.1,80,synack\n10.1.0.1,80,synack\n# 10.9.0.1\n255.255.0.1,80,synack\n10.0.0.1,80,synack\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	rows, sixteens, err := countRows(path)
	if err != nil || rows != 5 || sixteens != 3 {
		t.Errorf("%d rows in %d /16s, error %v: want 5 in 3", rows, sixteens, err)
	}
	if _, _, err := countRows(path + ".not"); err == nil {
		t.Error("no such file: want an error")
	}
}

package main

import (
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestBlocking holds that the blocklist takes the place of the one before, which C zmap wants, in a copy of the arguments.
func TestBlocking(t *testing.T) {
	before := contender{args: []string{"-C", "/dev/null", "-b", "/dev/null", "-q"}}
	after := before.blocking("list")
	if want := []string{"-C", "/dev/null", "-b", "list", "-q"}; !slices.Equal(after.args, want) || before.args[3] != "/dev/null" {
		t.Errorf("arguments %q of %q, want %q", after.args, before.args, want)
	}
}

// TestWriteBlocklist holds that each line is one network of a size that was chosen.
func TestWriteBlocklist(t *testing.T) {
	const n = 2000
	path := filepath.Join(t.TempDir(), "blocklist")
	if err := writeBlocklist(path, n, rand.New(rand.NewPCG(1, 2))); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines, sizes := strings.Fields(string(text)), make(map[int]bool)
	for _, line := range lines {
		p, err := netip.ParsePrefix(line)
		if err != nil || p.Bits() < 16 {
			t.Fatalf("line %q: %v", line, err)
		}
		sizes[p.Bits()] = true
	}
	if len(lines) != n || len(sizes) != 17 {
		t.Errorf("%d networks of %d sizes, want %d of 17", len(lines), len(sizes), n)
	}
}

package tools

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// benchBlocklist writes a blocklist of so many random networks of /16 to /32.
func benchBlocklist(b *testing.B, n int) string {
	b.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	var text bytes.Buffer
	for range n {
		fmt.Fprintf(&text, "%s/%d\n", addr4(r.Uint32()), 16+r.IntN(17))
	}
	path := filepath.Join(b.TempDir(), "blocklist")
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		b.Fatal(err)
	}
	return path
}

// benchLines returns so many lines, each with an address that next gives and what stands behind it.
func benchLines(n int, next func() uint32, behind string) []byte {
	var text []byte
	for range n {
		text = addr4(next()).AppendTo(text)
		text = append(append(text, behind...), '\n')
	}
	return text
}

// BenchmarkBlocklist filters lines by a blocklist of 100,000 lines. The time to read the lists is part of it; the case
// without lines is that time alone.
func BenchmarkBlocklist(b *testing.B) {
	path := benchBlocklist(b, 100_000)
	r := rand.New(rand.NewPCG(3, 4))
	sorted := uint32(10 << 24)
	for _, bb := range []struct {
		name   string
		lines  int
		next   func() uint32
		behind string
		keep   bool
	}{
		{"lists-only", 0, r.Uint32, "", false},
		{"random-10M", 10e6, r.Uint32, "", false},
		{"random-10M-duplicates-kept", 10e6, r.Uint32, "", true},
		{"random-2M-comments", 2e6, r.Uint32, ",443 # " + strings.Repeat("x", 13), false},
		{"ascending-10M", 10e6, func() uint32 { sorted++; return sorted }, "", false},
	} {
		text := benchLines(bb.lines, bb.next, bb.behind)
		b.Run(bb.name, func(b *testing.B) {
			cfg := BlockConfig{Blocklist: path, NoDuplicateChecking: bb.keep}
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if err := Blocklist(b.Context(), cfg, bytes.NewReader(text), io.Discard); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(bb.lines)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mlines/s")
		})
	}
}

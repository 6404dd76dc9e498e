package plan

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func example() *Plan {
	return &Plan{
		Made: time.Date(2026, 11, 27, 6, 0, 0, 0, time.UTC), Version: "x", Probe: "tcp_synscan", Ports: "80,443", Sources: "32768-61000", Tries: 1, TTL: 64,
		Rate: 1000, Seed: 1 << 63, Shards: 4, Key: "000102030405060708090a0b0c0d0e0f", Networks: []string{"10.0.0.0/24", "10.0.2.0/25"},
	}
}

func written(t testing.TB, p *Plan) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := p.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestReadBack reads what was written, from a file that is its owner's alone and is never written over.
func TestReadBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "scan.plan")
	want := example()
	if err := want.Create(path); err != nil {
		t.Fatal(err)
	}
	got, shared, err := Open(path)
	if d := cmp.Diff(want, got); d != "" || err != nil || shared {
		t.Errorf("shared %v, %v\n%s", shared, err, d)
	}
	if err := want.Create(path); err == nil || !strings.Contains(err.Error(), "never written over") {
		t.Errorf("a second plan of that name: %v", err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, shared, err = Open(path); !shared || err != nil {
		t.Errorf("with mode 0640 it is shared: %v, %v", shared, err)
	}
}

// TestDamage refuses a plan cut anywhere, and with any bit changed, and says what it is.
func TestDamage(t *testing.T) {
	text := written(t, example())
	for n := range text {
		if _, err := Read(bytes.NewReader(text[:n])); err == nil {
			t.Fatalf("the first %d bytes of %d are taken", n, len(text))
		}
		for bit := range 8 {
			bad := bytes.Clone(text)
			bad[n] ^= 1 << bit
			if _, err := Read(bytes.NewReader(bad)); err == nil {
				t.Fatalf("byte %d with bit %d changed is taken", n, bit)
			}
		}
	}
	for bad, want := range map[string]string{
		"":                         "line 1 is",
		"\ufeff" + string(text):    "line 1 is",
		strings.Repeat("x", 1<<20): "line 1 is",
		"zmap-plan 2 00\n{}":       "of version \"2\"",
		"zmap-plan 1 00\n{}":       "damaged or cut",
		strings.ReplaceAll(string(text), "\n", "\r\n"): "damaged or cut",
	} {
		if _, err := Read(strings.NewReader(bad)); err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 300 {
			t.Errorf("%.30q: %v, want %q", bad, err, want)
		}
	}
}

// TestByHand refuses plans whose sum is right and whose words are not.
func TestByHand(t *testing.T) {
	for name, change := range map[string]func(*Plan){
		"no shards": func(p *Plan) { p.Shards = 0 }, "no tries": func(p *Plan) { p.Tries = 0 }, "no networks": func(p *Plan) { p.Networks = nil },
		"key": func(p *Plan) { p.Key = "00" }, "host": func(p *Plan) { p.Networks[0] = "example.org" }, "rate": func(p *Plan) { p.Rate = -1 },
		"sources": func(p *Plan) { p.Sources = "1-x" },
	} {
		p := example()
		change(p)
		if _, err := Read(bytes.NewReader(written(t, p))); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// FuzzRead reads anything. What it takes reads the same again.
func FuzzRead(f *testing.F) {
	f.Add(written(f, example()))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := Read(bytes.NewReader(text))
		if err != nil {
			return
		}
		again, err := Read(bytes.NewReader(written(t, p)))
		if d := cmp.Diff(p, again); d != "" || err != nil {
			t.Errorf("%v\n%s", err, d)
		}
	})
}

package checkpoint

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/zmap-go/zmap/dedup"
)

type entry struct {
	index uint64
	o     dedup.Outcome
}

// journalOf makes a journal of entries, and returns its path and extent.
func journalOf(t testing.TB, indexes uint64, entries []entry) (string, Extent) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "seen")
	j, err := CreateJournal(path, indexes)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		j.Note(e.index, e.o)
	}
	e, err := j.Sync()
	if err != nil || j.Close() != nil {
		t.Fatal(err)
	}
	return path, e
}

// reopen opens a journal and returns its entries.
func reopen(path string, e Extent, indexes uint64) (*Journal, []entry, error) {
	var got []entry
	j, err := OpenJournal(path, e, indexes, func(index uint64, o dedup.Outcome) { got = append(got, entry{index, o}) })
	return j, got, err
}

// TestJournal reads entries back, of scans of all sizes, drops what came after the extent, and goes on.
func TestJournal(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for _, indexes := range []uint64{1, 2, 127, 128, 129, 1 << 16, 1 << 32, 1 << 39, 1<<39 + 1, 1 << 62} {
		var want []entry
		for range 20_000 {
			want = append(want, entry{r.Uint64N(indexes), dedup.Outcome(r.IntN(2))})
		}
		path, e := journalOf(t, indexes, want)
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = f.WriteString("more")
		f.Close()
		j, got, err := reopen(path, e, indexes)
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("%d indexes: %v, entries differ", indexes, err)
		}
		j.Note(indexes-1, dedup.Success)
		e2, err := j.Sync()
		if err != nil || e2.Entries != e.Entries+1 {
			t.Fatalf("%+v, %v", e2, err)
		}
		if _, _, err := reopen(path, e2, indexes); err == nil || !strings.Contains(err.Error(), "another process is at work") {
			t.Errorf("opened twice: %v", err)
		}
		j.Close()
		if j, got, err = reopen(path, e2, indexes); err != nil || !slices.Equal(got, append(want, entry{indexes - 1, dedup.Success})) {
			t.Errorf("%d indexes, carried on: %v", indexes, err)
		}
		j.Close()
	}
}

// TestJournalDamage refuses a journal that is shorter, has any other bit, or is of another scan.
func TestJournalDamage(t *testing.T) {
	path, e := journalOf(t, 1<<32, []entry{{5, 0}, {1 << 31, 1}, {77, 1}})
	text, err := os.ReadFile(path)
	if err != nil || len(text) != 15 {
		t.Fatal(len(text), err)
	}
	refused := func(what string, text []byte, indexes uint64) {
		t.Helper()
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, got, err := reopen(path, e, indexes); err == nil || got != nil {
			t.Fatalf("%s: %v, %v", what, got, err)
		}
	}
	for n := range text {
		refused("cut", text[:n], 1<<32)
		for bit := range 8 {
			bad := bytes.Clone(text)
			bad[n] ^= 1 << bit
			refused("changed", bad, 1<<32)
		}
	}
	refused("of fewer targets", text, 1<<30)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := reopen(path, e, 1<<31); err == nil || !strings.Contains(err.Error(), "bytes") && !strings.Contains(err.Error(), "of another scan") {
		t.Errorf("%v", err)
	}
}

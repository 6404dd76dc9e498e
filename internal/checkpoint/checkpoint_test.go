package checkpoint

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zmap-go/zmap/internal/engine"
)

func example() *State {
	at := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	return &State{
		Version: "x", Scan: strings.Repeat("ab", 16), Started: at, Program: json.RawMessage(`{"a":1}`), Same: []Trait{{"seed", "7"}, {"shard", "0 of 1"}},
		Key: "000102030405060708090a0b0c0d0e0f", Seed: 7, Senders: 2,
		Moments: []engine.Moment{
			{At: at, Walks: make([]engine.Place, 2)},
			{At: at.Add(time.Second), Walks: []engine.Place{{Step: 9, Targets: 4}, {Step: 8, Targets: 5}}},
			{At: at.Add(4 * time.Second), Walks: []engine.Place{{Step: 19, Targets: 14}, {Step: 18, Targets: 15}}},
		},
		Since: true, Window: 3 * time.Second, Outputs: []Output{{"csv=a", "12"}}, Journal: Extent{3, 5, strings.Repeat("0", 64)}, Rows: 3, SendTime: time.Second,
	}
}

func encoded(t testing.TB, s *State) []byte {
	t.Helper()
	text, err := format().Encode(s)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestReadBack reads what was written over something older, and leaves nothing beside it.
func TestReadBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "scan.checkpoint")
	want := example()
	for range 2 {
		want.Rows++
		if err := want.Write(path); err != nil {
			t.Fatal(err)
		}
		got, err := Open(path)
		var program bytes.Buffer
		if err == nil {
			err = json.Compact(&program, got.Program)
			got.Program = program.Bytes()
		}
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("%v\n%s", err, d)
		}
	}
	st, err := os.Stat(path)
	names, _ := filepath.Glob(path + "*")
	if err != nil || st.Mode().Perm() != 0o600 || len(names) != 1 {
		t.Errorf("%v, mode %v, files %v", err, st.Mode(), names)
	}
}

// TestWriteFails leaves the state before it.
func TestWriteFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "scan.checkpoint")
	s := example()
	if err := s.Write(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path+".new", 0o700); err != nil {
		t.Fatal(err)
	}
	s.Rows = 99
	if err := s.Write(path); err == nil {
		t.Fatal("written over a folder")
	}
	if got, err := Open(path); err != nil || got.Rows != 3 {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestDamage refuses a state cut anywhere, and with any bit changed.
func TestDamage(t *testing.T) {
	text := encoded(t, example())
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
		"zmap-plan 1 00\n{}":       "should begin with \"zmap-checkpoint \"",
		"zmap-checkpoint 2 00\n{}": "of version \"2\": this program reads version 1",
		"zmap-checkpoint 1 00\n{}": "damaged or cut",
		"zmap-checkpoint 1 0\n" + strings.Repeat("x", 65<<20): "more than 64 MB",
		strings.ReplaceAll(string(text), "\n", "\r\n"):        "damaged or cut",
	} {
		if _, err := Read(strings.NewReader(bad)); err == nil || len(err.Error()) > 300 || !strings.Contains(err.Error(), want) {
			t.Errorf("%.30q: %v, want %q", bad, err, want)
		}
	}
}

// TestByHand refuses states whose sum is right and whose words are not.
func TestByHand(t *testing.T) {
	for name, change := range map[string]func(*State){
		"key": func(s *State) { s.Key = "00" }, "senders": func(s *State) { s.Senders = 3 }, "no moments": func(s *State) { s.Moments = nil },
		"order": func(s *State) { slices.Reverse(s.Moments) }, "outputs": func(s *State) { s.Outputs = nil }, "width": func(s *State) { s.Journal.Width = 9 },
		"sum": func(s *State) { s.Journal.Sum = "" }, "walks": func(s *State) { s.Moments[2].Walks = nil }, "window": func(s *State) { s.Window = -1 },
	} {
		s := example()
		change(s)
		if _, err := Read(bytes.NewReader(encoded(t, s))); err == nil || !strings.Contains(err.Error(), "is no checkpoint") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestBack goes back to the last moment that is early enough.
func TestBack(t *testing.T) {
	s := example()
	for _, c := range []struct {
		rewind time.Duration
		window time.Duration
		moment int
	}{
		{0, 0, 2},
		{time.Second, 0, 1},
		{3 * time.Second, 0, 1},
		{3*time.Second + 1, 0, 0},
		{time.Hour, 0, 0}, // the beginning
		{-1, 0, 1},
		{-1, 3*time.Second + 1, 0},
	} {
		s.Window = c.window
		if m, err := s.Back(c.rewind); err != nil || !m.At.Equal(s.Moments[c.moment].At) {
			t.Errorf("back by %v, with answers after %v: %v, %v, want moment %d", c.rewind, c.window, m.At, err, c.moment)
		}
	}
	s.Moments, s.Since = s.Moments[1:], false
	if _, err := s.Back(time.Hour); err == nil || err.Error() != "the checkpoint goes back to 3s before its end, not 1h0m0s" {
		t.Errorf("back behind what is known: %v", err)
	}
}

// TestDiffers names what differs.
func TestDiffers(t *testing.T) {
	s := example()
	for want, now := range map[string][]Trait{
		"":                                 s.Same,
		"seed: 7 in the checkpoint, 8 now": {{"seed", "8"}, {"shard", "0 of 1"}},
		"seed: 7 in the checkpoint, none now; grab: nothing in the checkpoint, tls now": {{"seed", ""}, {"grab", "tls"}},
	} {
		if got := s.Differs(now); got != want {
			t.Errorf("%v: %q, want %q", now, got, want)
		}
	}
}

// FuzzRead reads anything. What it takes reads the same again.
func FuzzRead(f *testing.F) {
	f.Add(encoded(f, example()))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Read(bytes.NewReader(text))
		if err != nil {
			return
		}
		_, _ = s.Back(-1)
		again, err := Read(bytes.NewReader(encoded(t, s)))
		if err != nil || again.Rows != s.Rows || len(again.Moments) != len(s.Moments) {
			t.Errorf("%+v is read as %+v, %v", s, again, err)
		}
	})
}

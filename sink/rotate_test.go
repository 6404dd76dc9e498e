package sink

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zmap-go/zmap/record"
)

// rotate returns a sink that writes JSON or CSV files, with a clock that the test sets.
func rotate(o RotateOptions, now *time.Time) *Rotating {
	if o.New == nil {
		o.New = func(w io.Writer) Sink { return NewCSV(w, Options{Fields: "saddr,saddr_raw"}) }
	}
	r := NewRotating(o)
	r.now = func() time.Time { return *now }
	return r
}

// scrambled makes a number of i that compresses badly.
func scrambled(i int) uint64 { return uint64(i+1) * 0x9e3779b97f4a7c15 }

// writeNumbers writes rows that hold the scrambled numbers from n on.
func writeNumbers(t *testing.T, s Sink, n, count int) {
	t.Helper()
	for i := n; i < n+count; i++ {
		row := synRow(t)
		row.Values[1].SetUint(scrambled(i))
		if err := s.Write(row); err != nil {
			t.Fatal(err)
		}
	}
}

// files returns the names of the files of a folder, sorted.
func files(t *testing.T, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names
}

// numbers reads what writeNumbers wrote to one file.
func numbers(t *testing.T, path string) []string {
	t.Helper()
	s, err := OpenSource(path, SourceOptions{Field: types})
	if err != nil {
		t.Fatal(err)
	}
	_, rows, err := readAll(t, s)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]string, len(rows))
	for i, r := range rows {
		out[i] = r[1]
	}
	return out
}

// TestRotateBySize: all rows are in the files, in the order of the names, each with its header.
func TestRotateBySize(t *testing.T) {
	for ending := range packings() {
		folder, now := t.TempDir(), time.Date(2026, 11, 22, 15, 23, 2, 5, time.FixedZone("", 3600))
		r := rotate(RotateOptions{Path: filepath.Join(folder, "a.csv"+ending), Size: 5000}, &now)
		if err := r.Open(synSchema()); err != nil {
			t.Fatal(err)
		}
		for i := range 60 {
			writeNumbers(t, r, i*100, 100)
			if err := r.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		if got := files(t, folder); !strings.HasSuffix(got[len(got)-1], partSuffix) || slices.ContainsFunc(got[:len(got)-1], func(s string) bool { return strings.HasSuffix(s, partSuffix) }) {
			t.Errorf("before Close there are %q, want one .part, the last", got)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		names := files(t, folder)
		if len(names) < 3 || names[0] != "a-20261122-142302-0001.csv"+ending || names[1] != "a-20261122-142302-0002.csv"+ending {
			t.Errorf("files are %q", names)
		}
		var got, want []string
		for i := range 6000 {
			want = append(want, "n:"+string(appendNumber(nil, new(record.Uint(scrambled(i))))))
		}
		for i, name := range names {
			got = append(got, numbers(t, filepath.Join(folder, name))...)
			info, err := os.Stat(filepath.Join(folder, name))
			if err != nil || info.Size() > 5000+3000 || i < len(names)-1 && info.Size() < 5000 {
				t.Errorf("%s has %d bytes, %v", name, info.Size(), err)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// TestRotateByTime: files end on the hour, are begun by rows, and are complete when the first row behind the hour comes.
func TestRotateByTime(t *testing.T) {
	folder, now := t.TempDir(), time.Date(2026, 11, 22, 15, 23, 2, 0, time.UTC)
	r := rotate(RotateOptions{Path: filepath.Join(folder, ".hidden.json"), Every: time.Hour, New: func(w io.Writer) Sink { return NewJSON(w, Options{Fields: "saddr,saddr_raw"}) }}, &now)
	if err := r.Open(synSchema()); err != nil {
		t.Fatal(err)
	}
	for i, at := range []string{"15:23:03", "15:59:59", "16:00:00", "16:10:00", "19:30:00"} {
		now, _ = time.Parse("2006-01-02 15:04:05", "2026-11-22 "+at)
		writeNumbers(t, r, i, 1)
		if err := r.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	writeNumbers(t, r, 5, 3*askEvery)
	now = now.Add(time.Hour)
	writeNumbers(t, r, 5+3*askEvery, askEvery) // without a flush, the clock is looked at now and then
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	want := map[string]int{
		".hidden-20261122-152302-0001.json": 2, ".hidden-20261122-160000-0002.json": 2,
		".hidden-20261122-193000-0003.json": 1 + 3*askEvery, ".hidden-20261122-203000-0004.json": askEvery,
	}
	got, total := map[string]int{}, 0
	for _, name := range files(t, folder) {
		got[name] = len(numbers(t, filepath.Join(folder, name)))
		total += got[name]
	}
	for name, n := range want {
		if got[name] < n-askEvery || got[name] > n+askEvery || n < askEvery && name < ".hidden-20261122-19" && got[name] != n {
			t.Errorf("%s has %d rows, want about %d", name, got[name], n)
		}
	}
	if len(got) != len(want) || total != 5+4*askEvery {
		t.Errorf("files are %v, want %v", got, want)
	}
}

// TestRotateOverwritesNothing: scans of the same second, killed ones and ready files all keep their names.
func TestRotateOverwritesNothing(t *testing.T) {
	folder, now := t.TempDir(), time.Date(2026, 11, 22, 15, 23, 2, 0, time.UTC)
	old := filepath.Join(folder, "a-20261122-152302-0002.csv")
	if err := os.WriteFile(old, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	open := func() *Rotating {
		r := rotate(RotateOptions{Path: filepath.Join(folder, "a.csv"), Size: 1}, &now)
		if err := r.Open(synSchema()); err != nil {
			t.Fatal(err)
		}
		return r
	}
	killed, one, two := open(), open(), open()
	for i := range 2 {
		writeNumbers(t, one, i, 1)
		writeNumbers(t, two, i, 1)
	}
	if err := errors.Join(one.Close(), two.Close()); err != nil {
		t.Fatal(err)
	}
	want := []string{"a-20261122-152302-0001.csv.part", "a-20261122-152302-0002.csv", "a-20261122-152302-0003.csv", "a-20261122-152302-0004.csv"}
	if got := files(t, folder)[:4]; !slices.Equal(got, want) {
		t.Errorf("files are %q, want %q", got, want)
	}
	if b, err := os.ReadFile(old); err != nil || string(b) != "old" {
		t.Errorf("the old file has %q, %v", b, err)
	}
	killed.part.Close()
}

// TestRotateErrors: what goes wrong is said, and leaves no file that looks complete.
func TestRotateErrors(t *testing.T) {
	folder, now := t.TempDir(), time.Now()
	for path, want := range map[string]string{
		filepath.Join(folder, "none", "a.csv"): "no such file or directory",
		"/proc/version/a.csv":                  "not a directory",
	} {
		err := rotate(RotateOptions{Path: path}, &now).Open(synSchema())
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "create output file") || !strings.Contains(err.Error(), filepath.Dir(path)) {
			t.Errorf("%s: got %v, want %s", path, err, want)
		}
	}
	r := rotate(RotateOptions{Path: filepath.Join(folder, "a.csv"), New: func(w io.Writer) Sink { return NewCSV(w, Options{Fields: "nope"}) }}, &now)
	if err := errors.Join(r.Open(synSchema()), r.Close()); err == nil || len(files(t, folder)) > 0 {
		t.Errorf("a field that does not exist: %v, and files %q", err, files(t, folder))
	}
	broken := errors.New("no space left")
	failures := &pieces{room: 100, err: broken}
	r = rotate(RotateOptions{Path: filepath.Join(folder, "a.csv"), New: func(io.Writer) Sink { return NewCSV(failures, Options{Fields: "saddr"}) }}, &now)
	if err := r.Open(synSchema()); err != nil {
		t.Fatal(err)
	}
	writeNumbers(t, r, 0, 100)
	if err := r.Flush(); !errors.Is(err, broken) {
		t.Errorf("Flush: got %v", err)
	}
	if err := r.Write(synRow(t)); !errors.Is(err, broken) {
		t.Errorf("Write after that: got %v", err)
	}
	if err := r.Close(); !errors.Is(err, broken) {
		t.Errorf("Close: got %v", err)
	}
	if got := files(t, folder); len(got) != 1 || !strings.HasSuffix(got[0], partSuffix) {
		t.Errorf("files are %q, want one .part", got)
	}
}

func TestParseRotation(t *testing.T) {
	tests := map[string]struct {
		size  int64
		every time.Duration
	}{
		"100MB": {100e6, 0}, "64KiB": {64 << 10, 0}, "1GiB": {1 << 30, 0}, "66KB": {66e3, 0}, "2GB": {2e9, 0}, "1MiB": {1 << 20, 0},
		"90s": {0, 90 * time.Second}, "15m": {0, 15 * time.Minute}, "1h": {0, time.Hour}, "7d": {0, 7 * 24 * time.Hour},
		"": {}, "1": {}, "h": {}, "0h": {}, "-1h": {}, "+1h": {}, "1hh": {}, "1.5h": {}, "100": {}, "1KB": {}, "100M": {}, "1H": {}, "9223372036854775807d": {}, " 1h": {},
	}
	for text, want := range tests {
		size, every, err := ParseRotation(text)
		if size != want.size || every != want.every || (err != nil) != (size == 0 && every == 0) {
			t.Errorf("%q: got %d, %v, %v, want %d, %v", text, size, every, err, want.size, want.every)
		}
	}
}

// FuzzParseRotation demands one of the two, positive.
func FuzzParseRotation(f *testing.F) {
	f.Add("100MB")
	f.Add("1h")
	f.Fuzz(func(t *testing.T, text string) {
		size, every, err := ParseRotation(text)
		if (err == nil) != (size >= spillSize && every == 0 || size == 0 && every >= time.Second) {
			t.Errorf("%q: got %d, %v, %v", text, size, every, err)
		}
	})
}

package sink

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zmap-go/zmap/record"
)

// A format is one of those of text.
type format struct {
	Name string
	New  func(io.Writer, Options) Sink
}

func formats() []format {
	return []format{
		{"csv", func(w io.Writer, o Options) Sink { return NewCSV(w, o) }},
		{"json", func(w io.Writer, o Options) Sink { return NewJSON(w, o) }},
	}
}

// named is the format with that name.
func named(name string) format {
	return formats()[slices.IndexFunc(formats(), func(f format) bool { return f.Name == name })]
}

func TestOpenErrors(t *testing.T) {
	for _, f := range formats() {
		for fields, want := range map[string]string{"saddr,nope": `unknown output field "nope"`, "": "no output field named", " , ": "no output field named"} {
			var b bytes.Buffer
			s := f.New(&b, Options{Fields: fields})
			err := s.Open(synSchema())
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s, fields %q: got %v, want %q", f.Name, fields, err, want)
			}
			if again := s.Write(synRow(t)); !errors.Is(again, err) || b.Len() > 0 {
				t.Errorf("%s, fields %q, write after that: got %v, want the same error", f.Name, fields, again)
			}
		}
	}
}

// pieces counts what is written to it and refuses with err once it has room for no more.
type pieces struct {
	writes, size, room int
	err                error
}

func (p *pieces) Write(b []byte) (int, error) {
	if p.room < len(b) {
		return p.room, p.err
	}
	p.room -= len(b)
	p.writes++
	p.size += len(b)
	return len(b), nil
}

func writeRows(t *testing.T, s Sink, n int) {
	t.Helper()
	for range n {
		if err := s.Write(synRow(t)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestBuffering: the header comes at once, rows at Flush, at Close or when many have come, and no byte twice.
func TestBuffering(t *testing.T) {
	for _, f := range formats() {
		p := &pieces{room: 1 << 30}
		s := f.New(p, Options{Fields: "saddr"})
		if err := s.Open(synSchema()); err != nil {
			t.Fatal(err)
		}
		header := map[string]int{"csv": len("saddr\n"), "json": 0}[f.Name]
		if p.size != header {
			t.Errorf("%s: got %d bytes after Open, want %d", f.Name, p.size, header)
		}
		row := map[string]int{"csv": len("20.0.0.0\n"), "json": len(`{"saddr":"20.0.0.0"}` + "\n")}[f.Name]
		writeRows(t, s, 3)
		if p.size != header {
			t.Errorf("%s: got %d bytes before Flush, want %d", f.Name, p.size, header)
		}
		for range 2 {
			if err := s.(Flusher).Flush(); err != nil || p.size != header+3*row {
				t.Errorf("%s: got %d bytes after Flush and %v, want %d", f.Name, p.size, err, header+3*row)
			}
		}
		writes := p.writes
		writeRows(t, s, 10000)
		if p.size < header+10003*row-spillSize || p.writes-writes > 10000*row/spillSize {
			t.Errorf("%s: got %d bytes in %d pieces before Close", f.Name, p.size, p.writes-writes)
		}
		if err := s.Close(); err != nil || p.size != header+10003*row {
			t.Errorf("%s: got %d bytes after Close and %v, want %d", f.Name, p.size, err, header+10003*row)
		}
	}
}

// TestWriteErrors: an error stays, says whether the reader has gone, and nothing is written after it.
func TestWriteErrors(t *testing.T) {
	full := errors.New("disk full")
	tests := []struct {
		err        error
		is         error
		readerGone bool
	}{
		{full, full, false},
		{nil, io.ErrShortWrite, false},
		{io.ErrClosedPipe, io.ErrClosedPipe, true},
		{&os.PathError{Op: "write", Path: "x", Err: syscall.EPIPE}, syscall.EPIPE, true},
		{&os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}, syscall.ENOSPC, false},
	}
	for _, f := range formats() {
		for _, tt := range tests {
			p := &pieces{room: 100, err: tt.err}
			s := f.New(p, Options{Fields: "saddr"})
			if err := s.Open(synSchema()); err != nil {
				t.Fatal(err)
			}
			var err error
			for range 1000000 {
				if err = s.Write(synRow(t)); err != nil {
					break
				}
			}
			if !errors.Is(err, tt.is) || errors.Is(err, ErrReaderGone) != tt.readerGone {
				t.Errorf("%s, %v: got %v", f.Name, tt.err, err)
			}
			p.room = 1 << 30
			before := p.size
			if again := s.Write(synRow(t)); !errors.Is(again, err) {
				t.Errorf("%s, write after %v: got %v", f.Name, err, again)
			}
			if again := s.Close(); !errors.Is(again, err) || p.size != before {
				t.Errorf("%s, close after %v: got %v and %d more bytes", f.Name, err, again, p.size-before)
			}
		}
	}
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.csv")
	for _, rows := range []int{2, 1} { // the second time the file is emptied
		f, err := Create(path)
		if err != nil {
			t.Fatal(err)
		}
		s := NewCSV(f, Options{Fields: "saddr", NoHeader: true})
		if err := s.Open(synSchema()); err != nil {
			t.Fatal(err)
		}
		writeRows(t, s, rows)
		if err := errors.Join(s.Close(), f.Close()); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if want := strings.Repeat("20.0.0.0\n", rows); err != nil || string(got) != want {
			t.Errorf("%d rows: got %q, %v, want %q", rows, got, err, want)
		}
		if f.Name() != path {
			t.Errorf("name: got %q, want %q", f.Name(), path)
		}
		if err := f.Close(); !errors.Is(err, os.ErrClosed) || !strings.Contains(err.Error(), path) {
			t.Errorf("second close: got %v, want one that names %s", err, path)
		}
	}
	missing := filepath.Join(path, "x")
	if f, err := Create(missing); err == nil || !strings.Contains(err.Error(), missing) {
		t.Errorf("Create(%q): got %v, %v, want an error that names it", missing, f, err)
	}
}

func TestStandardOutput(t *testing.T) {
	for _, path := range []string{"", "-"} {
		f, err := Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Errorf("Create(%q), close: %v", path, err)
		}
		if _, err := f.Write(nil); err != nil {
			t.Errorf("Create(%q), write after close: %v, want standard output still open", path, err)
		}
	}
}

// TestReaderGone closes the reading end of a real pipe.
func TestReaderGone(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s := NewCSV(&File{w: w, packed: plain{w}}, Options{Fields: "saddr"})
	if err := s.Open(synSchema()); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Write(synRow(t)); err != nil {
		t.Fatalf("write into memory: %v", err)
	}
	if err := s.Flush(); !errors.Is(err, ErrReaderGone) {
		t.Errorf("flush without a reader: got %v, want ErrReaderGone", err)
	}
	if err := s.Close(); !errors.Is(err, ErrReaderGone) {
		t.Errorf("close without a reader: got %v, want ErrReaderGone", err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}

// TestDiskFull writes to the device that is always full.
func TestDiskFull(t *testing.T) {
	const full = "/dev/full"
	if _, err := os.Stat(full); err != nil {
		t.Skipf("this system has no %s: %v", full, err)
	}
	f, err := os.OpenFile(full, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	err = NewCSV(&File{w: f, packed: plain{f}}, Options{Fields: "saddr"}).Open(synSchema())
	if !errors.Is(err, syscall.ENOSPC) || errors.Is(err, ErrReaderGone) || !strings.Contains(err.Error(), full) {
		t.Errorf("open: got %v, want one that names %s", err, full)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

// TestStamp compares with the time package, over zones, odd moments and rows that go back in time.
func TestStamp(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	zones := []*time.Location{nil, time.UTC, time.FixedZone("", 5*3600+1800), time.FixedZone("", -9*3600)}
	if berlin, err := time.LoadLocation("Europe/Berlin"); err == nil {
		zones = append(zones, berlin)
	} else {
		t.Logf("no zone with summer time to test with: %v", err)
	}
	for _, zone := range zones {
		s := stamp{location: zone}
		now := int64(1795360939973386000)
		for range 20000 {
			switch rng.IntN(10) {
			case 0:
				now = rng.Int64() - rng.Int64()
			case 1:
				now -= rng.Int64N(3e9)
			default:
				now += rng.Int64N(3e8)
			}
			v := record.Moment(now)
			at := time.Unix(0, now)
			if zone != nil {
				at = at.In(zone)
			}
			if got, want := string(s.append(nil, &v)), at.Format("2006-01-02T15:04:05.000-0700"); got != want {
				t.Fatalf("%d in %v: got %s, want %s", now, zone, got, want)
			}
		}
	}
}

// TestWriteAllocs: a row costs no allocation, whatever is in it.
func TestWriteAllocs(t *testing.T) {
	for _, f := range formats() {
		s := f.New(io.Discard, Options{Fields: "*"})
		row := synRow(t)
		set(t, row, "icmp_unreach_str", record.Text("a,\"b\"/\n\xff é"))
		set(t, row, "icmp_responder", addr("2001:db8::1"))
		set(t, row, "classification", record.Bytes([]byte("a,\"b\"/\n\xff é")))
		if err := s.Open(row.Schema); err != nil {
			t.Fatal(err)
		}
		second := int64(0)
		n := testing.AllocsPerRun(5000, func() {
			second += 1e9
			set(t, row, "timestamp_str", record.Moment(second))
			if err := s.Write(row); err != nil {
				t.Fatal(err)
			}
		})
		if n != 0 {
			t.Errorf("%s: got %v allocations per row, want 0", f.Name, n)
		}
	}
}

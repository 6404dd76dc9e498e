package remote

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/sink"
)

// testBatch returns a batch of the rows from lo to hi-1.
func testBatch(t testing.TB, lo, hi uint64) *batch {
	t.Helper()
	s := testSchema()
	all, err := s.Select("*")
	if err != nil {
		t.Fatal(err)
	}
	o, err := newOrigin("session", sink.Scan{ID: "scan1", Probe: "tcp_synscan", Config: []byte("{}")}, s, all)
	if err != nil {
		t.Fatal(err)
	}
	b := &batch{origin: o, kind: kindRows, seq: lo, first: lo, rows: int(hi - lo)}
	r := record.New(s)
	for n := lo; n < hi; n++ {
		testRow(r, n)
		b.data = appendRow(b.data, r, all)
	}
	return b
}

// plain is a row that cmp can look into.
func plain(values []record.Value) (out []any) {
	for i := range values {
		v := &values[i]
		switch v.Kind() {
		case record.KindNull:
			out = append(out, nil)
		case record.KindString:
			out = append(out, v.Text())
		case record.KindBytes:
			out = append(out, append([]byte{}, v.Bytes()...))
		case record.KindAddr:
			out = append(out, v.Addr().String())
		case record.KindTime:
			out = append(out, []int64{v.UnixNano()})
		case record.KindList:
			list := []any{}
			for _, o := range v.List() {
				for _, m := range o {
					list = append(list, m.Name, plain([]record.Value{m.Value}))
				}
				list = append(list, "end")
			}
			out = append(out, list)
		case record.KindUint:
			out = append(out, v.Uint())
		case record.KindInt:
			out = append(out, v.Int())
		case record.KindBool:
			out = append(out, v.Bool())
		}
	}
	return out
}

// TestRowsRoundTrip: what is decoded is what was encoded, for every kind of value, whatever was in the record before.
func TestRowsRoundTrip(t *testing.T) {
	b := testBatch(t, 0, 1000)
	want := record.New(testSchema())
	n := uint64(0)
	err := b.each(func(row uint64, r *record.Record) error {
		testRow(want, n)
		if diff := cmp.Diff(plain(want.Values), plain(r.Values)); diff != "" || row != n {
			t.Fatalf("row %d, called %d (-want +got):\n%s", n, row, diff)
		}
		n++
		return nil
	})
	if err != nil || n != 1000 {
		t.Errorf("got %d rows, %v", n, err)
	}
	b.rows++
	var stays *permanentError
	if err := b.each(func(uint64, *record.Record) error { return nil }); !errors.Is(err, io.ErrUnexpectedEOF) || !errors.As(err, &stays) {
		t.Errorf("a row too many: got %v", err)
	}
}

func TestDeepLists(t *testing.T) {
	v := record.Uint(1)
	for range 3 * maxDepth {
		v = record.List([]record.Object{{{Name: "in", Value: v}}})
	}
	s := record.NewSchema([]record.Field{{Name: "l", Type: record.Repeated}})
	r := record.New(s)
	if err := newRowDecoder(appendValue(nil, &v, 0)).decode(r); err != nil {
		t.Errorf("what the encoder writes: got %v", err)
	}
	deep := bytes.Repeat([]byte{valueList, 1, 1, 0}, 1<<16)
	if err := newRowDecoder(deep).decode(r); err == nil || !strings.Contains(err.Error(), "deep") {
		t.Errorf("65,536 lists in each other: got %v", err)
	}
}

// damagedFolder returns a folder with one segment of five batches of ten rows, which change has changed, and the offsets of
// the frames.
func damagedFolder(t *testing.T, change func(text []byte, offsets []int64) []byte) (folder, file string) {
	t.Helper()
	folder = filepath.Join(t.TempDir(), "spill")
	s, err := openSpool(folder, 1<<20, true)
	if err != nil {
		t.Fatal(err)
	}
	first := testBatch(t, 0, 10)
	var offsets []int64
	for n := uint64(0); n < 50; n += 10 {
		b := testBatch(t, n, n+10)
		b.origin = first.origin
		if s.tail != nil {
			offsets = append(offsets, s.tail.size)
		} else {
			offsets = append(offsets, 0)
		}
		if err := errors.Join(s.append(b), s.commit()); err != nil {
			t.Fatal(err)
		}
	}
	file = s.tail.path
	offsets[0] = s.tail.at
	offsets = append(offsets, s.tail.size)
	s.close()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, change(text, offsets), 0o600); err != nil {
		t.Fatal(err)
	}
	return folder, file
}

// TestDamage: a torn tail is borne, a damaged frame is reported with its offset and kept aside, and everything else comes.
func TestDamage(t *testing.T) {
	var at int64
	tests := []struct {
		name   string
		change func([]byte, []int64) []byte
		want   []uint64 // batches that come, by their first row
		err    string
	}{
		{"none", func(b []byte, _ []int64) []byte { return b }, []uint64{0, 10, 20, 30, 40}, ""},
		{"torn payload", func(b []byte, _ []int64) []byte { return b[:len(b)-3] }, []uint64{0, 10, 20, 30}, ""},
		{"torn header", func(b []byte, o []int64) []byte { return b[:o[4]+5] }, []uint64{0, 10, 20, 30}, ""},
		{"torn origin", func(b []byte, _ []int64) []byte { return b[:firstFrame+20] }, nil, ""},
		{"torn mark", func(b []byte, _ []int64) []byte { return b[:20] }, nil, ""},
		{"empty", func([]byte, []int64) []byte { return nil }, nil, ""},
		{"payload", func(b []byte, o []int64) []byte { at = o[2]; b[o[2]+frameHeader+9]++; return b }, []uint64{0, 10, 30, 40}, "checksum of the frame is wrong"},
		{"length", func(b []byte, o []int64) []byte { at = o[3]; b[o[3]]++; return b }, []uint64{0, 10, 20}, "header of the frame is damaged; the"},
		{"zeros at the end", func(b []byte, o []int64) []byte { at = o[5]; return append(b, make([]byte, 100)...) }, []uint64{0, 10, 20, 30, 40}, "header of the frame is damaged"},
		{"magic", func(b []byte, _ []int64) []byte { at = 0; b[3]++; return b }, nil, "no spill file of this version"},
		{"origin", func(b []byte, _ []int64) []byte { at = 0; b[firstFrame+20]++; return b }, nil, "checksum of the frame is wrong"},
		{"mark", func(b []byte, o []int64) []byte { copy(b[markOffset:], "nonsensical."); return b }, []uint64{0, 10, 20, 30, 40}, ""},
	}
	for _, tt := range tests {
		folder, file := damagedFolder(t, tt.change)
		f := &fake{}
		o := quick(t)
		o.Folder = folder
		_, err := Deliver(t.Context(), f, o)
		var first []uint64
		for i := 0; i < len(f.rows); i += 10 {
			first = append(first, f.rows[i])
		}
		if !slices.Equal(first, tt.want) {
			t.Errorf("%s: got batches %d, want %d", tt.name, first, tt.want)
		}
		var corrupt *CorruptError
		switch {
		case tt.err == "":
			if err != nil || len(files(t, folder)) > 0 {
				t.Errorf("%s: got %v, files %v", tt.name, err, files(t, folder))
			}
		case !errors.As(err, &corrupt) || corrupt.Offset != at || corrupt.File != file || !strings.Contains(err.Error(), tt.err):
			t.Errorf("%s: got %v, want %q at offset %d", tt.name, err, tt.err, at)
		default:
			if left := files(t, folder); !slices.Equal(left, []string{filepath.Base(file) + ".damaged"}) {
				t.Errorf("%s: got files %v", tt.name, left)
			}
		}
	}
}

// TestMark: what is delivered before a start is not read again after it, and a new file never takes the place of an old one.
func TestMark(t *testing.T) {
	folder, _ := damagedFolder(t, func(b []byte, _ []int64) []byte { return b })
	for round := range 5 {
		s, err := openSpool(folder, 1<<20, false)
		if err != nil {
			t.Fatal(err)
		}
		if want := int64(50 - 10*round); s.rows != want {
			t.Errorf("round %d: %d rows wait, want %d", round, s.rows, want)
		}
		b, err := s.first()
		if err != nil || b.first != uint64(10*round) {
			t.Fatalf("round %d: got %+v, %v", round, b, err)
		}
		if err := s.done(b); err != nil {
			t.Fatal(err)
		}
		s.close()
	}
	if left := files(t, folder); len(left) > 0 {
		t.Errorf("files %v are left", left)
	}
	if err := os.WriteFile(filepath.Join(folder, "notes.spill"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openSpool(folder, 1<<20, false); err == nil || !strings.Contains(err.Error(), "none of its own") {
		t.Errorf("another's file: got %v", err)
	}
}

// FuzzSegment reads any bytes as a file of the queue: it ends, gives back only batches that lie in the file, and says where the
// damage is. What it makes of batches is encoded and read again.
func FuzzSegment(f *testing.F) {
	folder := filepath.Join(f.TempDir(), "spill")
	s, err := openSpool(folder, 1<<20, false)
	if err != nil {
		f.Fatal(err)
	}
	for n := uint64(0); n < 40; n += 10 {
		if err := s.append(testBatch(f, n, n+10)); err != nil {
			f.Fatal(err)
		}
	}
	for _, seg := range s.segments {
		text, err := os.ReadFile(seg.path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text, uint16(0), byte(0))
		f.Add(text, uint16(len(text)-5), byte(1))
	}
	f.Add([]byte(magic), uint16(3), byte(1))
	f.Fuzz(func(t *testing.T, text []byte, at uint16, flip byte) {
		if int(at) < len(text) {
			text[at] ^= flip
		}
		seg := &segment{frames: bytes.NewReader(text), size: int64(len(text))}
		var err error
		if seg.origin, seg.at, err = readStart(seg.frames, seg.size); err != nil {
			return
		}
		seg.waiting()
		for last := seg.at; ; last = seg.at {
			b, err := seg.next()
			var corrupt *CorruptError
			if errors.As(err, &corrupt) {
				if corrupt.Offset != last || seg.at <= last {
					t.Fatalf("damage at %d reported at %d, goes on at %d", last, corrupt.Offset, seg.at)
				}
				continue
			}
			if err != nil {
				return
			}
			if b.end <= last || b.end > int64(len(text)) {
				t.Fatalf("batch from %d to %d of %d bytes", last, b.end, len(text))
			}
			seg.at = b.end
			checkRows(t, b)
		}
	})
}

// FuzzRows reads any bytes as the rows of a batch, which checksums keep from FuzzSegment.
func FuzzRows(f *testing.F) {
	b := testBatch(f, 0, 20)
	f.Add(b.data, uint16(20))
	f.Add(b.append(nil), uint16(1))
	f.Add([]byte{valueList, 1, 1, 0, valueList, 200, 200, 200, 200, 1}, uint16(1))
	f.Fuzz(func(t *testing.T, data []byte, rows uint16) {
		checkRows(t, &batch{origin: b.origin, kind: kindRows, rows: int(rows), data: data})
		if again, err := decodeBatch(data); err == nil {
			if third, err := decodeBatch(again.append(nil)); err != nil || !bytes.Equal(third.data, again.data) || third.seq != again.seq {
				t.Errorf("got %+v, then %+v, %v", again, third, err)
			}
		}
		_, _ = decodeOrigin(data)
	})
}

// checkRows demands that rows that can be read are the same after they were written again.
func checkRows(t *testing.T, b *batch) {
	all := make([]int, b.origin.schema.Len())
	for i := range all {
		all[i] = i
	}
	again := record.New(b.origin.schema)
	_ = b.each(func(_ uint64, r *record.Record) error {
		want := plain(r.Values)
		if err := newRowDecoder(appendRow(nil, r, all)).decode(again); err != nil {
			t.Fatalf("row %v: %v", want, err)
		}
		if diff := cmp.Diff(want, plain(again.Values)); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
		return nil
	})
}

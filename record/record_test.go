package record

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"testing"
)

func TestReset(t *testing.T) {
	s := testSchema()
	r := New(s)
	if r.Schema != s || len(r.Values) != s.Len() {
		t.Fatalf("New: got schema %p and %d values, want %p and %d", r.Schema, len(r.Values), s, s.Len())
	}
	for range 2 {
		for i := range r.Values {
			if !r.Values[i].IsNull() {
				t.Errorf("value %d of an empty row: got kind %d, want null", i, r.Values[i].Kind())
			}
			r.SetBytes(i, []byte("x"))
		}
		r.Reset()
	}
}

func TestSetBytes(t *testing.T) {
	r := New(testSchema())
	wire := []byte("abc")
	r.SetBytes(0, wire)
	wire[0] = 'x'
	if got := r.Values[0].Bytes(); string(got) != "abc" {
		t.Errorf("after the frame changed: got %q, want %q", got, "abc")
	}
	for _, empty := range [][]byte{nil, {}} {
		r.SetBytes(1, wire)
		r.SetBytes(1, empty)
		if !r.Values[1].IsNull() {
			t.Errorf("SetBytes(%#v): got kind %d, want null", empty, r.Values[1].Kind())
		}
	}
}

// TestCopyOracle copies pieces of random length and demands that all of them stay what they were until Reset, however
// often the memory grew and whatever is appended to a piece.
func TestCopyOracle(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	r := New(testSchema())
	for range 50 {
		n := rng.IntN(60)
		pieces, want := make([][]byte, 0, n), make([][]byte, 0, n)
		for range n {
			wire := make([]byte, rng.IntN(300))
			for i := range wire {
				wire[i] = byte(rng.Uint32())
			}
			piece := r.Copy(wire)
			_ = append(piece, 0xff) // must not reach the next piece, nor the last one's place
			pieces, want = append(pieces, piece), append(want, bytes.Clone(wire))
			clear(wire)
		}
		for i := range pieces {
			if !bytes.Equal(pieces[i], want[i]) {
				t.Fatalf("piece %d of %d: got %x, want %x", i, len(pieces), pieces[i], want[i])
			}
		}
		r.Reset()
	}
}

// TestSection: a module that counts its fields from 0 writes the row's own values, and copies to the row's memory.
func TestSection(t *testing.T) {
	r := New(testSchema())
	r.SetBytes(0, []byte("before"))
	part := r.Section(1, 3)
	if len(part.Values) != 2 || cap(part.Values) != 2 || part.Schema != nil {
		t.Fatalf("got %d values, room for %d and schema %v, want 2, 2 and none", len(part.Values), cap(part.Values), part.Schema)
	}
	part.Values[0] = Uint(80)
	part.SetBytes(1, []byte("part"))
	r.SetBytes(3, []byte("after"))
	if got := r.Values[1].Uint(); got != 80 {
		t.Errorf("value 1: got %d, want 80", got)
	}
	for i, want := range map[int]string{0: "before", 2: "part", 3: "after"} {
		if got := string(r.Values[i].Bytes()); got != want {
			t.Errorf("value %d: got %q, want %q", i, got, want)
		}
	}
	r.Reset()
	if !part.Values[0].IsNull() {
		t.Errorf("the section after Reset: got kind %d, want null", part.Values[0].Kind())
	}
}

// TestFillAllocs: filling a row again costs no allocation.
func TestFillAllocs(t *testing.T) {
	r := New(testSchema())
	a, wire := netip.MustParseAddr("192.0.2.1"), make([]byte, 500)
	n := testing.AllocsPerRun(100, func() {
		r.Reset()
		r.Values[0] = Address(a)
		part := r.Section(1, 4)
		part.Values[0] = Uint(80)
		part.Values[1] = Boolean(true)
		part.SetBytes(2, wire)
	})
	if n != 0 {
		t.Errorf("got %v allocations per row, want 0", n)
	}
}

func BenchmarkFill(b *testing.B) {
	r := New(testSchema())
	a, wire := netip.MustParseAddr("192.0.2.1"), make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		r.Reset()
		r.Values[0] = Address(a)
		r.Values[1] = Uint(80)
		r.Values[2] = Boolean(true)
		r.SetBytes(3, wire)
	}
}

// TestSizeIsWhatTheHeapGrowsBy allows for the size classes of the allocator.
func TestSizeIsWhatTheHeapGrowsBy(t *testing.T) {
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	s := testSchema()
	records := make([]*Record, 10_000)
	before := heap()
	for i := range records {
		records[i] = New(s)
	}
	got, want := float64(heap()-before)/float64(len(records)), float64(Size(s))
	runtime.KeepAlive(records)
	if got < want-1 || got > 1.2*want {
		t.Errorf("a record takes %.0f bytes of the heap, Size says %.0f", got, want)
	}
}

// TestSetSharesNothing changes all that a row was made of after it was set from it, and sets it from itself's like.
func TestSetSharesNothing(t *testing.T) {
	src, dst := New(testSchema()), New(testSchema())
	inner := []byte("inner")
	fill := func() {
		src.Reset()
		src.Values[0] = Text("text")
		src.SetBytes(1, []byte("outer"))
		src.Values[2] = List([]Object{{{Name: "a", Value: Bytes(src.Copy(inner))}, {Name: "b", Value: List([]Object{{{Name: "c", Value: Text("deep")}}})}}})
	}
	fill()
	for range 2 {
		dst.SetBytes(3, []byte("before"))
		dst.Set(src)
	}
	src.Values[2].List()[0][0].Value = Uint(1)
	src.Values[2].List()[0][1].Value.List()[0][0].Value = Uint(2)
	src.Reset()
	_ = src.Copy(bytes.Repeat([]byte{0xff}, 100))
	object := dst.Values[2].List()[0]
	if dst.Schema != src.Schema || dst.Values[0].Text() != "text" || string(dst.Values[1].Bytes()) != "outer" ||
		!dst.Values[3].IsNull() || string(object[0].Value.Bytes()) != "inner" || object[1].Value.List()[0][0].Value.Text() != "deep" {
		t.Errorf("the row changed with the one that it was set from: %+v", dst.Values)
	}
	src.SetBytes(1, inner)
	if n := testing.AllocsPerRun(100, func() { dst.Set(src) }); n != 0 {
		t.Errorf("got %v allocations per row without repeated fields, want 0", n)
	}
}

package packet

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
)

// slowSum is the definition in RFC 1071 section 1 taken word for word: pairs of bytes are added in ones complement, one
// carry at a time.
func slowSum(b []byte, sum uint16) uint16 {
	for i := 0; i < len(b); i += 2 {
		word := uint32(b[i]) << 8
		if i+1 < len(b) {
			word |= uint32(b[i+1])
		}
		wide := uint32(sum) + word
		if wide > 0xffff {
			wide = wide - 0x10000 + 1
		}
		sum = uint16(wide)
	}
	return sum
}

func testRand(t testing.TB) *rand.Rand {
	t.Helper()
	return rand.New(rand.NewPCG(1, 2))
}

func randBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func TestSumAgainstSlowTwinAtEveryLength(t *testing.T) {
	r := testRand(t)
	fills := map[string]func(i int) byte{
		"random":   func(int) byte { return byte(r.Uint32()) },
		"all ones": func(int) byte { return 0xff },
		"zeros":    func(int) byte { return 0 },
		"carries":  func(i int) byte { return byte(0xff - i%3) },
		"sparse":   func(i int) byte { return byte(1 >> (i % 97)) },
	}
	for name, fill := range fills {
		b := make([]byte, 2049)
		for i := range b {
			b[i] = fill(i)
		}
		for n := range 2049 {
			for _, at := range []int{0, 1} { // unaligned memory too
				if at+n > len(b) {
					continue
				}
				if got, want := Sum(0).Add(b[at:at+n]).Fold(), slowSum(b[at:at+n], 0); got != want {
					t.Fatalf("%s: sum of %d bytes at %d: got %#04x, want %#04x", name, n, at, got, want)
				}
			}
		}
	}
}

func TestSumOfPartsInAnyOrder(t *testing.T) {
	r := testRand(t)
	for range 2000 {
		b := randBytes(r, 2+r.IntN(300))
		cut := r.IntN(len(b)/2+1) * 2
		want := slowSum(b, 0)
		// Only the last part may be of odd length, whatever the order of adding.
		if got := Sum(0).Add(b[cut:]).Add(b[:cut]).Fold(); got != want {
			t.Fatalf("sum of %x cut at %d: got %#04x, want %#04x", b, cut, got, want)
		}
		if got := Checksum(b[cut:], Sum(0).Add(b[:cut])); got != ^want {
			t.Fatalf("checksum of %x cut at %d: got %#04x, want %#04x", b, cut, got, ^want)
		}
	}
}

func TestSumWords(t *testing.T) {
	r := testRand(t)
	for range 2000 {
		b := randBytes(r, 38)
		got := Sum(0).Add16(binary.BigEndian.Uint16(b)).
			Add32(binary.BigEndian.Uint32(b[2:])).Add32(binary.BigEndian.Uint32(b[6:])).
			AddAddr(netip.AddrFrom4([4]byte(b[10:]))).AddAddr(netip.AddrFrom16([16]byte(b[14:]))).
			Add(b[30:]).AddAddr(netip.Addr{}).Fold()
		if want := slowSum(b, 0); got != want {
			t.Fatalf("sum of the words of %x: got %#04x, want %#04x", b, got, want)
		}
	}
}

// The C program folds once (compat, bug 23). Every sum whose folding carries again must come out right.
func TestFoldCompletely(t *testing.T) {
	slowFold := func(s uint64) uint16 {
		for s > 0xffff {
			s = s>>16 + s&0xffff
		}
		return uint16(s)
	}
	edges := []uint64{0, 1, 0xfffe, 0xffff, 0x10000, 0x1fffe, 0x1ffff, 0x2fffd, 0x2fffe, 0xffff0000, 0xffffffff}
	for _, hi := range edges {
		for _, lo := range edges {
			s := hi<<32 + lo
			if got, want := Sum(s).Fold(), slowFold(s); got != want {
				t.Errorf("fold %#x: got %#04x, want %#04x", s, got, want)
			}
		}
	}
	for s := range uint64(1 << 18) {
		if got, want := Sum(s).Fold(), slowFold(s); got != want {
			t.Fatalf("fold %#x: got %#04x, want %#04x", s, got, want)
		}
	}
	if got := Sum(1<<64 - 1).Fold(); got != 0xffff {
		t.Errorf("fold of all ones: got %#04x, want 0xffff", got)
	}
}

func TestRFCExamples(t *testing.T) {
	// RFC 1071 section 3.
	if got := Sum(0).Add([]byte{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}).Fold(); got != 0xddf2 {
		t.Errorf("RFC 1071 example: got %#04x, want 0xddf2", got)
	}
	// RFC 1624 section 4: the case that RFC 1141's equation gets wrong.
	if got := UpdateChecksum16(0xdd2f, 0x5555, 0x3285); got != 0 {
		t.Errorf("RFC 1624 example: got %#04x, want 0", got)
	}
}

func TestUpdateChecksumIsRecomputing(t *testing.T) {
	r := testRand(t)
	for range 20000 {
		b := randBytes(r, 4+2*r.IntN(30))
		if r.IntN(4) == 0 { // sums near 0 and 0xffff
			clear(b)
			b[len(b)-1] = byte(r.IntN(2))
		}
		before := Checksum(b, 0)
		at := 2 * r.IntN(len(b)/2-1)
		from, to := binary.BigEndian.Uint32(b[at:]), r.Uint32()
		if r.IntN(4) == 0 {
			to = []uint32{0, 0xffff, 0xffff0000, 0xffffffff}[r.IntN(4)]
		}
		binary.BigEndian.PutUint32(b[at:], to)
		want := Checksum(b, 0)
		if want == 0xffff { // only an all-zero packet has this checksum, and no incremental update can know it
			continue
		}
		if got := UpdateChecksum32(before, from, to); got != want {
			t.Fatalf("update %#08x to %#08x at %d, now %x: got %#04x, want %#04x", from, to, at, b, got, want)
		}
		half := UpdateChecksum16(before, uint16(from>>16), uint16(to>>16))
		if got := UpdateChecksum16(half, uint16(from), uint16(to)); got != want && half != 0xffff {
			t.Fatalf("update %#08x to %#08x in halves at %d, now %x: got %#04x, want %#04x", from, to, at, b, got, want)
		}
	}
}

func BenchmarkSum(b *testing.B) {
	for _, n := range []int{20, 44, 64, 576, 1500} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			buf := make([]byte, n)
			b.ReportAllocs()
			b.SetBytes(int64(n))
			var s Sum
			for b.Loop() {
				s = s.Add(buf)
			}
		})
	}
}

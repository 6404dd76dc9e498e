package validate

import (
	"encoding/hex"
	"math/rand/v2"
	"net/netip"
	"testing"
)

// specKey is the key of the validation example in compat, appendix A.
func specKey(t testing.TB) Key {
	t.Helper()
	b, err := hex.DecodeString("966bda1c42cdc528c282cd7cf016b273")
	if err != nil {
		t.Fatal(err)
	}
	return Key(b)
}

func testRand() *rand.Rand { return rand.New(rand.NewPCG(3, 4)) }

func randAddr(r *rand.Rand, v6 bool) netip.Addr {
	var b [16]byte
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	if v6 {
		b[0] = 0x20
		return netip.AddrFrom16(b)
	}
	return netip.AddrFrom4([4]byte(b[:4]))
}

// The tags of the known key, from openssl: "enc -aes-128-ecb" of the IPv4 block, and the last block of
// "enc -aes-128-cbc" with a zero IV of the three IPv6 blocks.
func TestTagVectors(t *testing.T) {
	tests := []struct {
		local, remote string
		port          uint16
		want          string
	}{
		{"192.0.2.2", "8.8.8.8", 80, "bd42e82b738b1a40cf8e26bea121c300"},
		{"192.0.2.2", "8.8.8.8", 0, "7f7b4654518166e87a5f5ddf2aaf332f"},
		{"192.0.2.2", "1.1.1.1", 65535, "cf8f114368ec90f64a4fefc1dfbb8f5f"},
		{"10.99.0.1", "20.0.0.5", 443, "ab499f133c3a5451450b01276fc33211"},
		{"2001:db8::2", "2001:db8::8", 80, "eff29f6082c776f706f6c5942e955928"},
		{"2001:db8::2", "2606:4700:4700::1111", 65535, "fa5bc378319f427a08e359f77ccade95"},
		{"fe80::1", "2001:db8::8", 0, "3e5b2f9525c48bc1699811e5c41fd9d1"},
		{"fe80::1%eth0", "2001:db8::8", 0, "3e5b2f9525c48bc1699811e5c41fd9d1"},
	}
	tagger := NewTagger(specKey(t), DefaultPorts(), 1)
	for _, tt := range tests {
		got := tagger.Tag(netip.MustParseAddr(tt.local), netip.MustParseAddr(tt.remote), tt.port)
		if hex.EncodeToString(got[:]) != tt.want {
			t.Errorf("tag of %s, %s port %d: got %x, want %s", tt.local, tt.remote, tt.port, got, tt.want)
		}
	}
}

// What the first vector puts into a probe, by compat 3.2 and with a calculator.
func TestTagFields(t *testing.T) {
	tag := NewTagger(specKey(t), DefaultPorts(), 1).Tag(netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("8.8.8.8"), 80)
	got := []uint32{
		tag.Seq(), tag.Ack(), tag.PortWord(), uint32(tag.ICMPID()), uint32(tag.ICMPSeq()),
		uint32(tag.IPID()), uint32(tag.DNSID()), uint32(tag.BACnetID()),
	}
	want := []uint32{0xbd42e82b, 0xcf8e26be, 0x401a8b73, 0x738b, 0xcf8e, 0xa121, 0xcf8e, 0x40}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("field %d of %x: got %#x, want %#x", i, tag, got[i], want[i])
		}
	}
	// 0x401a8b73 is 1075481459; modulo 28233 that is 1790.
	for try, port := range []uint16{34558, 34559, 34560} {
		if got := DefaultPorts().Of(tag, try); got != port {
			t.Errorf("source port of try %d: got %d, want %d", try, got, port)
		}
	}
}

func TestTagAgainstSlowTwin(t *testing.T) {
	r, slow := testRand(), newSlowAES()
	for i := range 300 {
		var k Key
		for j := range k {
			k[j] = byte(r.Uint32())
		}
		tagger := NewTagger(k, Ports{}, 1)
		locals := []netip.Addr{randAddr(r, true), randAddr(r, true), randAddr(r, false)}
		for range 5 {
			local, remote, port := locals[r.IntN(3)], randAddr(r, i%2 == 0), uint16(r.Uint32())
			if got, want := tagger.Tag(local, remote, port), slow.tag(k, local, remote, port); got != want {
				t.Fatalf("key %x, %v, %v, %d: got %x, want %x", k, local, remote, port, got, want)
			}
		}
	}
}

// Any addresses must do: the zero Addr, IPv4-mapped ones, one of each family.
func TestTagOfOddAddresses(t *testing.T) {
	k, slow := specKey(t), newSlowAES()
	odd := []netip.Addr{
		{},
		netip.MustParseAddr("8.8.8.8"), netip.MustParseAddr("::ffff:8.8.8.8"), netip.MustParseAddr("::8.8.8.8"),
		netip.MustParseAddr("::"), netip.IPv4Unspecified(), netip.MustParseAddr("2001:db8::1"),
	}
	tagger := NewTagger(k, Ports{}, 1) // one for all: nothing of one tag may leak into the next
	for _, local := range odd {
		for _, remote := range odd {
			if got, want := tagger.Tag(local, remote, 7), slow.tag(k, local, remote, 7); got != want {
				t.Errorf("%v, %v: got %x, want %x", local, remote, got, want)
			}
		}
	}
}

func flip(a netip.Addr, bit int) netip.Addr {
	b := a.AsSlice()
	b[bit/8] ^= 1 << (bit % 8)
	out, _ := netip.AddrFromSlice(b)
	return out
}

func TestAnyFlippedBitChangesTheTag(t *testing.T) {
	r := testRand()
	for i := range 40 {
		v6 := i%2 == 1
		local, remote, port := randAddr(r, v6), randAddr(r, v6), uint16(r.Uint32())
		tagger := NewTagger(specKey(t), Ports{}, 1)
		seen := map[Tag]string{tagger.Tag(local, remote, port): "unchanged"}
		note := func(what string, bit int, tag Tag) {
			if old, ok := seen[tag]; ok {
				t.Fatalf("%v, %v, %d: %s bit %d gives the tag of %s", local, remote, port, what, bit, old)
			}
			seen[tag] = what
		}
		for bit := range local.BitLen() {
			note("source", bit, tagger.Tag(flip(local, bit), remote, port))
			note("destination", bit, tagger.Tag(local, flip(remote, bit), port))
		}
		for bit := range 16 {
			note("port", bit, tagger.Tag(local, remote, port^1<<bit))
		}
		note("swapped", 0, tagger.Tag(remote, local, port))
	}
}

func TestKeysDiffer(t *testing.T) {
	a, errA := NewKey()
	b, errB := NewKey()
	if errA != nil || errB != nil || a == b || a == (Key{}) {
		t.Fatalf("got %x %v and %x %v", a, errA, b, errB)
	}
	src, dst := netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("8.8.8.8")
	tag := NewTagger(a, Ports{}, 1).Tag(src, dst, 80)
	if tag == NewTagger(b, Ports{}, 1).Tag(src, dst, 80) {
		t.Error("two keys give the same tag")
	}
	if tag != NewTagger(a, DefaultPorts(), 9).Tag(src, dst, 80) {
		t.Error("two taggers over one key give different tags")
	}
}

func TestTaggerIsASource(t *testing.T) {
	var s Source = NewTagger(Key{}, Ports{1, 9}, 3)
	if s.Ports() != (Ports{1, 9}) || s.Tries() != 3 {
		t.Errorf("got ports %v and %d tries, want 1-9 and 3", s.Ports(), s.Tries())
	}
}

func TestBatchIsTagByTag(t *testing.T) {
	r := testRand()
	tagger, other := NewTagger(specKey(t), Ports{}, 1), NewTagger(specKey(t), Ports{}, 1)
	batch := tagger.NewBatch(8)
	for round := range 300 {
		var want []Tag
		for range r.IntN(20) { // also more than it was made for
			v6 := round%3 == 1 || round%3 == 2 && r.IntN(2) == 0
			local, remote, port := randAddr(r, v6), randAddr(r, v6), uint16(r.Uint32())
			if r.IntN(2) == 0 {
				local = netip.MustParseAddr("2001:db8::1")
			}
			batch.Add(local, remote, port)
			want = append(want, other.Tag(local, remote, port))
			if r.IntN(4) == 0 {
				tagger.Tag(remote, local, port) // a tag in between must not disturb the batch
			}
		}
		got := batch.Tags()
		if len(got) != len(want) {
			t.Fatalf("round %d: got %d tags, want %d", round, len(got), len(want))
		}
		for i := range got {
			if got[i] != want[i] {
				t.Fatalf("round %d, tag %d: got %x, want %x", round, i, got[i], want[i])
			}
		}
	}
	if got := batch.Tags(); len(got) != 0 {
		t.Errorf("an empty batch has %d tags", len(got))
	}
}

func TestTagsDoNotAllocate(t *testing.T) {
	r := testRand()
	src4, src6 := randAddr(r, false), randAddr(r, true)
	dst4, dst6 := randAddr(r, false), randAddr(r, true)
	var s Source = NewTagger(specKey(t), DefaultPorts(), 2) // through the interface, as receivers call it
	batch := NewTagger(specKey(t), DefaultPorts(), 2).NewBatch(64)
	var matched bool
	if n := testing.AllocsPerRun(100, func() {
		tag := s.Tag(src4, dst4, 80)
		matched = s.Ports().Match(tag, s.Ports().Of(tag, 1), s.Tries())
		s.Tag(src6, dst6, 80)
		for range 32 {
			batch.Add(src4, dst4, 80)
			batch.Add(src6, dst6, 80)
		}
		batch.Tags()
	}); n != 0 || !matched {
		t.Errorf("tags allocate %v times, want 0; matched %v", n, matched)
	}
}

func benchAddrs(v6 bool) (netip.Addr, [64]netip.Addr) {
	r := testRand()
	var remote [64]netip.Addr
	for i := range remote {
		remote[i] = randAddr(r, v6)
	}
	return randAddr(r, v6), remote
}

// Both report the time of one tag, out of 64.
func BenchmarkTag(b *testing.B) {
	for name, v6 := range map[string]bool{"ipv4": false, "ipv6": true} {
		b.Run(name, func(b *testing.B) {
			local, remote := benchAddrs(v6)
			tagger := NewTagger(specKey(b), DefaultPorts(), 1)
			b.ReportAllocs()
			var x uint32
			for b.Loop() {
				for _, a := range remote {
					tag := tagger.Tag(local, a, 80)
					x ^= tag.Seq()
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/64, "ns/tag")
		})
	}
}

func BenchmarkBatch(b *testing.B) {
	for name, v6 := range map[string]bool{"ipv4": false, "ipv6": true} {
		b.Run(name, func(b *testing.B) {
			local, remote := benchAddrs(v6)
			batch := NewTagger(specKey(b), DefaultPorts(), 1).NewBatch(64)
			b.ReportAllocs()
			var x uint32
			for b.Loop() {
				for _, a := range remote {
					batch.Add(local, a, 80)
				}
				for _, tag := range batch.Tags() {
					x ^= tag.Seq()
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/64, "ns/tag")
		})
	}
}

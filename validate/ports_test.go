package validate

import (
	"encoding/binary"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

// tagWith returns a tag with the given port word.
func tagWith(word uint32) Tag {
	var t Tag
	binary.LittleEndian.PutUint32(t[4:8], word)
	return t
}

// slowMatch tries every try.
func slowMatch(p Ports, tag Tag, port uint16, tries int) bool {
	for try := range tries {
		word := (uint64(tag.PortWord()) + uint64(try)) % (1 << 32) // compat 3.2
		if uint64(p.First)+word%uint64(p.Size()) == uint64(port) {
			return true
		}
	}
	return false
}

// cMatch is the destination port check in compat 3.3, for d, m and M as there.
func cMatch(p Ports, tag Tag, port uint16, tries int) bool {
	if port < p.First || port > p.Last {
		return false
	}
	d, size := uint32(port-p.First), p.Size()
	m, most := tag.PortWord()%size, (tag.PortWord()+uint32(tries)-1)%size
	if m <= most {
		return m <= d && d <= most
	}
	return d <= most || d >= m
}

// words returns port words of every kind: around 0, around the end of a round, around the overflow of 32 bits.
func words(size uint32) []uint32 {
	var w []uint32
	for d := range 2*size + 2 {
		w = append(w, d, 1<<31+d, -d)
	}
	return w
}

func TestPortsExhaustively(t *testing.T) {
	for size := range uint32(9) {
		if size == 0 {
			continue
		}
		for _, first := range []uint32{0, 1, 1000, 65536 - size} {
			p := Ports{uint16(first), uint16(first + size - 1)}
			for _, word := range words(size) {
				checkPorts(t, p, tagWith(word))
			}
		}
	}
}

// checkPorts compares Of and Match with their twins for every number of tries and every port near p.
func checkPorts(t *testing.T, p Ports, tag Tag) {
	t.Helper()
	size := int(p.Size())
	for tries := range size + 3 {
		overflows := uint64(tag.PortWord())+uint64(tries) > 1<<32
		accepted := 0
		for d := -2; d < size+2; d++ {
			port := int(p.First) + d
			if port < 0 || port > 65535 {
				continue
			}
			got := p.Match(tag, uint16(port), tries)
			if want := slowMatch(p, tag, uint16(port), tries); got != want {
				t.Fatalf("%v, word %#x, %d tries, port %d: got %v, want %v", p, tag.PortWord(), tries, port, got, want)
			}
			if c := cMatch(p, tag, uint16(port), tries); tries > 0 && tries <= size && !overflows && got != c {
				t.Fatalf("%v, word %#x, %d tries, port %d: got %v, C zmap %v", p, tag.PortWord(), tries, port, got, c)
			}
			if got {
				accepted++
			}
		}
		if want := min(tries, size); accepted > want || accepted != want && !overflows {
			t.Fatalf("%v, word %#x: %d ports are accepted for %d tries", p, tag.PortWord(), accepted, tries)
		}
		for try := range tries {
			if port := p.Of(tag, try); !p.Match(tag, port, tries) || port < p.First || port > p.Last {
				t.Fatalf("%v, word %#x: port %d of try %d of %d does not match", p, tag.PortWord(), port, try, tries)
			}
		}
	}
}

// All 65536 ports: C zmap counts them in 16 bits, gets 0 and divides by it (compat, bug 19).
func TestAllPorts(t *testing.T) {
	p := Ports{0, 65535}
	if p.Size() != 65536 {
		t.Fatalf("size of %v: got %d, want 65536", p, p.Size())
	}
	for _, word := range []uint32{0, 1, 65535, 65536, 0x12345678, 0xffffffff} {
		tag := tagWith(word)
		if got := p.Of(tag, 0); got != uint16(word) {
			t.Errorf("word %#x: got port %d, want %d", word, got, uint16(word))
		}
		accepted := 0
		for port := range 65536 {
			if p.Match(tag, uint16(port), 3) {
				accepted++
			}
		}
		if accepted != 3 {
			t.Errorf("word %#x: %d ports are accepted for 3 tries", word, accepted)
		}
	}
}

func TestDefaultPorts(t *testing.T) {
	p := DefaultPorts()
	if p.Size() != 28233 || p.String() != "32768-61000" {
		t.Fatalf("got %v with %d ports, want 32768-61000 with 28233", p, p.Size())
	}
	r := rand.New(rand.NewPCG(5, 6))
	for range 20000 {
		tag, try := tagWith(r.Uint32()), r.IntN(255)
		port := p.Of(tag, try)
		if port < p.First || port > p.Last || !p.Match(tag, port, try+1) {
			t.Fatalf("word %#x, try %d: port %d", tag.PortWord(), try, port)
		}
	}
}

func TestReversedPortsHoldNone(t *testing.T) {
	p := Ports{9, 1}
	if p.Size() != 0 || p.Of(tagWith(5), 0) != 9 || p.Match(tagWith(5), 9, 100) || p.Match(tagWith(5), 5, 100) {
		t.Errorf("%v: size %d, or a port matches", p, p.Size())
	}
	if (Ports{1, 9}).Match(tagWith(0), 1, 0) || (Ports{1, 9}).Match(tagWith(0), 1, -1) {
		t.Error("a port matches without tries")
	}
}

func FuzzPortsMatch(f *testing.F) {
	f.Add(uint16(32768), uint16(61000), uint32(0x401a8b73), uint16(34558), uint16(1))
	f.Add(uint16(0), uint16(65535), uint32(0xffffffff), uint16(0), uint16(2))
	f.Add(uint16(5), uint16(7), uint32(0xfffffffe), uint16(5), uint16(9))
	f.Fuzz(func(t *testing.T, first, last uint16, word uint32, port, tries uint16) {
		p := Ports{min(first, last), max(first, last)}
		tag := tagWith(word)
		if got, want := p.Match(tag, port, int(tries)), slowMatch(p, tag, port, int(tries)); got != want {
			t.Fatalf("%v, word %#x, port %d, %d tries: got %v, want %v", p, word, port, tries, got, want)
		}
	})
}

func TestParsePorts(t *testing.T) {
	good := map[string]Ports{
		"0": {}, "80": {80, 80}, "65535": {65535, 65535}, "0-65535": {0, 65535}, "32768-61000": {32768, 61000},
		"7-7": {7, 7}, "0080": {80, 80},
	}
	for text, want := range good {
		if got, err := ParsePorts(text); got != want || err != nil {
			t.Errorf("ParsePorts(%q): got %v, %v; want %v", text, got, err, want)
		}
	}
	bad := map[string]string{ // text: what the error must say to do
		"": "such as 32768-61000", "-": "such as 32768-61000", "80-": "such as 32768-61000", "-80": "such as 32768-61000",
		"1-2-3": "such as 32768-61000", "1,5": "such as 32768-61000", "http": "such as 32768-61000", "+80": "such as 32768-61000",
		" 80": "such as 32768-61000", "1_0": "such as 32768-61000", "0x50": "such as 32768-61000", "65536": "such as 32768-61000",
		"70000-70010": "such as 32768-61000", "99999999999999999999": "such as 32768-61000", "61000-32768": "32768-61000",
	}
	for text, want := range bad {
		got, err := ParsePorts(text)
		if err == nil || got != (Ports{}) {
			t.Errorf("ParsePorts(%q): got %v, %v; want an error", text, got, err)
			continue
		}
		if s := err.Error(); !strings.Contains(s, strconv.Quote(text)) || !strings.Contains(s, want) {
			t.Errorf("ParsePorts(%q): error %q does not name the text or does not say %q", text, s, want)
		}
	}
}

func FuzzParsePorts(f *testing.F) {
	for _, s := range []string{"0", "80", "32768-61000", "61000-32768", "70000-70010", "-80", "1-", "1-2-3", "+1", "٣"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePorts(text)
		if err != nil {
			if p != (Ports{}) {
				t.Fatalf("ParsePorts(%q): got %v with error %v", text, p, err)
			}
			return
		}
		if p.Size() == 0 || strings.Trim(text, "0123456789-") != "" || strings.Count(text, "-") > 1 {
			t.Fatalf("ParsePorts(%q): got %v", text, p)
		}
		if again, err := ParsePorts(p.String()); again != p || err != nil {
			t.Fatalf("ParsePorts(%q): got %v, which reads back as %v, %v", text, p, again, err)
		}
	})
}

func BenchmarkPorts(b *testing.B) {
	p := DefaultPorts()
	r := rand.New(rand.NewPCG(7, 8))
	var tags [64]Tag
	for i := range tags {
		tags[i] = tagWith(r.Uint32())
	}
	b.Run("of", func(b *testing.B) {
		b.ReportAllocs()
		var i, x int
		for b.Loop() {
			i++
			x += int(p.Of(tags[i%64], 0))
		}
	})
	b.Run("match", func(b *testing.B) {
		b.ReportAllocs()
		var i, n int
		for b.Loop() {
			i++
			if p.Match(tags[i%64], 40000, 1) {
				n++
			}
		}
	})
}

package target

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
)

func TestSources(t *testing.T) {
	var b Builder
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(b.Read(Allow, strings.NewReader("10.0.0.0/24\n10.0.0.128/25\n"), "allow"))
	must(b.Add(Allow, "10.0.0.0/23"))
	must(b.Read(Block, strings.NewReader("10.0.0.0/25\n192.0.2.0/24\n"), "one"))
	must(b.Read(Block, strings.NewReader("10.0.0.0/26\n"), "two"))
	must(b.Read(Block, strings.NewReader("10.0.1.0\n"), "one")) // the same name again is the same source
	s, err := b.Build(t.Context())
	must(err)
	if got, want := fmt.Sprint(s.Sources(Allow)), "[{allow false 2 256} { false 1 256}]"; got != want {
		t.Errorf("allow sources = %s, want %s", got, want)
	}
	if got, want := fmt.Sprint(s.Sources(Block)), "[{one false 3 129} {two false 1 0} { true 1 0}]"; got != want {
		t.Errorf("block sources = %s, want %s", got, want)
	}
}

func TestSourcesOfNothing(t *testing.T) {
	s, err := (&Builder{}).Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Sources(Allow); got != nil {
		t.Errorf("allow sources = %v, want none", got)
	}
	if got, want := fmt.Sprint(s.Sources(Block)), "[{ true 1 1}]"; got != want {
		t.Errorf("block sources = %s, want %s", got, want)
	}
}

// TestSourcesAddUp says that what the sources add and take away is what is allowed, and that a source alone takes away what
// a space without the others lacks.
func TestSourcesAddUp(t *testing.T) {
	r := rand.New(rand.NewPCG(71, 72))
	for range 200 {
		var b Builder
		for range r.IntN(4) {
			read(t, &b, Allow, r)
		}
		for range r.IntN(4) {
			read(t, &b, Block, r)
		}
		s, err := b.Build(t.Context())
		if err != nil {
			continue // everything is blocked
		}
		n := uint64(0)
		allow := s.Sources(Allow)
		for _, from := range allow {
			n += from.Addrs
		}
		if len(s.AllowEntries()) == 0 {
			n = 1 << 32
		}
		entries := 0
		for _, from := range s.Sources(Block) {
			n -= from.Addrs
			entries += from.Entries
		}
		if n != s.Allowed() || entries != len(s.BlockEntries()) {
			t.Fatalf("%v less %v come to %d addresses, want %d; %d entries, want %d",
				allow, s.Sources(Block), n, s.Allowed(), entries, len(s.BlockEntries()))
		}
	}
}

// read adds a file of up to eight networks in 16.0.0.0/12.
func read(t *testing.T, b *Builder, v Verdict, r *rand.Rand) {
	t.Helper()
	var text strings.Builder
	for range r.IntN(8) {
		fmt.Fprintln(&text, randomPrefix(r, twinBase, 12, 13, 32))
	}
	if err := b.Read(v, strings.NewReader(text.String()), fmt.Sprint("file", r.IntN(3))); err != nil {
		t.Fatal(err)
	}
}

func TestDensityOfEverything(t *testing.T) {
	s, err := (&Builder{}).Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for length, want := range map[int]Density{
		0: {1, 1<<32 - 1}, 8: {256, 1 << 24}, 24: {1 << 24, 256}, 32: {1<<32 - 1, 1},
	} {
		if got := s.Density(length); got != want {
			t.Errorf("density of /%d is %+v, want %+v", length, got, want)
		}
	}
}

// TestDensityCounts counts address by address.
func TestDensityCounts(t *testing.T) {
	r := rand.New(rand.NewPCG(73, 74))
	for range 100 {
		var allow, block []string
		for range 1 + r.IntN(6) {
			allow = append(allow, randomPrefix(r, twinBase, 12, 20, 32).String())
		}
		for range r.IntN(6) {
			block = append(block, randomPrefix(r, twinBase, 12, 22, 32).String())
		}
		var b Builder
		for _, e := range allow {
			_ = b.Add(Allow, e)
		}
		for _, e := range block {
			_ = b.Add(Block, e)
		}
		s, err := b.Build(t.Context())
		if err != nil {
			continue
		}
		for _, length := range []int{16, 23, 24, 25, 32} {
			nets := make(map[netip.Prefix]uint64)
			want := Density{}
			for row := range s.Rows() {
				p, err := s.AddrAt(row).Prefix(length)
				if err != nil {
					t.Fatal(err)
				}
				nets[p]++
				want.Most = max(want.Most, nets[p])
			}
			want.Nets = uint64(len(nets))
			if got := s.Density(length); got != want {
				t.Fatalf("allow %v block %v: density of /%d is %+v, want %+v", allow, block, length, got, want)
			}
		}
	}
}

package target

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
)

// kept returns what make returned, and by how many bytes the heap grew with it.
func kept[T any](make func() T) (T, int64) {
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	v := make()
	return v, heap() - before
}

// TestMemoryIsWhatTheHeapGrowsBy allows for the size classes of the allocator, and for small things that are not counted.
func TestMemoryIsWhatTheHeapGrowsBy(t *testing.T) {
	r := rand.New(rand.NewPCG(75, 76))
	blocked := make([]string, 30_000)
	for i := range blocked {
		blocked[i] = randomPrefix(r, 0, 0, 20, 32).String()
	}
	var listed strings.Builder
	for i := range uint32(200_000) {
		fmt.Fprintln(&listed, addr4(r.Uint32()>>(i%8)))
	}
	check := func(what string, said uint64, grown int64) {
		t.Helper()
		if d := float64(grown) - float64(said); d > 0.15*float64(said)+20_000 || -d > 0.02*float64(said)+20_000 {
			t.Errorf("%s: Memory is %d, the heap grew by %d", what, said, grown)
		}
	}
	s, grown := kept(func() *Space { return build(t, Ports{}, nil, blocked) })
	check("space with a blocklist", s.Memory(), grown)
	l, grown := kept(func() *List { return readList(t, listed.String()) })
	check("list", l.Memory(), grown)
	both, grown := kept(func() *Space { both, _ := s.Intersect(l); return both })
	check("space of a list", both.Memory()-sizeOf(s.block), grown) // the rules are those of s
	runtime.KeepAlive(blocked)
	runtime.KeepAlive(&listed)
	runtime.KeepAlive(s)
	runtime.KeepAlive(l)
	runtime.KeepAlive(both)
}

package tools

import (
	"math/rand/v2"
	"testing"
)

func TestSeenMatchesMap(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	s, twin := newSeen(), make(map[uint32]bool)
	edges := []uint32{0, 1, 63, 64, 1023, 1024, 1<<32 - 1, 1<<32 - 1024, 1<<32 - 1025, 1 << 31}
	for round := range 300 {
		addrs := make([]uint32, r.IntN(batchSize+1))
		for i := range addrs {
			switch r.IntN(4) {
			case 0:
				addrs[i] = edges[r.IntN(len(edges))]
			case 1:
				addrs[i] = r.Uint32() >> 20 // close together, so often again
			default:
				addrs[i] = r.Uint32()
			}
		}
		var repeat [batchSize]bool
		s.add(addrs, &repeat)
		for i, a := range addrs {
			if repeat[i] != twin[a] {
				t.Fatalf("round %d: %s is a repeat: %v, want %v", round, addr4(a), repeat[i], twin[a])
			}
			twin[a] = true
		}
	}
}

func TestSeenDoesNotAllocateWithoutNewPages(t *testing.T) {
	s := newSeen()
	var addrs [batchSize]uint32
	for i := range addrs {
		addrs[i] = uint32(i) << 20
	}
	var repeat [batchSize]bool
	s.add(addrs[:], &repeat)
	if n := testing.AllocsPerRun(100, func() { s.add(addrs[:], &repeat) }); n != 0 {
		t.Errorf("add allocates %v times", n)
	}
}

package dedup

import (
	"math/rand/v2"
	"testing"
)

// TestWarmChangesNothing compares memories that are warmed before each answer with ones that are not.
func TestWarmChangesNothing(t *testing.T) {
	const targets = 1 << 18
	for _, c := range []Config{
		{Method: MethodNone},
		{Method: MethodFull, Targets: targets},
		{Method: MethodWindow, Window: 1000, Receivers: 1},
		{Method: MethodWindow, Window: 1000},
	} {
		warm, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		cold, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(1, 2))
		indexes := make([]uint64, 64)
		for range 200 {
			for i := range indexes {
				indexes[i] = r.Uint64N(targets / 64)
			}
			indexes[0] = targets + r.Uint64N(10) // of no target
			warm.Warm(indexes)
			for _, index := range indexes {
				o := Outcome(r.IntN(2))
				if got, want := warm.See(index, o), cold.See(index, o); got != want {
					t.Fatalf("%v: target %d, outcome %d: repeat %v after Warm, %v without", c.Method, index, o, got, want)
				}
			}
		}
	}
}

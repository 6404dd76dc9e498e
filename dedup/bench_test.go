package dedup

import (
	"math/rand/v2"
	"testing"
)

// BenchmarkSee asks about random targets of a whole IPv4 scan, of which 1 in 16 /16s is touched, and of a window of the
// default size with four times as many targets.
func BenchmarkSee(b *testing.B) {
	benches := []struct {
		name   string
		c      Config
		spread uint64 // indexes are random multiples below this many
		factor uint64
	}{
		{"none", Config{Method: MethodNone}, 1 << 24, 1},
		{"full/16", Config{Method: MethodFull, Targets: 1 << 16}, 1 << 16, 1},
		{"full/0", Config{Method: MethodFull, Targets: 1 << 32}, 1 << 28, 1},
		{"window", Config{Method: MethodWindow, Targets: 1 << 32, Window: DefaultWindow, Receivers: 1}, 4 << 20, 1021},
		{"window/shared", Config{Method: MethodWindow, Targets: 1 << 32, Window: DefaultWindow, Receivers: 2}, 4 << 20, 1021},
	}
	for _, bench := range benches {
		b.Run(bench.name, func(b *testing.B) {
			seen, err := New(bench.c)
			if err != nil {
				b.Fatal(err)
			}
			rng := rand.New(rand.NewPCG(1, 1))
			for range DefaultWindow {
				seen.See(rng.Uint64N(bench.spread)*bench.factor, Success)
			}
			state := uint64(1)
			b.ReportAllocs()
			for b.Loop() {
				state = state*6364136223846793005 + 1442695040888963407
				seen.See(state>>32%bench.spread*bench.factor, Success)
			}
		})
	}
}

// BenchmarkSeeShared is two receivers on one bitmap.
func BenchmarkSeeShared(b *testing.B) {
	seen := NewBitmap(1 << 28)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		state := rand.Uint64()
		for pb.Next() {
			state = state*6364136223846793005 + 1442695040888963407
			seen.See(state>>36, Success)
		}
	})
}

package tools

import (
	"os"
	"testing"

	"github.com/zmap-go/zmap/target"
)

// BenchmarkIterate prints targets into /dev/null, on one thread: the whole of a /8, and the beginning of everything.
func BenchmarkIterate(b *testing.B) {
	for _, bb := range []struct {
		name string
		cfg  IterateConfig
		n    uint64
	}{
		{"slash8", IterateConfig{Networks: []string{"10.0.0.0/8"}}, 1 << 24},
		{"slash8-2ports", IterateConfig{Networks: []string{"10.0.0.0/8"}, Ports: "80,443"}, 1 << 25},
		{"ipv4-20M", IterateConfig{MaxTargets: target.Limit{N: 20e6}}, 20e6},
	} {
		b.Run(bb.name, func(b *testing.B) {
			null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
			if err != nil {
				b.Fatal(err)
			}
			defer null.Close()
			seed := uint64(2)
			bb.cfg.Seed = &seed
			b.ReportAllocs()
			for b.Loop() {
				if err := Iterate(b.Context(), bb.cfg, null); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(bb.n)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mlines/s")
		})
	}
}

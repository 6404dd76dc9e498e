package lab

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"testing"
)

// within says whether hits of n tries are what a chance gives, within so many standard deviations.
func within(hits, n int, chance, sigmas float64) bool {
	return math.Abs(float64(hits)-float64(n)*chance) <= sigmas*math.Sqrt(float64(n)*chance*(1-chance))
}

// TestLosesShare counts fates: the share is right over hosts, over the packets of a kind, and over seeds, and neither the ways nor
// neighbouring seeds have fates in common.
func TestLosesShare(t *testing.T) {
	const n = 200_000
	r := rand.New(rand.NewPCG(1, 2)) // the same in every run: a test at three standard deviations either passes or does not
	for _, share := range []float64{0, 0.001, 0.05, 0.5, 1} {
		l := Loss{In: share, Out: share, Seed: 7}
		counts := map[string]int{}
		for i := range uint32(n) {
			count := func(name string, lost bool) {
				if lost {
					counts[name]++
				}
			}
			k := packetKind{host: toAddr(10<<24 | i), port: 80, proto: protoTCP, detail: flagSYN}
			first := l.loses(k, 0)
			count("hosts", first)
			count("second packets", l.loses(k, 1))
			count("both of a kind", first && l.loses(k, 1))
			count("both ways", first && l.loses(packetKind{out: true, host: k.host, port: 80, proto: protoTCP, detail: flagSYN}, 0))
			next := l
			next.Seed++
			count("both seeds", first && next.loses(k, 0))
			count("next seed's next", first && next.loses(k, 1))
			one := packetKind{host: netip.MustParseAddr("10.0.0.1"), proto: protoICMP, detail: icmpEcho}
			count("packets of one kind", l.loses(one, i))
			next.Seed = r.Uint64()
			count("seeds", next.loses(one, 0))
		}
		for name, want := range map[string]float64{
			"hosts": share, "second packets": share, "packets of one kind": share, "seeds": share,
			"both of a kind": share * share, "both ways": share * share, "both seeds": share * share, "next seed's next": share * share,
		} {
			if !within(counts[name], n, want, 3) {
				t.Errorf("share %v: %s: %d of %d lost, want %v of them", share, name, counts[name], n, want)
			}
		}
	}
}

func TestLossMistakes(t *testing.T) {
	for _, l := range []Loss{{In: -0.1}, {In: 1.1}, {Out: math.NaN()}, {Out: 2}} {
		if _, err := (World{Loss: l}).Truth(); err == nil {
			t.Errorf("%+v: no error", l)
		}
	}
}

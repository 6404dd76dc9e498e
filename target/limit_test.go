package target

import (
	"math"
	"testing"
)

// TestLimitShareVectors holds the examples that C zmap was seen to follow, and the edges.
func TestLimitShareVectors(t *testing.T) {
	for _, c := range []struct {
		name          string
		limit         Limit
		ports         int
		shard, shards uint32
		own, all      uint64
	}{
		{"none", Limit{}, 1, 0, 1, 0, 0},
		{"none, sharded", Limit{}, 3, 2, 4, 0, 0},
		{"whole", Limit{N: 10}, 1, 0, 1, 10, 10},
		{"first shards get more", Limit{N: 10}, 1, 1, 4, 3, 10},
		{"last shards get less", Limit{N: 10}, 1, 2, 4, 2, 10},
		{"fewer than shards", Limit{N: 2}, 1, 3, 4, 0, 2},
		{"percent of one port", Limit{Percent: 0.0001}, 1, 0, 1, 4294, 4294},
		{"percent of two ports", Limit{Percent: 0.0001}, 2, 0, 1, 8589, 8589},
		{"tiny is not unlimited", Limit{Percent: 1e-12}, 1, 0, 1, 1, 1},
		{"more than all", Limit{Percent: 250}, 2, 0, 1, 1 << 33, 1 << 33},
		{"percent before number", Limit{N: 5, Percent: 100}, 1, 0, 1, 1 << 32, 1 << 32},
		{"largest number", Limit{N: math.MaxUint64}, 1, 0, 1, math.MaxUint64, math.MaxUint64},
	} {
		own, all := c.limit.Share(float64(c.ports)*(1<<32), c.shard, c.shards)
		if own != c.own || all != c.all {
			t.Errorf("%s: %+v.Share(%d, %d, %d) = %d, %d, want %d, %d", c.name, c.limit, c.ports, c.shard, c.shards, own, all, c.own, c.all)
		}
	}
}

func TestLimitSharesAddUp(t *testing.T) {
	for _, n := range []uint64{1, 7, 100, 1 << 40} {
		for shards := uint32(1); shards < 20; shards++ {
			sum, last := uint64(0), uint64(math.MaxUint64)
			for s := range shards {
				own, _ := Limit{N: n}.Share(1<<32, s, shards)
				if own > last || last-own > 1 && s > 0 {
					t.Errorf("%d targets, shard %d of %d: %d after %d, want the same or one less", n, s, shards, own, last)
				}
				sum, last = sum+own, own
			}
			if sum != n {
				t.Errorf("%d targets in %d shards: the shares add up to %d", n, shards, sum)
			}
		}
	}
}

package zmap

import (
	"net/netip"
	"testing"

	"github.com/zmap-go/zmap/permute"
	"github.com/zmap-go/zmap/target"
)

// TestProbesAreSpread looks at the first probes of a scan of 2^24 /64s at two addresses each: whatever network one operates, its share of them
// is what chance gives it, so that nobody gets their probes in a row.
func TestProbesAreSpread(t *testing.T) {
	suffixes, err := target.ParseSuffixes("::1,::2")
	if err != nil {
		t.Fatal(err)
	}
	b := target.Builder{Suffixes: suffixes}
	if err := b.Add(target.Allow, "2001:db8::/40-64"); err != nil {
		t.Fatal(err)
	}
	space, err := b.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cycle, err := permute.New(3, permute.Grid{Rows: space.Rows(), Cols: space.Cols()})
	if err != nil {
		t.Fatal(err)
	}
	walks, err := cycle.Walks(permute.Shard{Of: 1}, 1)
	if err != nil {
		t.Fatal(err)
	}
	indexes := make([]uint64, 1<<16)
	walks[0].Fill(indexes)
	of := map[netip.Prefix]int{}
	for _, i := range indexes {
		p, _ := space.At(i).Addr.Prefix(48)
		of[p]++
	}
	if len(of) != 256 {
		t.Errorf("%d of 256 /48s are asked in the first 65,536 probes", len(of))
	}
	for p, n := range of { // 256 each, give or take 16: eight times that is never by chance
		if n < 128 || n > 384 {
			t.Errorf("%s gets %d of the first 65,536 probes, want about 256", p, n)
		}
	}
}

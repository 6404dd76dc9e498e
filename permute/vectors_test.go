package permute

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"testing"

	"github.com/zmap-go/zmap/internal/vectors"
)

// number returns a field of a vector that is a number.
func number(t *testing.T, v *vectors.Vector, name string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(v.Get(name), 10, 64)
	if err != nil {
		t.Fatalf("%s: field %s: %v", v.Name, name, err)
	}
	return n
}

// TestOrderVectors compares the golden orders, as far as they are arithmetic, with the model and with the walk. What they are as
// addresses is a test of internal/tools, which refreshes them, too.
func TestOrderVectors(t *testing.T) {
	for _, v := range vectors.Files(t, "order") {
		seed, g := number(t, v, "seed"), Grid{number(t, v, "rows"), number(t, v, "cols")}
		var shard, of int64
		if _, err := fmt.Sscanf(v.Get("shard"), "%d/%d", &shard, &of); err != nil {
			t.Fatalf("%s: shard: %v", v.Name, err)
		}
		m, words := newModel(t, seed, g), modelWords(seed, 2)
		first := m.at(new(big.Int).Mul(new(big.Int).Div(m.q, big.NewInt(of)), big.NewInt(shard)))
		for name, want := range map[string]string{
			"words": fmt.Sprintf("%016x %016x", words[0], words[1]), "prime": m.p.String(), "generator": m.gen.String(),
			"offset": m.off.String(), "first": first.String(),
		} {
			if got := v.Get(name); got != want {
				t.Errorf("%s: %s is %s, the model says %s", v.Name, name, got, want)
			}
		}
		w := mustWalks(t, mustCycle(t, seed, g), Shard{uint32(shard), uint32(of)}, 1)[0]
		for i, want := range m.subshard(shard, of, len(v.Body)) {
			row, col, _ := strings.Cut(v.Body[i], " ")
			col, _, _ = strings.Cut(col, " ")
			mask := uint64(1)<<Bits(g.Cols) - 1
			if row != strconv.FormatUint(want>>Bits(g.Cols), 10) || col != strconv.FormatUint(want&mask, 10) {
				t.Errorf("%s: target %d is %q, the model says %d, %d", v.Name, i, v.Body[i], want>>Bits(g.Cols), want&mask)
			}
			if got, ok := w.Next(); got != want || !ok {
				t.Errorf("%s: target %d is %d, %v, the model says %d", v.Name, i, got, ok, want)
			}
		}
		if len(v.Body) == 0 {
			t.Errorf("%s has no targets", v.Name)
		}
	}
}

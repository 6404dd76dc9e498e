package tools

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/zmap-go/zmap/internal/vectors"
	"github.com/zmap-go/zmap/permute"
	"github.com/zmap-go/zmap/target"
)

var update = flag.Bool("update", false, "write the golden vectors anew")

// most is the number of targets up to which a vector has a sum over all of them, and shown how many it lists.
const (
	most  = 1 << 18
	shown = 12
)

// TestOrderVectors prints the targets of the golden orders.
func TestOrderVectors(t *testing.T) {
	for _, v := range vectors.Files(t, "order") {
		cfg := IterateConfig{Ports: v.Get("ports"), Networks: v.All("allow")}
		if block := v.All("block"); block != nil {
			cfg.Blocklist = filepath.Join(t.TempDir(), "blocklist")
			if err := os.WriteFile(cfg.Blocklist, []byte(strings.Join(block, "\n")), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		seed, err := strconv.ParseUint(v.Get("seed"), 10, 64)
		if err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		cfg.Seed = &seed
		if _, err := fmt.Sscanf(v.Get("shard"), "%d/%d", &cfg.Shard, &cfg.Shards); err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		v.Check(t, orderOf(t, v, cfg), *update)
	}
}

// orderOf makes a vector anew.
func orderOf(t *testing.T, v *vectors.Vector, cfg IterateConfig) *vectors.Vector {
	t.Helper()
	walk, space, _, err := cfg.walk(t.Context())
	if err != nil {
		t.Fatalf("%s: %v", v.Name, err)
	}
	cycle, err := permute.New(*cfg.Seed, permute.Grid{Rows: space.Rows(), Cols: space.Cols()})
	if err != nil {
		t.Fatal(err)
	}
	got, words := v.Clone(), permute.NewWords(*cfg.Seed)
	got.Set("rows", strconv.FormatUint(space.Rows(), 10))
	got.Set("cols", strconv.FormatUint(space.Cols(), 10))
	got.Set("words", fmt.Sprintf("%016x %016x", words.Next(), words.Next()))
	got.Set("prime", strconv.FormatUint(cycle.Prime(), 10))
	got.Set("generator", strconv.FormatUint(cycle.Generator(), 10))
	got.Set("offset", strconv.FormatUint(cycle.Offset(), 10))
	got.Set("first", strconv.FormatUint(walk.Mark().Element, 10))
	if space.Targets()/uint64(cfg.Shards) <= most {
		all := iterate(t, cfg)
		got.Set("targets", strconv.Itoa(len(all)))
		got.Set("sha256", fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Join(all, "\n")+"\n"))))
	}
	cfg.MaxTargets = target.Limit{N: shown * uint64(cfg.Shards)}
	got.Body = nil
	bits := permute.Bits(space.Cols())
	for _, line := range iterate(t, cfg) {
		index, _ := walk.Next()
		got.Body = append(got.Body, fmt.Sprintf("%d %d %s", index>>bits, index&(1<<bits-1), line))
	}
	return got
}

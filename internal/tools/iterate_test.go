package tools

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/zmap-go/zmap/permute"
	"github.com/zmap-go/zmap/target"
)

// iterate returns the lines that cfg prints.
func iterate(t *testing.T, cfg IterateConfig) []string {
	t.Helper()
	var out bytes.Buffer
	if err := Iterate(t.Context(), cfg, &out); err != nil {
		t.Fatalf("Iterate(%+v) = %v", cfg, err)
	}
	text, whole := strings.CutSuffix(out.String(), "\n")
	if !whole {
		t.Fatalf("Iterate(%+v) wrote %q, want an end of line behind the last line", cfg, text)
	}
	return strings.Split(text, "\n")
}

// writeList writes a file of lines and returns its path.
func writeList(t testing.TB, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// slowIterate is Iterate with one index after the other and fmt.
func slowIterate(t *testing.T, cfg IterateConfig) []string {
	t.Helper()
	b := target.Builder{}
	if err := b.AddAllowed(cfg.Allowlist, cfg.Networks); err != nil {
		t.Fatal(err)
	}
	if cfg.Blocklist != "" {
		if err := b.ReadFile(target.Block, cfg.Blocklist); err != nil {
			t.Fatal(err)
		}
	}
	if cfg.Ports != "" {
		var err error
		if b.Ports, err = target.ParsePorts(cfg.Ports); err != nil {
			t.Fatal(err)
		}
	}
	space, err := b.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cycle, err := permute.New(*cfg.Seed, permute.Grid{Rows: space.Rows(), Cols: space.Cols()})
	if err != nil {
		t.Fatal(err)
	}
	walks, err := cycle.Walks(permute.Shard{N: cfg.Shard, Of: max(1, cfg.Shards)}, 1)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for {
		index, ok := walks[0].Next()
		if !ok {
			return lines
		}
		x := space.At(index)
		if x.Port == 0 {
			lines = append(lines, x.Addr.String())
			continue
		}
		lines = append(lines, fmt.Sprintf("%s,%d", x.Addr, x.Port))
	}
}

func TestIterateMatchesSlowTwin(t *testing.T) {
	seed := uint64(7)
	for _, cfg := range []IterateConfig{
		{Networks: []string{"10.0.0.0/18"}},
		{Networks: []string{"10.0.0.0/22", "255.255.255.0/24", "1.2.3.4", "0.0.0.0/26"}, Ports: "0,1,22,443,8080,65535"},
		{Allowlist: writeList(t, "9.8.0.0/17", "100.200.0.0/20"), Blocklist: writeList(t, "9.8.7.0/24"), Networks: []string{"7.0.0.9"}},
		{Networks: []string{"10.0.0.0/20"}, Ports: "53", Shard: 2, Shards: 3},
	} {
		cfg.Seed = &seed
		got, want := iterate(t, cfg), slowIterate(t, cfg)
		if !slices.Equal(got, want) {
			t.Errorf("Iterate(%+v) printed %d lines, which are not the %d of the slow twin", cfg, len(got), len(want))
		}
	}
}

// TestIterateOctets prints every number that a byte can be, in each of the four places.
func TestIterateOctets(t *testing.T) {
	for place := range 4 {
		var networks []string
		for n := range 256 {
			b := [4]byte{11, 22, 33, 44}
			b[place] = byte(n)
			networks = append(networks, netip.AddrFrom4(b).String())
		}
		got := iterate(t, IterateConfig{Networks: networks})
		slices.Sort(got)
		slices.Sort(networks)
		if !slices.Equal(got, networks) {
			t.Errorf("place %d: Iterate printed %q, want %q", place, got, networks)
		}
	}
}

func TestIterateShardsTile(t *testing.T) {
	seed := uint64(99)
	for _, cfg := range []IterateConfig{
		{Networks: []string{"10.0.0.0/22"}},
		{Networks: []string{"10.0.0.0/25", "10.3.0.0/24"}, Ports: "80,443,8080"},
	} {
		cfg.Seed = &seed
		whole := iterate(t, cfg)
		for shards := uint32(2); shards < 8; shards++ {
			var parts []string
			for shard := range shards {
				cfg.Shard, cfg.Shards = shard, shards
				parts = append(parts, iterate(t, cfg)...)
			}
			cfg.Shard, cfg.Shards = 0, 0
			if !slices.Equal(parts, whole) {
				t.Errorf("%d shards of %v print %d lines one after the other, want the %d of the whole in their order",
					shards, cfg.Networks, len(parts), len(whole))
			}
		}
	}
}

func TestIterateMaxTargets(t *testing.T) {
	seed := uint64(5)
	slash := []string{"10.0.0.0/20"}
	for _, c := range []struct {
		name  string
		limit target.Limit
		ports string
		shard uint32
		of    uint32
		want  int
	}{
		{"none", target.Limit{}, "", 0, 1, 4096},
		{"one", target.Limit{N: 1}, "", 0, 1, 1},
		{"more than a batch", target.Limit{N: 4000}, "1,2", 0, 1, 4000},
		{"a batch", target.Limit{N: iterateBatch}, "1,2", 0, 1, iterateBatch},
		{"a batch and one", target.Limit{N: iterateBatch + 1}, "1,2", 0, 1, iterateBatch + 1},
		{"more than there are", target.Limit{N: 1 << 40}, "", 0, 1, 4096},
		{"percent of all IPv4", target.Limit{Percent: 0.00001}, "", 0, 1, 429},
		{"percent of two ports", target.Limit{Percent: 0.00001}, "1,2", 0, 1, 858},
		{"percent of less than one", target.Limit{Percent: 1e-11}, "", 0, 1, 1},
		{"first of four shards", target.Limit{N: 10}, "", 0, 4, 3},
		{"third of four shards", target.Limit{N: 10}, "", 2, 4, 2},
	} {
		cfg := IterateConfig{Networks: slash, Ports: c.ports, Seed: &seed, Shard: c.shard, Shards: c.of}
		all := iterate(t, cfg)
		cfg.MaxTargets = c.limit
		if got := iterate(t, cfg); len(got) != c.want || !slices.Equal(got, all[:c.want]) {
			t.Errorf("%s: Iterate printed %d lines, want the first %d of %d", c.name, len(got), c.want, len(all))
		}
	}
}

func TestIterateSeedIsRandom(t *testing.T) {
	cfg := IterateConfig{Networks: []string{"10.0.0.0/24"}}
	first, second := iterate(t, cfg), iterate(t, cfg)
	if slices.Equal(first, second) {
		t.Error("two runs without a seed print the same order")
	}
	slices.Sort(first)
	slices.Sort(second)
	if !slices.Equal(first, second) {
		t.Error("two runs without a seed print different targets")
	}
}

func TestIterateErrors(t *testing.T) {
	seed := uint64(1)
	for _, c := range []struct {
		name string
		cfg  IterateConfig
		want string
	}{
		{"shard beyond shards", IterateConfig{Shard: 3, Shards: 3, Seed: &seed}, "--shard 3"},
		{"shard without shards", IterateConfig{Shard: 1, Seed: &seed}, "--shard 1"},
		{"shards without seed", IterateConfig{Shards: 2}, "--seed"},
		{"shards beyond targets", IterateConfig{Networks: []string{"10.0.0.0/30"}, Shards: 5, Seed: &seed}, "fewer targets than shards, 4"},
		{"shards beyond limit", IterateConfig{Shards: 5, Seed: &seed, MaxTargets: target.Limit{N: 4}}, "fewer targets than shards, 4"},
		{"ports", IterateConfig{Ports: "80-"}, "--target-ports"},
		{"network", IterateConfig{Networks: []string{"10.0.0.0/40"}}, "10.0.0.0/40"},
		{"missing file", IterateConfig{Blocklist: filepath.Join(t.TempDir(), "none")}, "none"},
		{"nothing left", IterateConfig{Networks: []string{"0.0.0.0"}}, target.ErrEmpty.Error()},
	} {
		var out bytes.Buffer
		err := Iterate(t.Context(), c.cfg, &out)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: Iterate = %v, want an error with %q", c.name, err, c.want)
		}
		if out.Len() > 0 {
			t.Errorf("%s: Iterate wrote %q before its error", c.name, out.String())
		}
	}
}

func TestIterateIgnoresListErrors(t *testing.T) {
	var text bytes.Buffer
	cfg := IterateConfig{
		Networks: []string{"10.0.0.0/30"}, Blocklist: writeList(t, "10.0.0.300", "10.0.0.2"), IgnoreErrors: true, Ports: "0,0",
		Log: slog.New(slog.NewTextHandler(&text, nil)),
	}
	got := iterate(t, cfg)
	slices.Sort(got)
	if want := []string{"10.0.0.0", "10.0.0.1", "10.0.0.3"}; !slices.Equal(got, want) {
		t.Errorf("Iterate printed %q, want %q", got, want)
	}
	for _, part := range []string{"list:1", "10.0.0.300", "1 target ports are named more than once"} {
		if !strings.Contains(text.String(), part) {
			t.Errorf("the log is %q, want it to say %q", text.String(), part)
		}
	}
}

// A cancelWriter ends a context at its first write.
type cancelWriter struct {
	cancel context.CancelCauseFunc
	cause  error
	bytes  int
}

func (w *cancelWriter) Write(p []byte) (int, error) {
	w.cancel(w.cause)
	w.bytes += len(p)
	return len(p), nil
}

func TestIterateEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	w := &cancelWriter{cancel: cancel, cause: errors.New("enough")}
	if err := Iterate(ctx, IterateConfig{}, w); !errors.Is(err, w.cause) {
		t.Errorf("Iterate = %v, want %v", err, w.cause)
	}
	if w.bytes > iterateBatch*maxTargetLine {
		t.Errorf("Iterate wrote %d bytes, more than one piece, though the context ended with the first", w.bytes)
	}
}

// closedPipe returns the writing end of a pipe that nobody reads.
func closedPipe(t testing.TB) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	t.Cleanup(func() { w.Close() })
	return w
}

func TestIterateReaderGone(t *testing.T) {
	if err := Iterate(t.Context(), IterateConfig{}, closedPipe(t)); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("Iterate into a pipe that nobody reads = %v, want EPIPE", err)
	}
}

func TestLineWriterDoesNotAllocate(t *testing.T) {
	b := target.Builder{Ports: target.NewPorts(0, 65535)}
	space, err := b.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w := newLineWriter(space)
	indexes := []uint64{0, 1, 1 << 20, 1<<20 + 1, 1<<33 - 4}
	dst := make([]byte, 0, len(indexes)*maxTargetLine)
	if n := testing.AllocsPerRun(100, func() { dst = w.append(dst[:0], indexes) }); n != 0 {
		t.Errorf("append allocates %v times", n)
	}
}

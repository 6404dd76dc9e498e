package tools

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"

	"github.com/zmap-go/zmap/permute"
	"github.com/zmap-go/zmap/target"
)

// IterateConfig says which targets [Iterate] prints, and in what order.
type IterateConfig struct {
	// Networks and those in the file Allowlist, or everything if there are neither, without those in the file Blocklist.
	// 0.0.0.0 is never among the targets.
	Networks  []string
	Allowlist string
	Blocklist string
	// IgnoreErrors passes over entries of the lists that cannot be used.
	IgnoreErrors bool
	// Ports as in a scan, "80,443,8000-8010" or "*"; "" means addresses alone.
	Ports string

	Seed       *uint64      // order of the targets; nil means a random one
	MaxTargets target.Limit // of all shards together
	Shard      uint32       // this machine's share, counted from 0
	Shards     uint32       // number of shares; 0 means 1. More than one needs a Seed

	Log *slog.Logger // nil means no log
}

// Iterate writes the targets of a scan to out, a line each, in the order in which one thread of C zmap asks them for the
// same seed: "192.0.2.1", or "192.0.2.1,443" where the port is not 0. It writes in pieces of a few thousand lines, and
// ends between two of them when ctx does, with the cause of ctx.
func Iterate(ctx context.Context, cfg IterateConfig, out io.Writer) error {
	walk, space, most, err := cfg.walk(ctx)
	if err != nil {
		return err
	}
	indexes := make([]uint64, iterateBatch)
	lines := newLineWriter(space)
	text := make([]byte, 0, iterateBatch*maxTargetLine)
	for most > 0 {
		n := walk.Fill(indexes[:min(most, iterateBatch)])
		if n == 0 {
			break
		}
		most -= uint64(n)
		text = lines.append(text[:0], indexes[:n])
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("print targets: %w", context.Cause(ctx))
		}
		if _, err := out.Write(text); err != nil {
			return fmt.Errorf("write output: %w", err)
		}
	}
	return nil
}

// iterateBatch is the number of lines in a piece: 48 KB to 84 KB of text, which stay in the processor's second cache.
const iterateBatch = 4096

// walk returns this shard's way through the space, and how many targets of it are wanted.
func (c *IterateConfig) walk(ctx context.Context) (*permute.Walk, *target.Space, uint64, error) {
	shard := permute.Shard{N: c.Shard, Of: max(1, c.Shards)}
	if shard.N >= shard.Of {
		return nil, nil, 0, fmt.Errorf("--shard %d: shards count from 0; with %d of them the last is %d", shard.N, shard.Of, shard.Of-1)
	}
	if shard.Of > 1 && c.Seed == nil {
		return nil, nil, 0, errors.New("--shards: sharing the targets needs a --seed, the same for all shards")
	}
	space, err := c.space(ctx)
	if err != nil {
		return nil, nil, 0, err
	}
	most, all := c.MaxTargets.Share(space.Conceivable(), shard.N, shard.Of)
	total := space.Targets()
	if all == 0 {
		most, all = math.MaxUint64, total
	}
	if uint64(shard.Of) > min(all, total) {
		return nil, nil, 0, fmt.Errorf("--shards %d: there are fewer targets than shards, %d", shard.Of, min(all, total))
	}
	cycle, err := permute.New(seedOr(c.Seed), permute.Grid{Rows: space.Rows(), Cols: space.Cols()})
	if err != nil {
		return nil, nil, 0, fmt.Errorf("order the targets: %w", err)
	}
	walks, err := cycle.Walks(shard, 1)
	if err != nil {
		return nil, nil, 0, fmt.Errorf("order the targets: %w", err)
	}
	return walks[0], space, most, nil
}

// space reads ports and lists.
func (c *IterateConfig) space(ctx context.Context) (*target.Space, error) {
	log := orDiscard(c.Log)
	s := spaceConfig{networks: c.Networks, allowlist: c.Allowlist, blocklist: c.Blocklist, ignoreErrors: c.IgnoreErrors}
	if c.Ports != "" {
		var err error
		if s.ports, err = target.ParsePorts(c.Ports); err != nil {
			return nil, fmt.Errorf("--target-ports: %w", err)
		}
		if n := s.ports.Duplicates(); n > 0 {
			log.Warn(fmt.Sprintf("%d target ports are named more than once; each is printed once", n))
		}
	}
	space, _, err := s.space(ctx, log)
	return space, err
}

// seedOr returns the seed, or a random number if there is none.
func seedOr(seed *uint64) uint64 {
	if seed != nil {
		return *seed
	}
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails: the program ends if there is no randomness
	return binary.NativeEndian.Uint64(b[:])
}

package zmap

import (
	"fmt"
	"slices"
	"time"

	"github.com/zmap-go/zmap/dedup"
	"github.com/zmap-go/zmap/internal/checkpoint"
	"github.com/zmap-go/zmap/internal/engine"
	"github.com/zmap-go/zmap/permute"
	"github.com/zmap-go/zmap/validate"
)

// keep returns what writes down how far the scan is, nil without a checkpoint, and where an earlier process has left it, the beginning if there
// was none.
func (s *setup) keep(c *course, same []checkpoint.Trait, key validate.Key, walks []engine.Order, plan *Plan) (k *keeper, from engine.From, err error) {
	if s.Checkpoint == nil {
		return k, from, nil
	}
	k = &keeper{path: s.Checkpoint.Path, log: s.Log, cycle: c.cycle}
	for _, w := range walks {
		k.walks = append(k.walks, w.(resumable))
	}
	path := k.path + checkpoint.Suffix
	if s.state == nil {
		if k.journal, err = checkpoint.CreateJournal(path, indexes(c.space)); err != nil {
			return k, from, err
		}
		k.state = checkpoint.State{
			Version: Version(), Scan: plan.ID, Started: time.Now(), Program: s.Checkpoint.Program, Same: same,
			Key: key.Hex(), Seed: plan.Seed, Senders: plan.Senders,
		}
	} else {
		k.state = *s.state
		if d := s.state.Differs(same); d != "" {
			return k, from, fmt.Errorf("%s is of another scan: %s", k.path, d)
		}
		k.state.Resumed++
		plan.ID = k.state.Scan
		if from, err = s.goBack(c, k, path, plan); err != nil {
			return k, from, err
		}
	}
	k.names = s.outputNames()
	k.rows, k.sendTime = k.state.Rows, k.state.SendTime
	return k, from, nil
}

// goBack takes walks, limits and the memory of answers to where the scan is carried on.
func (s *setup) goBack(c *course, k *keeper, path string, plan *Plan) (from engine.From, err error) {
	state := &k.state
	rewind := s.Checkpoint.Rewind
	switch {
	case rewind == 0:
		rewind = -1 // what the checkpoint knows
	case rewind < 0:
		rewind = 0
	}
	back, err := state.Back(rewind)
	if err != nil {
		return from, err
	}
	for _, o := range state.Outputs {
		from.Outputs = append(from.Outputs, o.Place)
	}
	for i, p := range back.Walks {
		if err := k.walks[i].Resume(k.walks[i].MarkAt(p.Step)); err != nil {
			return from, err
		}
		from.Targets = append(from.Targets, p.Targets)
	}
	if err := s.lessen(c, state); err != nil {
		return from, err
	}
	failures := &behind{cycle: c.cycle, shard: permute.Shard{N: s.Shard, Of: s.Shards}, at: back.Walks}
	k.journal, err = checkpoint.OpenJournal(path, state.Journal, indexes(c.space), func(index uint64, o dedup.Outcome) {
		c.seen.See(index, o)
		if o == dedup.Failure && s.Dedup == dedup.MethodFull {
			failures.add(index)
		}
	})
	if err == nil {
		err = failures.sift()
	}
	c.seen = dedup.Recall(c.seen, failures.found)
	r := &Resumption{At: state.At(), Back: back.At, Rows: state.Rows, Times: state.Resumed}
	for _, t := range from.Targets {
		r.Targets += t
	}
	plan.Resumed = r
	return from, err
}

// behind collects those of many targets that are still to be asked.
type behind struct {
	cycle *permute.Cycle
	shard permute.Shard
	at    []engine.Place // where the walks are
	some  []uint64       // that are not looked at yet
	found []uint64
	err   error
}

// behindAtOnce targets are looked at together: few enough to be found in the cycle without a walk through all of it.
const behindAtOnce = 1 << 20

func (b *behind) add(index uint64) {
	if b.some = append(b.some, index); len(b.some) == behindAtOnce && b.err == nil {
		b.err = b.sift()
	}
}

// sift looks at what was added.
func (b *behind) sift() error {
	if len(b.some) == 0 || b.err != nil {
		return b.err
	}
	listed, err := b.cycle.Listed(slices.Values(b.some), b.shard, len(b.at))
	if err != nil {
		return err
	}
	var part [256]uint64
	for i, l := range listed {
		if err := l.Resume(l.MarkAt(b.at[i].Step)); err != nil {
			return err
		}
		for n := len(part); n == len(part); {
			n = l.Fill(part[:])
			b.found = append(b.found, part[:n]...)
		}
	}
	b.some = b.some[:0]
	return nil
}

// lessen takes off the limits what earlier processes have used of them.
func (s *setup) lessen(c *course, state *checkpoint.State) error {
	l := &c.limits
	if l.MaxResults > 0 {
		if state.Rows >= l.MaxResults {
			return fmt.Errorf("the scan has its %d results, which are all that it may", state.Rows)
		}
		l.MaxResults -= state.Rows
	}
	if l.MaxRuntime > 0 {
		if state.SendTime >= l.MaxRuntime {
			return fmt.Errorf("the scan has sent for %s, which is all that it may: give it more time", state.SendTime.Round(time.Second))
		}
		l.MaxRuntime -= state.SendTime
	}
	return nil
}

package zmap

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/zmap-go/zmap/target"
	"github.com/zmap-go/zmap/validate"

	"github.com/zmap-go/zmap/dedup"
	"github.com/zmap-go/zmap/internal/checkpoint"
	"github.com/zmap-go/zmap/internal/engine"
	"github.com/zmap-go/zmap/permute"
)

// A Checkpoint has a scan write down every second how far it is, so that another process can carry it on after this one was killed: no
// target is missed, none is asked twice but those of the last seconds, and no row is lost or there twice. All sinks must be
// [sink.Resumer], which the text formats are on a [sink.File].
//
// It is two files, both their owner's alone: the one at Path and, with .seen behind that name, the list of targets that have
// answered: 5 bytes for each in a scan of all IPv4 addresses.
type Checkpoint struct {
	Path string
	// Resume carries on the scan whose checkpoint is at Path. The Config must be the same as then but for what does not change which
	// targets are asked: rate, limits, Exclude, interface, hooks. Seed, Key and Senders are those of the checkpoint.
	Resume bool
	// Rewind is for how long before the checkpoint's last moment targets are asked again, since their answers may have been under way; 0
	// means as long as answers took so far, and not less than 2 seconds, negative none.
	Rewind time.Duration
	// Program is kept for the program around: a JSON object.
	Program json.RawMessage
	// Same is what else must be the same to carry the scan on, by names that errors have: arguments of the probe, for example.
	Same map[string]string
}

// A Resumption says what a scan that was carried on has of the one before.
type Resumption struct {
	At      time.Time // the last moment of which is known how far that was
	Back    time.Time // the moment up to which its targets are not asked again
	Targets uint64    // asked until then, which this process does not ask
	Rows    uint64    // that it has written
	Times   int       // how often the scan was carried on, this time included
}

// A resumable is an order that can be taken to another place.
type resumable interface {
	engine.Order
	Resume(m permute.Mark) error
	MarkAt(step uint64) permute.Mark
	Locate(position uint64) (step uint64, ok bool)
}

// checkCheckpoint says what cannot stand beside a checkpoint.
func (s *setup) checkCheckpoint() error {
	switch {
	case s.Checkpoint == nil:
		return nil
	case s.Checkpoint.Path == "":
		return errors.New("names no file")
	case s.DryRun != nil:
		return errors.New("a dry run has nothing to carry on")
	}
	return nil
}

// openCheckpoint reads the checkpoint of a scan that is carried on, and takes from it what it says. The scan of another one is not
// written over while it can be carried on.
func (s *setup) openCheckpoint() error {
	c := s.Checkpoint
	if c == nil {
		return nil
	}
	state, err := checkpoint.Open(c.Path)
	switch {
	case !c.Resume && errors.Is(err, fs.ErrNotExist):
		return nil
	case !c.Resume && err != nil:
		return fmt.Errorf("is not written over: %w", err)
	case !c.Resume && state.Over == "":
		return fmt.Errorf("%s has a scan of %s that did not come to its end: resume that one, or remove the file", c.Path, state.At().Format(time.DateTime))
	case !c.Resume:
		return nil
	case err != nil:
		return err
	case state.Over != "":
		return fmt.Errorf("%s: that scan came to its end (%s), and nothing is left to be carried on", c.Path, state.Over)
	}
	if s.Seed == nil {
		s.Seed = &state.Seed
	}
	if s.Senders == 0 {
		s.Senders = state.Senders
	}
	key, err := state.ProbeKey()
	s.Key, s.state = &key, state
	return err
}

// checkpointError says that a mistake is in the checkpoint.
func (s *setup) checkpointError(err error) error {
	field := "Checkpoint"
	switch {
	case err == nil:
		return nil
	case s.Checkpoint.Resume:
		field += ".Resume"
	}
	return &ConfigError{Field: field, Err: err}
}

// traits are what the scan is known by.
func (s *setup) traits(c *course, plan *Plan) []checkpoint.Trait {
	list := []checkpoint.Trait{
		{Name: "probe module", Value: s.desc.Name},
		{Name: "target ports", Value: portText(c.space.Ports())},
		{Name: "targets", Value: c.digest()},
		{Name: "probes per target", Value: fmt.Sprint(s.Tries)},
		{Name: "seed", Value: fmt.Sprint(plan.Seed)},
		{Name: "shard", Value: permute.Shard{N: s.Shard, Of: s.Shards}.String()},
		{Name: "sending threads", Value: fmt.Sprint(plan.Senders)},
		{Name: "deduplication", Value: plan.Dedup.String()},
		{Name: "grab module", Value: plan.Grab},
		{Name: "outputs", Value: strings.Join(s.outputNames(), ", ")},
	}
	for _, name := range slices.Sorted(maps.Keys(s.Checkpoint.Same)) {
		list = append(list, checkpoint.Trait{Name: name, Value: s.Checkpoint.Same[name]})
	}
	return list
}

// outputNames are the names of the outputs.
func (s *setup) outputNames() []string {
	names := make([]string, len(s.outs))
	for i, o := range s.outs {
		names[i] = o.Name
	}
	return names
}

// portText is a list of ports as people write it.
func portText(p target.Ports) string {
	var parts []string
	for i := 0; i < p.Len(); {
		first := p.At(i)
		last := first
		for i++; i < p.Len() && last != math.MaxUint16 && p.At(i) == last+1; i++ {
			last++
		}
		if parts = append(parts, fmt.Sprint(first)); last > first {
			parts[len(parts)-1] += fmt.Sprintf("-%d", last)
		}
	}
	return strings.Join(parts, ",")
}

// keep prepares the scan to be checkpointed, after it was taken to where an earlier process has left it. Both results are nil without a
// checkpoint, but for from.
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
			Key: hex.EncodeToString(key[:]), Seed: plan.Seed, Senders: plan.Senders,
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
	if b.some = append(b.some, index); len(b.some) == behindAtOnce {
		b.err = errors.Join(b.err, b.sift())
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

// A keeper writes down how far a scan is: it is the engine's [engine.Keeper].
type keeper struct {
	path     string
	log      *slog.Logger
	journal  *checkpoint.Journal
	extent   checkpoint.Extent
	state    checkpoint.State
	names    []string // of the outputs
	cycle    *permute.Cycle
	walks    []resumable
	rows     uint64        // of earlier processes
	sendTime time.Duration // of theirs
	failing  bool          // the last Save was in vain
}

// Note implements [engine.Keeper].
func (k *keeper) Note(index uint64, o dedup.Outcome) { k.journal.Note(index, o) }

// Sync implements [engine.Keeper].
func (k *keeper) Sync() (err error) {
	k.extent, err = k.journal.Sync()
	return err
}

// Save implements [engine.Keeper]. A scan goes on without it when the disk is full, and says so once.
func (k *keeper) Save(snap *engine.Snapshot) error {
	s := k.state
	s.Moments, s.Since, s.Window, s.Journal = snap.Moments, snap.Since, snap.Window, k.extent
	s.Rows, s.SendTime = k.rows+snap.Counts.Rows, k.sendTime+snap.SendTime
	for i, place := range snap.Outputs {
		s.Outputs = append(s.Outputs[:i:i], checkpoint.Output{Name: k.names[i], Place: place})
	}
	switch snap.Reason {
	case engine.WalkDone, engine.MaxTargets, engine.MaxResults:
		s.Over = snap.Reason.String()
	default:
	}
	err := s.Write(k.path)
	if err != nil && !k.failing {
		k.log.Error(fmt.Sprintf("the checkpoint stays as it was: %v", err))
	}
	k.failing = err != nil
	if err != nil {
		return fmt.Errorf("write checkpoint: %w", err)
	}
	return nil
}

// Find implements [engine.Keeper].
func (k *keeper) Find(index uint64) (walk int, step uint64, ok bool) {
	position, ok := k.cycle.Position(index)
	if !ok {
		return 0, 0, false
	}
	for i, w := range k.walks {
		if step, ok := w.Locate(position); ok {
			return i, step, true
		}
	}
	return 0, 0, false
}

// close closes the journal.
func (k *keeper) close() error {
	if k == nil || k.journal == nil {
		return nil
	}
	return k.journal.Close()
}

// engine returns the keeper as the engine takes it.
func (k *keeper) engine() engine.Keeper {
	if k == nil {
		return nil
	}
	return k
}

// digest is the targets in a form that can be compared: their number, and a sum of what they come from.
func (c *course) digest() string {
	h := sha256.New()
	for p := range c.space.Prefixes() {
		fmt.Fprintln(h, p)
	}
	var b [8]byte
	each := func(indexes iter.Seq[uint64]) {
		for i := range indexes {
			binary.LittleEndian.PutUint64(b[:], i)
			h.Write(b[:])
		}
	}
	switch {
	case c.pairs != nil:
		each(slices.Values(c.pairs))
	case c.list != nil:
		each(indexesOf(c.space, c.list))
	}
	return fmt.Sprintf("%d with SHA-256 %x", c.targets(), h.Sum(nil)[:16])
}

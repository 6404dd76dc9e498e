package zmap

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/zmap-go/zmap/internal/checkpoint"
	"github.com/zmap-go/zmap/internal/engine"
	"github.com/zmap-go/zmap/permute"
	"github.com/zmap-go/zmap/target"
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
	if c.space.IPv6() > 0 {
		list = append(list, checkpoint.Trait{Name: "IPv6 suffixes", Value: s.Suffixes})
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

// digest is the targets in a form that can be compared: their number, and a sum of what they come from.
func (c *course) digest() string {
	h := sha256.New()
	for p := range c.space.Prefixes() {
		fmt.Fprintln(h, p)
	}
	for _, w := range c.space.Windows() {
		fmt.Fprintln(h, w)
	}
	for _, p := range c.space.BlockedIPv6() {
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

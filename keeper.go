package zmap

import (
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/zmap-go/zmap/dedup"
	"github.com/zmap-go/zmap/internal/checkpoint"
	"github.com/zmap-go/zmap/internal/engine"
	"github.com/zmap-go/zmap/permute"
)

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

// note writes down which range of source ports this process has.
func (k *keeper) note(ports int) {
	if k != nil {
		all := slices.DeleteFunc(slices.Clone(k.state.Ranges), func(n int) bool { return n == ports })
		k.state.Ranges = append(all, ports)
	}
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

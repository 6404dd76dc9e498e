package monitor

import (
	"fmt"
	"log/slog"
	"math"
)

// The shares above which losses are worth a warning.
const (
	dropShare   = 0.05 // packets dropped to answers received
	refuseShare = 0.01 // packets refused to packets sent
)

// Warnings warns of packets that get lost on this host: those that the kernel could not hand over, and those that it would
// not send. It is an [Output], owned by one goroutine.
type Warnings struct {
	log *slog.Logger
}

// NewWarnings returns Warnings that go to log under the module name "monitor".
func NewWarnings(log *slog.Logger) *Warnings {
	return &Warnings{log: log.With(ModuleKey, "monitor")}
}

// Put warns if r shows drops of more than 5 % of the answers, or refusals of more than 1 % of the packets sent, since the
// reading before. The error is always nil.
func (w *Warnings) Put(r *Reading) error {
	if !r.Fresh {
		return nil
	}
	if r.DropRate.Last > dropShare*r.SuccessRate.Last {
		w.log.Warn(fmt.Sprintf("Dropped %.0f packets in the last second", math.Ceil(r.DropRate.Last)),
			"total", r.Drops(), "kernel", r.Dropped, "interface", r.IfDropped)
	}
	if r.RefusedRate.Last > refuseShare*r.SentRate.Last {
		w.log.Warn(fmt.Sprintf("Failed to send %.0f packets/sec", math.Ceil(r.RefusedRate.Last)), "total", r.Refused)
	}
	return nil
}

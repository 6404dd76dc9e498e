package engine

import (
	"math"
	"runtime"
	"sync/atomic"
	"time"
)

// The gate is the one place through which everything that slows a scan acts: the rate that the caller sets while the scan
// runs, and a collector or hooks that cannot keep up. Senders look at it once per batch.
type gate struct {
	rate atomic.Uint64 // probes per second of all senders together, as float64 bits; 0 means unlimited
	full atomic.Bool   // the collector's queue is more than half full
	held atomic.Bool   // the caller holds the scan, since the hooks' queue is
	busy func() bool   // more hits wait to be grabbed than should; nil without grabs
}

// holdCheck is how often a held sender looks again: the collector writes some hundred rows meanwhile.
const holdCheck = 100 * time.Microsecond

// setRate sets the rate of all senders together.
func (g *gate) setRate(pps float64) { g.rate.Store(math.Float64bits(pps)) }

// total returns the rate of all senders together.
func (g *gate) total() float64 { return math.Float64frombits(g.rate.Load()) }

// hold blocks while a queue is too full. It returns false if done is closed. Whoever empties the queue comes first: a sleep in
// the kernel keeps the place that the Go scheduler has given us, for some ten microseconds at least.
func (g *gate) hold(c Clock, done <-chan struct{}) bool {
	for g.full.Load() || g.held.Load() || g.busy != nil && g.busy() {
		runtime.Gosched()
		if !c.SleepUntil(c.Now()+int64(holdCheck), done) {
			return false
		}
	}
	return true
}

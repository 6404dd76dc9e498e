package cli

import (
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/signal"
	"slices"
	"sync"

	"github.com/zmap-go/zmap"
)

// A throttle changes the rate of a scan by 5 % for each signal that asks for it, as C ZMap does.
type throttle struct {
	log     *slog.Logger
	factors map[os.Signal]float64
	signals chan os.Signal
	over    chan struct{} // closed when the scan is
	working sync.WaitGroup
}

// signalQueue is how many signals may wait for the scan to begin; it takes no time to serve one afterwards.
const signalQueue = 128

// newThrottle takes over the signals, for good: they would end the program otherwise, even one that has only its files left
// to write.
func newThrottle(log *slog.Logger) *throttle {
	t := &throttle{log: log, factors: rateSignals(), signals: make(chan os.Signal, signalQueue), over: make(chan struct{})}
	if len(t.factors) > 0 {
		signal.Notify(t.signals, slices.Collect(maps.Keys(t.factors))...)
	}
	return t
}

// start begins to serve the signals, those before it included.
func (t *throttle) start(c *zmap.Control) {
	t.working.Go(func() {
		for {
			select {
			case sig := <-t.signals:
				t.change(c, sig)
			case <-t.over:
				return
			}
		}
	})
}

// change changes the rate and logs it.
func (t *throttle) change(c *zmap.Control, sig os.Signal) {
	old, factor := c.Rate(), t.factors[sig]
	if old <= 0 {
		t.log.Info(fmt.Sprintf("the rate is not limited: there is nothing that a signal (%v) could change", sig), "module", "send")
		return
	}
	verb := "raised"
	if factor < 1 {
		verb = "lowered"
	}
	c.SetRate(old * factor)
	t.log.Info(fmt.Sprintf("rate %s from %s to %s probes per second (%v)", verb, speed(old), speed(c.Rate()), sig), "module", "send")
}

// stop ends the serving of signals.
func (t *throttle) stop() {
	close(t.over)
	t.working.Wait()
}

package pool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"

	"github.com/zmap-go/zmap/grab"
)

// The defaults that a zero [Config] stands for.
const (
	DefaultInFlight = 5000 // grabs at once
	DefaultPerAddr  = 1    // of those, with one address
	DefaultPerNet   = 64   // and with one /24 of IPv4, or /48 of IPv6
	DefaultQueue    = 20_000
)

// Unlimited in Config.PerAddr and Config.PerNet sets no limit.
const Unlimited = -1

// Names chooses the names that a target is asked for, one grab each, as name.Chooser does. It is called by many goroutines.
type Names interface {
	// Max returns how many grabs there are with one target at most.
	Max() int
	// Next returns the name for the next grab of t, and where it is from, given the grabs so far; ok is false when there is none.
	// It is called once more after the last grab.
	Next(ctx context.Context, t *grab.Target, sofar []grab.Grab) (name, source string, ok bool)
}

// Work is one target to grab. It is a value until it is offered; then it is the pool's until Config.Done has seen the last of it.
type Work struct {
	Target grab.Target
	Half   *grab.Half // the half-open connection to carry on; nil dials
	Row    any        // the caller's own, handed through
}

// A Config says what is grabbed, how, and how much of it at once. Module, Main and Done must be given.
type Config struct {
	Module grab.Module
	// Main makes the first connection to a target. It carries on Work.Half, or dials.
	Main grab.Supplier
	// More makes all further ones: for further names, for modules that need several, and to other hosts. Nil means that there are
	// none. Neither it nor Main is closed by the pool.
	More grab.Supplier
	// Names are what targets are asked for; nil asks once, by Target.Name.
	Names    Names
	Operator grab.Operator
	Limits   grab.Limits
	// Guard says whether an address may be contacted. It is asked before every connection, from many goroutines; nil lets every
	// address pass.
	Guard func(netip.Addr) bool
	// Public says which other hosts may be contacted when a target names them, as redirects do; nil means none.
	Public func(netip.Addr) bool
	// Rate bounds new connections, per second; 0 does not.
	Rate float64
	// InFlight bounds grabs at once, PerAddr and PerNet those with one address and with one /24 or /48, Queue the targets that
	// wait. 0 means the defaults.
	InFlight, PerAddr, PerNet, Queue int
	// Done is told of every grab as it ends, from many goroutines; last says that it was the target's last one, after which w is
	// the caller's again. Its time counts as the grab's: who is slow here slows the pool.
	Done func(w *Work, g grab.Grab, last bool)
	// Log takes what is wrong with modules; nil drops it.
	Log *slog.Logger
}

// withDefaults returns c with defaults in place of zeros, and what is wrong with it.
func (c Config) withDefaults() (Config, error) {
	var errs []error
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Module == nil || c.Main == nil || c.Done == nil {
		errs = append(errs, errors.New("module, main supplier and done must be given"))
	}
	if c.Rate < 0 {
		errs = append(errs, fmt.Errorf("rate of %v connections a second: it cannot be negative", c.Rate))
	}
	orDefault := func(name string, v *int, def int, unlimited bool) {
		switch {
		case *v == 0:
			*v = def
		case *v == Unlimited && unlimited:
			*v = c.InFlight
		case *v < 0:
			errs = append(errs, fmt.Errorf("%s: %d is negative", name, *v))
		}
	}
	orDefault("grabs in flight", &c.InFlight, DefaultInFlight, false)
	orDefault("grabs per address", &c.PerAddr, DefaultPerAddr, true)
	orDefault("grabs per network", &c.PerNet, DefaultPerNet, true)
	orDefault("queue", &c.Queue, DefaultQueue, false)
	return c, errors.Join(errs...)
}

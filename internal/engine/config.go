package engine

import (
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/zmap-go/zmap/annotate"
	"github.com/zmap-go/zmap/dedup"
	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/probe"
	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/target"
	"github.com/zmap-go/zmap/validate"
)

// Config is everything a scan needs, resolved and open. The caller keeps ownership of Link and of the sinks and closes all of
// them after Run.
type Config struct {
	Space *target.Space
	Walks []Order // one for every queue in Link.TX; together the shard to scan
	Total uint64  // targets in those walks, about: what progress is measured by
	Probe probe.Probe
	Route probe.Route
	// Hop returns the next hop of a target, as a position in Route.Hops, and false for a target that no frame can reach:
	// it counts as asked and as unreachable, and gets no probe. Nil means 0 for all.
	Hop func(netip.Addr) (uint16, bool)
	// Excluded says whether a target is passed over: it counts as asked and as passed over, and gets no probe. Nil means no target.
	Excluded func(netip.Addr) bool
	// Random returns the source of random words for the i-th sender's encoder; nil means that no probe needs one.
	Random  func(i int) func() uint64
	Sources []netip.Addr // our addresses, at least one: targets of a family that has none are unreachable
	Key     validate.Key
	Tries   int     // probes per target
	Batch   int     // probes per Submit, at most
	Rate    float64 // probes per second of all senders together; 0 means as fast as the link goes
	Link    *link.Link
	Seen    dedup.Seen
	Outputs []Output // where rows go, at least one
	// Notes adds fields to the rows that are known of their saddr; nil adds none. It is called by the goroutine that writes rows,
	// for every row, unless no filter, sink or hook reads its fields.
	Notes annotate.Annotator
	// Aliases, if set, has rows say which hosts are in aliased networks. It excludes Grabs and Keeper.
	Aliases *Aliases
	Limits  Limits
	Clock   Clock

	// CheckPort overrides whether answers must come from a port that was asked.
	CheckPort Choice
	// Cores are the processors to pin threads to, in order: receivers, then senders. Empty means no pinning.
	Cores []int
	// OnLost is called by the goroutine that writes rows when one of several outputs has failed, while the others go on. It may
	// be nil.
	OnLost func(*OutputError)
	// LinkWait is how long the scan waits for an interface that is down, sending nothing; 0 ends it at once.
	LinkWait time.Duration
	// OnDown is told once when the interface is seen to be down, with the error, and once with nil when it is up again. It may be nil.
	OnDown func(error)
	Hooks  Hooks
	// Grabs carries accepted connections on; nil leaves them alone. Then rows have its fields besides.
	Grabs Grabber
	// Keeper writes down how far the scan is; nil for a scan that cannot be carried on. All sinks must be [sink.Resumer].
	Keeper Keeper
	// From is where an earlier process left off; the zero value is the beginning.
	From From
}

// An Order gives out the indexes of the targets to ask, in order: a [permute.Walk], or a [permute.Listed]. It is owned by one
// sender.
type Order interface {
	// Fill stores the next indexes in dst and returns how many; fewer than len(dst) means that there are no more.
	Fill(dst []uint64) int
	// Rewind takes it back by the last n indexes, which come once more, and returns by how many it went back.
	Rewind(n uint64) uint64
	// Step returns how many elements are behind it, whether they were given out or passed over.
	Step() uint64
}

// From is where an earlier process has left a scan.
type From struct {
	Outputs []string // where each output goes on: see [sink.Resumer]; nil if they begin
	Targets []uint64 // asked in each of the walks, which are behind them; nil means none
}

// Asked returns how many targets are before the walks.
func (f *From) Asked() (n uint64) {
	for _, t := range f.Targets {
		n += t
	}
	return n
}

// A Choice is yes, no, or what the probe module says.
type Choice uint8

// The choices.
const (
	ByModule Choice = iota
	Yes
	No
)

// Limits end a scan before its walk does. Zero values are no limits.
type Limits struct {
	MaxTargets      uint64        // targets asked by this shard
	MaxResults      uint64        // rows written
	MaxRuntime      time.Duration // time for sending; the cooldown comes after it
	Cooldown        time.Duration // how long to listen after the last probe
	Grace           time.Duration // how long to listen after the caller's context ended, at most Cooldown
	MinHitRate      float64       // successful first answers per target, in percent
	MaxSendFailures int64         // frames refused; negative means no limit
}

// noted returns the fields of Notes, behind that of Aliases.
func (c *Config) noted() []record.Field {
	var fields []record.Field
	if c.Aliases != nil {
		fields = append(fields, AliasField())
	}
	if c.Notes != nil {
		fields = append(fields, c.Notes.Fields()...)
	}
	return fields
}

// grabbed returns the fields of grabs.
func (c *Config) grabbed() []record.Field {
	if c.Grabs == nil {
		return nil
	}
	return c.Grabs.Fields()
}

// check finds mistakes of the calling program.
func (c *Config) check() error {
	switch {
	case c.Space == nil || c.Probe == nil || c.Link == nil || len(c.Outputs) == 0 || c.Seen == nil || c.Clock == nil:
		return errors.New("engine: Space, Probe, Link, Outputs, Seen and Clock must be set")
	case slices.ContainsFunc(c.Outputs, func(o Output) bool { return o.Sink == nil }):
		return errors.New("engine: every output must have a sink")
	case len(c.Sources) == 0 || len(c.Route.Hops) == 0 && c.Route.Ether:
		return errors.New("engine: Sources and Route.Hops must not be empty")
	case len(c.Walks) != len(c.Link.TX):
		return errors.New("engine: there must be as many walks as transmit queues")
	case c.Aliases != nil && (c.Grabs != nil || c.Keeper != nil):
		return errors.New("engine: Aliases excludes Grabs and Keeper")
	case c.Tries < 1 || c.Batch < 1 || c.Tries >= 1<<familyBit:
		return errors.New("engine: Tries and Batch must be 1 or more, and Tries below 32768")
	default:
		return nil
	}
}

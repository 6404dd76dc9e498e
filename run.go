package zmap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/bits"
	"net/netip"
	"slices"
	"sync/atomic"

	"github.com/zmap-go/zmap/dedup"
	"github.com/zmap-go/zmap/internal/checkpoint"
	"github.com/zmap-go/zmap/internal/engine"
	"github.com/zmap-go/zmap/internal/netdev"
	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/permute"
	"github.com/zmap-go/zmap/sink"
	"github.com/zmap-go/zmap/target"
	"github.com/zmap-go/zmap/validate"
)

// Run scans as c says and blocks until the scan is over. The report is never nil and holds what is known, also when Run
// returns an error: a [*ConfigError], or several of them joined, for mistakes in c; otherwise what kept the scan from
// starting or ended it early. When ctx ends, sending stops, answers on their way are awaited for a second, and the error
// wraps the cause of ctx.
//
// Run closes the sinks, however it ends: the rows are in them when it returns. Closing what they write to is the caller's
// part.
func Run(ctx context.Context, c Config) (*Report, error) { return runWith(ctx, c, nil) }

// runWith is Run, and calls made, unless that is nil, with the engine's scan before that begins.
func runWith(ctx context.Context, c Config, made func(*engine.Scan)) (*Report, error) {
	report := &Report{}
	s, err := resolve(c)
	s.tell(&report.Plan)
	if err == nil {
		err = s.checkpointError(s.openCheckpoint())
	}
	if err = errors.Join(err, s.openLists()); err != nil {
		return report, errors.Join(err, c.closeUnused())
	}
	s.made = made
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	s.hooks = newHooks(s.Hooks, s.Log)
	err = s.scan(ctx, report)
	err = s.closeOutputs(report, err)
	if ended := ctx.Err(); ended != nil && report.Reason == engine.Running && errors.Is(err, ended) {
		report.Reason = engine.Interrupted // before the first probe
		err = &engine.StopError{Reason: engine.Interrupted, Err: context.Cause(ctx)}
	}
	s.hooks.end(ctx, report, err)
	return report, err
}

// A course is what a scan comes to once its lists are read and the way to its targets is found: all that there is to know
// before the first packet.
type course struct {
	space  *target.Space                // what the lists allow
	list   *target.List                 // the addresses to ask of that; nil means all
	asked  *target.Space                // what both come to
	pairs  []uint64                     // the indexes of the targets to ask, if they are single ones
	kept   atomic.Pointer[target.Space] // what Config.Exclude leaves; nil if that names nothing. The last list that was read counts
	public *target.Space                // where redirects may lead, if they are among what the lists allow as well; nil without grabs
	cycle  *permute.Cycle
	limits engine.Limits
	seen   dedup.Seen
}

// tell puts into plan what the configuration alone says.
func (s *setup) tell(plan *Plan) {
	plan.Probe, plan.Schema, plan.FrameLen, plan.SourcePorts = s.desc.Name, s.schema, s.desc.FrameLen, s.SourcePorts
	if s.Grab != nil && s.Grab.Module != nil {
		plan.Grab = s.Grab.Module.Describe().Name
	}
	plan.Tries, plan.Rate, plan.Dedup, plan.MaxRuntime, plan.Cooldown = s.Tries, s.rate, s.Dedup, s.MaxRuntime, s.Cooldown
}

// prepare looks up what is on the lists, decides what was left open and finds the way to the targets. It puts what it finds into
// plan, which knows the configuration, and sends nothing but what that way takes in the given mode.
func (s *setup) prepare(ctx context.Context, plan *Plan, mode netdev.Mode) (*course, error) {
	c := &course{}
	err := s.readLists(ctx, c, plan)
	if err != nil {
		return nil, err
	}
	for _, w := range slices.Concat(s.desc.Warnings, s.odd) {
		s.Log.Warn(w)
	}
	total := c.targets()
	plan.Space, plan.Asked, plan.Total, plan.Dedup = c.space, c.asked, total, s.Dedup
	plan.Senders = s.senders(total)
	if c.limits, err = s.limits(c, plan, total); err != nil {
		return nil, err
	}
	if plan.Share = total / uint64(s.Shards); c.limits.MaxTargets > 0 {
		plan.Share = min(plan.Share, c.limits.MaxTargets)
	}
	if c.cycle, err = s.order(plan); err != nil {
		return nil, err
	}
	if c.seen, err = dedup.New(s.memory(c)); err != nil {
		return nil, err
	}
	if err = s.paths(ctx, c, plan, mode); err != nil {
		return nil, err
	}
	plan.Neighbours, err = s.neighbours(c, plan)
	return c, err
}

// memory says how answers are remembered.
func (s *setup) memory(c *course) dedup.Config {
	return dedup.Config{Method: s.Dedup, Targets: indexes(c.space), Window: s.DedupWindow}
}

// scan prepares, opens the link and runs the engine.
func (s *setup) scan(ctx context.Context, report *Report) (err error) {
	report.FinalRate = s.rate
	plan, mode := &report.Plan, netdev.Scan
	plan.ID = sink.NewID()
	if s.DryRun != nil {
		mode = netdev.DryRun
	}
	c, err := s.prepare(ctx, plan, mode)
	if err != nil {
		return err
	}
	var same []checkpoint.Trait
	if s.Checkpoint != nil {
		same = s.traits(c, plan) // while the pairs are there
	}
	hops, err := s.hops(ctx, c, plan)
	if err != nil {
		return err
	}
	walks, err := s.walks(c, plan.Senders)
	if err != nil {
		return err
	}
	key, err := s.key()
	if err != nil {
		return err
	}
	keeper, from, err := s.keep(c, same, key, walks, plan)
	defer func() { err = errors.Join(err, keeper.close()) }()
	if err != nil {
		return s.checkpointError(err)
	}
	plan.Silent = hops.silent()
	release, err := s.claimPorts(plan, keeper)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	l, err := s.open(ctx, plan)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	guard := s.guardGateways(plan)
	defer func() { err = errors.Join(err, guard.close()) }()
	grabs := s.grabs(c, l, plan)
	defer func() { err = errors.Join(err, grabs.close()) }()
	if err := s.beginStores(plan); err != nil {
		report.Reason = engine.SinkFailed
		return err
	}
	scan, err := engine.New(engine.Config{
		Space: c.space, Walks: walks, Total: plan.Total/uint64(s.Shards) - min(from.Asked(), plan.Total/uint64(s.Shards)), Probe: s.Probe, Route: s.route(plan.Path, hops), Hop: hops.hop(),
		Sources: plan.SourceAddrs(), Key: key, Tries: s.Tries, Batch: l.Batch, Rate: s.rate, Link: l, Seen: c.seen,
		Random: encoderWords(plan.Seed, plan.Senders), Outputs: s.outs, Notes: s.notes, Limits: c.limits, Clock: engine.SystemClock(), Excluded: c.excluded(),
		CheckPort: s.CheckPort, Cores: s.Cores, Hooks: s.hooks.engine(), Grabs: grabs.engine(), Keeper: keeper.engine(), From: from, Aliases: s.aliases(c, plan),
		LinkWait: s.LinkWait, OnDown: func(err error) { s.linkDown(err, guard) },
		OnLost: func(e *OutputError) { s.Log.Error(e.Error() + "; the other outputs go on") },
	})
	if err != nil {
		return err
	}
	defer guard.follow(s, hops.macs, scan)()
	if s.made != nil {
		s.made(scan)
	}
	s.hooks.start(plan, &Control{scan: scan, exclude: s.excluder(c)})
	res, err := scan.Run(ctx)
	report.Counts, report.Reason, report.FinalRate = res.Counts, res.Reason, scan.Rate()
	report.SendStart, report.SendEnd, report.RecvStart, report.RecvEnd = res.SendStart, res.SendEnd, res.RecvStart, res.RecvEnd
	report.Outputs, report.Grabs = res.Outputs, grabs.counts()
	return err
}

// targets is how many targets there are to ask, for all shards.
func (c *course) targets() uint64 {
	if c.pairs != nil {
		return uint64(len(c.pairs))
	}
	return c.asked.Targets()
}

// key returns the key of the probes.
func (s *setup) key() (validate.Key, error) {
	if s.Key != nil {
		return *s.Key, nil
	}
	return validate.NewKey()
}

// excluded says which targets are passed over, nil if none are.
func (c *course) excluded() func(netip.Addr) bool {
	if c.kept.Load() == nil {
		return nil
	}
	return c.passedOver
}

// excluder returns what reads Config.Exclude again.
func (s *setup) excluder(c *course) func(context.Context) error {
	return func(ctx context.Context) error {
		if s.Exclude == "" {
			return errors.New("the scan has no list of exclusions to read again")
		}
		b, err := s.readExclude()
		if err != nil {
			return err
		}
		return s.exclude(ctx, c, &b)
	}
}

// mayAsk says whether an address is one of those that the scan may ask.
func (c *course) mayAsk(a netip.Addr) bool {
	return c.space.Contains(a) && !c.passedOver(a)
}

// passedOver says whether Config.Exclude names an address.
func (c *course) passedOver(a netip.Addr) bool {
	kept := c.kept.Load()
	return kept != nil && kept.Excludes(a)
}

// indexes is one more than the highest index of a target in space.
func indexes(space *target.Space) uint64 {
	return space.Rows() << bits.Len64(space.Cols()-1)
}

// limits returns what ends the scan early.
func (s *setup) limits(c *course, plan *Plan, total uint64) (engine.Limits, error) {
	lim := engine.Limits{
		MaxResults: s.MaxResults, MaxRuntime: s.MaxRuntime, Cooldown: s.Cooldown, Grace: min(s.Cooldown, DefaultGrace),
		MinHitRate: s.MinHitRate, MaxSendFailures: -1,
	}
	if s.MaxSendFailures != nil {
		lim.MaxSendFailures = int64(min(*s.MaxSendFailures, 1<<62))
	}
	lim.MaxTargets, plan.MaxTargets = s.MaxTargets.Share(c.space.Conceivable(), s.Shard, s.Shards)
	if plan.MaxTargets > 0 {
		if uint64(s.Shards) > plan.MaxTargets {
			return lim, fmt.Errorf("share %d targets among %d shards: there are fewer targets than shards", plan.MaxTargets, s.Shards)
		}
		plan.Senders = int(min(uint64(plan.Senders), lim.MaxTargets))
	}
	if uint64(s.Shards) > total {
		return lim, fmt.Errorf("share %d targets among %d shards: there are fewer targets than shards", total, s.Shards)
	}
	return lim, nil
}

// sampleTargets is how many targets the routes are asked for.
const sampleTargets = 256

// paths finds the way to the targets of each family, which must be by one interface.
func (s *setup) paths(ctx context.Context, c *course, plan *Plan, mode netdev.Mode) (err error) {
	four, six := c.samples(sampleTargets)
	if len(four) > 0 {
		if plan.Path, err = s.path(ctx, four, mode); err != nil {
			return err
		}
	}
	if len(six) == 0 {
		return nil
	}
	if plan.PathIPv6, err = s.path(ctx, six, mode); err != nil {
		return err
	}
	if plan.Path == nil {
		plan.Path = plan.PathIPv6
	}
	if a, b := plan.Path.Interface, plan.PathIPv6.Interface; a != b && mode == netdev.Scan {
		return fmt.Errorf("find the way to the targets: those of IPv4 are reached by interface %s, and those of IPv6 by %s: scan one family at a time, or name the interface", a, b)
	}
	return nil
}

// path finds the interface, the addresses and the next hop for targets of one family.
func (s *setup) path(ctx context.Context, targets []netip.Addr, mode netdev.Mode) (*netdev.Path, error) {
	var sources []netip.Addr
	for _, a := range s.Sources {
		if a.Is4() == targets[0].Is4() {
			sources = append(sources, a)
		}
	}
	p, err := netdev.Find(ctx, netdev.Query{
		Targets: targets, Interface: s.Interface, Receive: s.Receive, Sources: sources,
		SourceMAC: s.SourceMAC, GatewayMAC: s.GatewayMAC, Mode: mode,
		Layer: s.layer(),
	})
	if err != nil {
		return nil, err
	}
	for _, w := range p.Warnings {
		s.Log.Warn(w)
	}
	s.Log.Debug(netdev.Describe(p))
	if long := s.fits(p); mode == netdev.Scan {
		return p, long
	} else if p.Missing == nil {
		p.Missing = long
	}
	return p, nil
}

// layer says what the scan hands to the interface.
func (s *setup) layer() netdev.Layer {
	if s.Packets {
		return netdev.Packets
	}
	return netdev.Frames
}

// fits says whether the longest probe is not too long for the interface, which would refuse it every time.
func (s *setup) fits(p *netdev.Path) error {
	longest := s.desc.FrameLen - packet.EthernetLen
	if longest <= p.MTU || p.Interface == "" {
		return nil
	}
	return fmt.Errorf("probe %s sends IP packets of %d bytes, and interface %s takes at most %d (its MTU): shorten the probe, "+
		"or raise the MTU (ip link set %[3]s mtu %[2]d)", s.desc.Name, longest, p.Interface, p.MTU)
}

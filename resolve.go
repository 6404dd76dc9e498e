package zmap

import (
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math"
	"runtime"
	"strconv"

	"github.com/zmap-go/zmap/annotate"
	"github.com/zmap-go/zmap/citizen"
	"github.com/zmap-go/zmap/dedup"
	"github.com/zmap-go/zmap/filter"
	"github.com/zmap-go/zmap/internal/checkpoint"
	"github.com/zmap-go/zmap/internal/engine"
	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/link/rawip"
	"github.com/zmap-go/zmap/permute"
	"github.com/zmap-go/zmap/probe"
	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/target"
	"github.com/zmap-go/zmap/validate"
)

// A setup is a Config on its way to a scan: with its defaults, and with what its texts mean.
type setup struct {
	Config
	desc   probe.Description
	schema *record.Schema
	ports  target.Ports

	suffixes target.Suffixes // of IPv6 windows
	outs     []engine.Output
	notes    annotate.Annotator // nil if there is none
	rate     float64            // probes per second; 0 means not limited
	odd      []string           // what is no mistake, but may not be meant
	lists    lists
	hooks    *hooks
	made     func(*engine.Scan) // called, if set, with the scan before it begins
	state    *checkpoint.State  // that is carried on; nil for a scan that begins

	ownPorts bool // the user has chosen the source ports
	anyDedup bool // the user has not chosen how answers are remembered
}

// resolve fills in the defaults and reads the texts, all but the lists. It touches neither files nor the network, and reports
// all mistakes together.
func resolve(c Config) (*setup, error) {
	s := &setup{Config: c}
	s.fillDefaults()
	var errs []error
	note := func(field, value string, err error) {
		if err != nil {
			errs = append(errs, &ConfigError{Field: field, Value: value, Err: err})
		}
	}
	if s.Probe == nil {
		p, err := s.defaultProbe()
		if err != nil {
			return s, err
		}
		s.Probe = p
	}
	s.desc = s.Probe.Describe()
	if s.DryRun != nil && s.DryRun.Fast && s.desc.Capture.TCP != link.TCPNone { // C ZMap's other modules have no fast form either
		s.Probe = probe.Fast(s.Probe)
		s.desc = s.Probe.Describe()
	}
	note("Annotate", "", s.resolveNotes())
	note("Grab", "", s.checkGrab())
	note("AliasCheck", "", s.checkAlias())
	note("Ports", s.Ports, s.resolvePorts())
	var err error
	s.suffixes, err = target.ParseSuffixes(s.Suffixes)
	note("Suffixes", s.Suffixes, err)
	note("Pairs", "", s.checkPairs())
	for _, c := range s.AllowSpecial {
		note("AllowSpecial", "", c.Check())
	}
	s.checkFields(note)
	s.resolveOutputs(note)
	if s.Pairs == nil { // whose ports are not known yet
		note("Dedup", s.Dedup.String(), s.chooseDedup())
	}
	note("Shard", strconv.FormatUint(uint64(s.Shard), 10), s.checkShard())
	note("Rate", "", s.resolveRate())
	note("Checkpoint", "", s.checkCheckpoint())
	if s.Allowlist != "" && len(s.Networks) > 0 {
		s.odd = append(s.odd, fmt.Sprintf("networks are named, and there is the allowlist %s: both are scanned", s.Allowlist))
	}
	if n := len(s.Sources); n > MaxSources {
		note("Sources", "", fmt.Errorf("there are %d source addresses, and a scan has at most %d", n, MaxSources))
	}
	if m := s.desc.TriesMultiple; m > 0 && s.Tries%m != 0 {
		note("Tries", strconv.Itoa(s.Tries), fmt.Errorf("must be a multiple of %d, the number of questions that the probe has", m))
	}
	ports := cmp.Or(s.SourcePorts.Size(), 1<<16) // none is another mistake
	if s.Tries > int(ports) && s.desc.Ports {
		note("Tries", strconv.Itoa(s.Tries), fmt.Errorf("there are only %d source ports", ports))
	}
	return s, errors.Join(errs...)
}

// defaultProbe is what is sent without a word of the caller's.
func (s *setup) defaultProbe() (probe.Probe, error) {
	if s.Grab != nil {
		return grabProbe()
	}
	return probe.New("tcp_synscan", probe.Args{})
}

// resolveNotes joins the annotations and says what a row is with them.
func (s *setup) resolveNotes() error {
	notes := annotate.Join(s.Annotate...)
	err := engine.CheckNotes(s.desc, notes.Fields())
	fields, aerr := s.aliasFields(notes.Fields())
	if err = errors.Join(err, aerr); err != nil {
		s.schema = engine.Schema(s.desc, s.fields(nil)...)
		return err
	}
	if len(notes.Fields()) > 0 {
		s.notes = notes
	}
	s.schema = engine.Schema(s.desc, s.fields(fields)...)
	return nil
}

// resolveOutputs names the outputs and compiles their filters.
func (s *setup) resolveOutputs(note func(field, value string, err error)) {
	if len(s.Outputs) == 0 {
		note("Outputs", "", errors.New("there must be one"))
	}
	for i, o := range s.Outputs {
		out := engine.Output{Name: cmp.Or(o.Name, strconv.Itoa(i+1)), Sink: o.Sink, DefaultMode: o.DefaultMode}
		if o.Sink == nil {
			note("Outputs", out.Name, errors.New("has no sink"))
		}
		if o.Filter != "" {
			var err error
			out.Filter, err = filter.Compile(o.Filter, s.schema)
			note("Outputs.Filter", "", err)
		}
		s.outs = append(s.outs, out)
	}
}

// fillDefaults replaces zero values by what they stand for, and negative ones by zero.
func (s *setup) fillDefaults() {
	def := func(p *int, zero int) {
		switch {
		case *p == 0:
			*p = zero
		case *p < 0:
			*p = 0
		}
	}
	def(&s.Tries, 1)
	def(&s.Retries, DefaultRetries)
	def(&s.DedupWindow, dedup.DefaultWindow)
	s.Tries = max(1, s.Tries)
	s.Blocklist = cmp.Or(s.Blocklist, citizen.ListSpecial)
	s.Packets = s.Packets || s.Link == rawip.Engine{}.Name()
	if s.TTL == 0 {
		s.TTL = DefaultTTL
	}
	switch {
	case s.Cooldown == 0 && s.DryRun == nil:
		s.Cooldown = DefaultCooldown
	case s.Cooldown < 0, s.DryRun != nil:
		s.Cooldown = 0
	}
	switch {
	case s.LinkWait == 0:
		s.LinkWait = DefaultLinkWait
	case s.LinkWait < 0:
		s.LinkWait = 0
	}
	if s.Shards == 0 {
		s.Shards = 1
	}
	if s.ownPorts = s.SourcePorts != (validate.Ports{}); !s.ownPorts {
		s.SourcePorts = validate.DefaultPorts()
		if s.Grab != nil {
			s.SourcePorts = grabRange(0) // if nobody else has them
		}
	}
}

// resolvePorts reads the target ports: needed by probes that have ports, a mistake for others.
func (s *setup) resolvePorts() error {
	switch {
	case s.Pairs != nil && s.Ports == "": // which have them
		return nil
	case s.desc.Ports && s.Ports == "" && s.desc.DefaultPort > 0:
		s.ports = target.NewPorts(s.desc.DefaultPort)
		return nil
	case s.desc.Ports && s.Ports == "":
		return fmt.Errorf("target ports are required for probe %s", s.desc.Name)
	case !s.desc.Ports && s.Ports != "":
		return fmt.Errorf("probe %s has no ports; leave them out", s.desc.Name)
	case !s.desc.Ports:
		return nil
	}
	var err error
	s.ports, err = target.ParsePorts(s.Ports)
	return err
}

// chooseDedup decides how answers are remembered. The ports must be known.
func (s *setup) chooseDedup() error {
	if s.Dedup == dedup.MethodFull && s.ports.Len() > 1 {
		return errors.New("full deduplication is for one port; use window")
	}
	s.anyDedup = s.Dedup == dedup.MethodAuto
	s.Dedup = s.Dedup.For(s.ports.Len())
	return nil
}

// checkShard says whether this machine's share exists and is one that the other machines agree on.
func (s *setup) checkShard() error {
	switch {
	case s.Shard >= s.Shards:
		return fmt.Errorf("shards count from 0; with %d of them the last is %d", s.Shards, s.Shards-1)
	case s.Shards > 1 && s.Seed == nil:
		return errors.New("sharing a scan needs a seed, the same on all machines")
	default:
		return nil
	}
}

// resolveRate turns rate and bandwidth into probes per second.
func (s *setup) resolveRate() error {
	switch {
	case s.Rate != 0 && s.Bandwidth != 0:
		return errors.New("rate and bandwidth cannot both be given")
	case s.Rate < 0 || math.IsNaN(s.Rate):
		return errors.New("must be a number of probes per second, 0 or more")
	case s.Bandwidth > 0:
		bits := 8 * wireLen(s.desc.FrameLen)
		s.rate = math.Floor(float64(s.Bandwidth) / float64(bits))
		if s.rate < 1 {
			s.rate = 1
			s.odd = append(s.odd, fmt.Sprintf("%d bits per second are less than one probe of %d bits takes: sending one probe a second", s.Bandwidth, bits))
		}
	case s.Rate == 0:
		s.rate = DefaultRate
	case s.Rate < Unlimited:
		s.rate = s.Rate
	}
	return nil
}

// Senders: one can send about this many frames per second through a socket, so slower scans need no second one.
const (
	oneSender = 200_000
	mostAuto  = 4
)

// senders returns the number of sending threads: as asked, or what rate, processors and targets make of it.
func (s *setup) senders(targets uint64) int {
	n := s.Senders
	if n <= 0 {
		n = min(max(1, runtime.NumCPU()-1), mostAuto)
		if s.rate > 0 && s.rate <= oneSender {
			n = 1
		}
	}
	return int(min(uint64(n), max(1, targets)))
}

// seed returns the seed, drawn if there is none.
func (s *setup) seed() uint64 {
	if s.Seed != nil {
		return *s.Seed
	}
	return randomSeed()
}

// order returns the order of all targets that follows from the seed.
func (s *setup) order(plan *Plan) (*permute.Cycle, error) {
	cycle, err := permute.New(plan.Seed, permute.Grid{Rows: plan.Space.Rows(), Cols: plan.Space.Cols()})
	if err != nil {
		return nil, fmt.Errorf("order the targets: %w", err)
	}
	plan.Generator = cycle.Generator()
	return cycle, nil
}

// walks returns one walk for each of n senders through this shard of the space, or through what is listed of it: in the same
// order, without the rest.
func (s *setup) walks(c *course, n int) ([]engine.Order, error) {
	shard := permute.Shard{N: s.Shard, Of: s.Shards}
	if c.pairs != nil {
		listed, err := c.cycle.ListedOf(c.pairs, shard, n)
		c.pairs, s.lists.pairs = nil, nil // which are the walks' now
		return orders(listed), err
	}
	if c.list != nil {
		listed, err := c.cycle.Listed(indexesOf(c.space, c.list), shard, n)
		return orders(listed), err
	}
	walks, err := c.cycle.Walks(shard, n)
	return orders(walks), err
}

// orders is a list of walks as the engine takes them.
func orders[W engine.Order](walks []W) []engine.Order {
	out := make([]engine.Order, len(walks))
	for i, w := range walks {
		out[i] = w
	}
	return out
}

// indexesOf yields the indexes in space of all targets at the listed addresses that space has.
func indexesOf(space *target.Space, list *target.List) iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		for a := range list.All() {
			for port := range space.Ports().All() {
				if i, ok := space.Index(a, port); ok && !yield(i) {
					return
				}
			}
		}
	}
}

// encoderWords returns a source of random words for each of n senders, all of which follow from the seed as in C ZMap: the
// first two words decide the order of the targets, each one after them is the seed of a sender.
func encoderWords(seed uint64, n int) func(i int) func() uint64 {
	words := permute.NewWords(seed)
	words.Next()
	words.Next()
	sources := make([]func() uint64, n)
	for i := range sources {
		sources[i] = permute.NewWords(words.Next() & math.MaxUint32).Next
	}
	return func(i int) func() uint64 { return sources[i] }
}

// randomSeed returns a seed that nobody can guess.
func randomSeed() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return binary.LittleEndian.Uint64(b[:])
}

// SeveralPorts says whether a port list such as "80,443" names more than one port. Rows of such a scan need the port.
func SeveralPorts(list string) bool {
	p, err := target.ParsePorts(list)
	return err == nil && p.Len() > 1
}

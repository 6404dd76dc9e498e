package zmap

import (
	"errors"
	"io"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zmap-go/zmap/annotate"
	"github.com/zmap-go/zmap/dedup"
	"github.com/zmap-go/zmap/internal/engine"
	"github.com/zmap-go/zmap/probe"
	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/target"
	"github.com/zmap-go/zmap/validate"
)

// namedTTL is an annotation with a field that all rows have.
type namedTTL struct{}

func (namedTTL) Fields() []record.Field              { return []record.Field{{Name: "ttl"}} }
func (namedTTL) Annotate(netip.Addr, []record.Value) {}

// TestMistakesAreReportedTogether gives settings that are wrong: each error names the field, and none hides another.
func TestMistakesAreReportedTogether(t *testing.T) {
	ping, err := probe.New("icmp_echoscan", probe.Args{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		change func(c *Config)
		fields string
	}{
		{"none", func(*Config) {}, ""},
		{"no ports", func(c *Config) { c.Ports = "" }, "Ports"},
		{"bad ports", func(c *Config) { c.Ports = "80,,x" }, "Ports"},
		{"ports without need", func(c *Config) { c.Probe = ping }, "Ports"},
		{"bad filter", func(c *Config) { c.Outputs[0].Filter = "nothing = 1" }, "Outputs.Filter"},
		{"no output", func(c *Config) { c.Outputs = nil }, "Outputs"},
		{"no sink", func(c *Config) { c.Outputs[0].Sink = nil }, "Outputs"},
		{"full deduplication of ports", func(c *Config) { c.Ports, c.Dedup = "80,81", dedup.MethodFull }, "Dedup"},
		{"shard that is not there", func(c *Config) { c.Seed, c.Shards, c.Shard = seed(1), 2, 2 }, "Shard"},
		{"shards without seed", func(c *Config) { c.Shards = 2 }, "Shard"},
		{"rate and bandwidth", func(c *Config) { c.Bandwidth = 1000 }, "Rate"},
		{"negative rate", func(c *Config) { c.Rate = -1 }, "Rate"},
		{"no rate at all", func(c *Config) { c.Rate = math.NaN() }, "Rate"},
		{"too many tries", func(c *Config) { c.Tries, c.SourcePorts = 3, validate.Ports{First: 5000, Last: 5001} }, "Tries"},
		{"annotation of what is known", func(c *Config) { c.Annotate = []annotate.Annotator{namedTTL{}} }, "Annotate"},
		{"256 sources", func(c *Config) { c.Sources = slices.Collect(addrsOf(prefix("10.0.0.0/24"))) }, ""},
		{"257 sources", func(c *Config) { c.Sources = slices.Collect(addrsOf(prefix("10.0.0.0/23")))[:257] }, "Sources"},
		{"all at once", func(c *Config) { *c = Config{Outputs: []Output{{Filter: "("}}, Rate: -1, Shard: 1} }, "Ports Outputs Outputs.Filter Shard Rate"},
	} {
		t.Run(c.name, func(t *testing.T) {
			config, _ := synScan("10.0.0.0/24")
			c.change(&config)
			if c.fields == "" {
				if _, err := resolve(config); err != nil {
					t.Error(err)
				}
				return
			}
			r, err := Run(t.Context(), config)
			if err == nil || r == nil || r.Sent != 0 {
				t.Fatalf("error %v, report %v; want an error and a report", err, r)
			}
			if got := fields(err); !slices.Equal(got, strings.Fields(c.fields)) {
				t.Errorf("error %q is about %q, want %s", err, got, c.fields)
			}
		})
	}
}

// fields returns the fields that configuration errors are about, in order.
func fields(err error) []string {
	var all []string
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range many.Unwrap() {
			all = append(all, fields(e)...)
		}
		return all
	}
	var one *ConfigError
	if errors.As(err, &one) {
		all = append(all, one.Field)
	}
	return all
}

// TestDefaults looks at what a zero Config stands for.
func TestDefaults(t *testing.T) {
	s, err := resolve(Config{Ports: "80", Outputs: to(&table{})})
	if err != nil {
		t.Fatal(err)
	}
	if s.rate != 10_000 || s.Cooldown != 8*time.Second || s.Tries != 1 || s.TTL != 64 || s.Batch != 0 || s.Retries != 10 ||
		s.Shards != 1 || s.SourcePorts != (validate.Ports{First: 32768, Last: 61000}) || s.Dedup != dedup.MethodFull ||
		s.desc.Name != "tcp_synscan" || s.DedupWindow != 1_000_000 || s.CheckPort != engine.ByModule {
		t.Errorf("defaults are %+v", s)
	}
	if s, err = resolve(Config{Ports: "80,81", Outputs: to(&table{}), Cooldown: -1, Retries: -1, Rate: Unlimited}); err != nil {
		t.Fatal(err)
	}
	if dry, err := resolve(Config{Ports: "80", Outputs: to(&table{}), Cooldown: time.Hour, DryRun: &DryRun{W: io.Discard}}); err != nil || dry.Cooldown != 0 {
		t.Errorf("the cooldown of a dry run is %v, error %v; want none", dry.Cooldown, err)
	}
	if s.rate != 0 || s.Cooldown != 0 || s.Retries != 0 || s.Dedup != dedup.MethodWindow {
		t.Errorf("rate %v, cooldown %v, retries %d, %v; want no limit, none, none, window", s.rate, s.Cooldown, s.Retries, s.Dedup)
	}
}

// TestBandwidth turns bits per second on the wire into probes per second: a frame takes 24 bytes more than it has, and 84
// at least.
func TestBandwidth(t *testing.T) {
	for _, c := range []struct {
		args string
		bits uint64
		want float64
	}{
		{"windows", 8 * (66 + 24) * 1000, 1000},
		{"windows", 8*(66+24)*1000 - 1, 999},
		{"linux", 8 * (74 + 24) * 10, 10},
		{"smallest-probes", 8 * 84 * 500, 500}, // 58 bytes with 24 more are 82
		{"windows", 1, 1},
	} {
		p, err := probe.New("tcp_synscan", probe.Args{Text: c.args})
		if err != nil {
			t.Fatal(err)
		}
		s, err := resolve(Config{Ports: "80", Outputs: to(&table{}), Probe: p, Bandwidth: c.bits})
		if err != nil || s.rate != c.want {
			t.Errorf("%d bits a second of %s: rate %v (error %v), want %v", c.bits, c.args, s.rate, err, c.want)
		}
	}
}

// TestMaxTargetsAreSharedOut adds up what the shards may ask.
func TestMaxTargetsAreSharedOut(t *testing.T) {
	for _, c := range []struct {
		limit TargetLimit
		ports string
		want  uint64
	}{
		{TargetLimit{N: 100}, "80", 100},
		{TargetLimit{N: 2}, "80", 2},
		{TargetLimit{Percent: 1}, "80", 42949672},
		{TargetLimit{Percent: 1}, "80,81", 85899345},
		{TargetLimit{Percent: 1e-12}, "80", 1},
		{TargetLimit{Percent: 100}, "80", 1 << 32},
	} {
		var sum uint64
		for shard := range uint32(3) {
			s, err := resolve(Config{Ports: c.ports, Outputs: to(&table{}), MaxTargets: c.limit, Seed: seed(1), Shard: shard, Shards: 3})
			if err != nil {
				t.Fatal(err)
			}
			mine, all := s.MaxTargets.Share(float64(s.ports.Len())*(1<<32), s.Shard, s.Shards)
			sum += mine
			if all != c.want || mine < all/3 || mine > all/3+1 {
				t.Errorf("%+v of ports %s: shard %d may ask %d of %d, want a third of %d", c.limit, c.ports, shard, mine, all, c.want)
			}
		}
		if sum != c.want {
			t.Errorf("%+v of ports %s: the shards may ask %d, want %d", c.limit, c.ports, sum, c.want)
		}
	}
}

// allIPv4 is the space of a scan without lists.
func allIPv4(t *testing.T) *target.Space {
	t.Helper()
	space, err := (&target.Builder{}).Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return space
}

// TestLimits looks at what the engine is told about the end of the scan.
func TestLimits(t *testing.T) {
	most := uint64(math.MaxUint64)
	c := Config{
		Ports: "80", Outputs: to(&table{}), Seed: seed(1), Shards: 2, MaxTargets: TargetLimit{N: 9}, MaxResults: 3, MaxRuntime: time.Minute,
		Cooldown: 300 * time.Millisecond, MinHitRate: 1.5, MaxSendFailures: &most,
	}
	s, err := resolve(c)
	if err != nil {
		t.Fatal(err)
	}
	plan := Plan{Senders: 7}
	got, err := s.limits(&course{space: allIPv4(t)}, &plan, 100)
	want := engine.Limits{
		MaxTargets: 5, MaxResults: 3, MaxRuntime: time.Minute, Cooldown: 300 * time.Millisecond, Grace: 300 * time.Millisecond,
		MinHitRate: 1.5, MaxSendFailures: 1 << 62,
	}
	if err != nil || got != want || plan.Senders != 5 || plan.MaxTargets != 9 {
		t.Errorf("limits %+v, %d senders, %d targets, error %v; want %+v, 5, 9", got, plan.Senders, plan.MaxTargets, err, want)
	}
	s.MaxSendFailures = nil
	if got, _ := s.limits(&course{space: allIPv4(t)}, &plan, 100); got.MaxSendFailures >= 0 {
		t.Errorf("without a limit %d frames may be refused", got.MaxSendFailures)
	}
}

// TestSenders looks at how many threads send.
func TestSenders(t *testing.T) {
	for _, c := range []struct {
		config  Config
		targets uint64
		least   int
		most    int
	}{
		{Config{Rate: 10_000}, 1 << 20, 1, 1},
		{Config{Rate: Unlimited}, 1 << 20, 1, mostAuto},
		{Config{Rate: Unlimited}, 1, 1, 1},
		{Config{Senders: 7}, 1 << 20, 7, 7},
		{Config{Senders: 7}, 3, 3, 3},
	} {
		c.config.Ports, c.config.Outputs = "80", to(&table{})
		s, err := resolve(c.config)
		if err != nil {
			t.Fatal(err)
		}
		if n := s.senders(c.targets); n < c.least || n > c.most {
			t.Errorf("rate %v, %d senders asked for, %d targets: %d senders, want %d to %d",
				c.config.Rate, c.config.Senders, c.targets, n, c.least, c.most)
		}
	}
}

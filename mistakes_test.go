package zmap

import (
	"fmt"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zmap-go/zmap/annotate"
	"github.com/zmap-go/zmap/citizen"
	"github.com/zmap-go/zmap/dedup"
	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/probe"
	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/validate"
)

// A slip is a mistake in one field of a Config, which nothing else in it can make right.
type slip struct {
	field string // what the error is about
	make  func(c *Config)
}

// slips are mistakes in every field that can be wrong.
func slips(t *testing.T) []slip {
	list := filepath.Join(t.TempDir(), "bad")
	if err := os.WriteFile(list, []byte("999.1.1.1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ntp, err := probe.New("ntp", probe.Args{})
	if err != nil {
		t.Fatal(err)
	}
	return []slip{
		{"Networks", func(c *Config) { c.Networks = []string{"10.0.0.0/33"} }},
		{"Allowlist", func(c *Config) { c.Allowlist = list }},
		{"Blocklist", func(c *Config) { c.Blocklist = "/no/such/list" }},
		{"Pairs", func(c *Config) { c.Pairs = func(func(netip.AddrPort, error) bool) {} }},
		{"Suffixes", func(c *Config) { c.Suffixes = "odd" }},
		{"AliasCheck", func(c *Config) { c.AliasCheck, c.Probe = true, ntp }},
		{"Exclude", func(c *Config) { c.Exclude = "/no/such/list" }},
		{"AllowSpecial", func(c *Config) { c.AllowSpecial = []citizen.Class{"odd"} }},
		{"AddressList", func(c *Config) { c.AddressList = list }},
		{"Ports", func(c *Config) { c.Ports = "80,x" }},
		{"Tries", func(c *Config) { c.Tries = 1 << 20 }},
		{"SourcePorts", func(c *Config) { c.SourcePorts = validate.Ports{First: 2, Last: 1} }},
		{"CheckPort", func(c *Config) { c.CheckPort = 77 }},
		{"Shard", func(c *Config) { c.Shard = 5 }},
		{"Rate", func(c *Config) { c.Rate = math.NaN() }},
		{"Batch", func(c *Config) { c.Batch = -1 }},
		{"Retries", func(c *Config) { c.Retries = math.MaxInt }},
		{"Senders", func(c *Config) { c.Senders = -1 }},
		{"Cores", func(c *Config) { c.Cores = []int{0, -1} }},
		{"MaxTargets", func(c *Config) { c.MaxTargets.Percent = 101 }},
		{"MaxRuntime", func(c *Config) { c.MaxRuntime = -time.Second }},
		{"MinHitRate", func(c *Config) { c.MinHitRate = math.NaN() }},
		{"Sources", func(c *Config) { c.Sources = []netip.Addr{{}} }},
		{"Link", func(c *Config) { c.Link = "nothing" }},
		{"Qdisc", func(c *Config) { c.Qdisc = 77 }},
		{"RST", func(c *Config) { c.RST = link.RSTPolicy(77) }},
		{"Checkpoint", func(c *Config) { c.Checkpoint = &Checkpoint{} }},
		{"DryRun", func(c *Config) { c.DryRun = &DryRun{} }},
		{"Outputs", func(c *Config) { c.Outputs = append(c.Outputs, Output{}) }},
		{"Outputs.Filter", func(c *Config) { c.Outputs = append(c.Outputs, Output{Sink: &table{}, Filter: "("}) }},
		{"Grab", func(c *Config) { c.Grab = &Grab{} }},
		{"Annotate", func(c *Config) { c.Annotate = []annotate.Annotator{sameName{}} }},
		{"Dedup", func(c *Config) { c.Dedup = dedup.Method(77) }},
		{"DedupWindow", func(c *Config) { c.DedupWindow = dedup.MaxWindow + 1 }},
	}
}

// A sameName is an annotator that adds a field which there is.
type sameName struct{ annotate.Annotator }

func (sameName) Fields() []record.Field { return []record.Field{{Name: "saddr"}} }

// unmistakable are the fields that take any value, or what only the machine can say is wrong.
var unmistakable = strings.Fields(`IgnoreListErrors Probe TTL Key Seed Shards Bandwidth MaxResults Cooldown LinkWait MaxSendFailures Packets
	Interface Receive SourceMAC GatewayMAC Hooks Log`)

// TestAnyTwoMistakesAreBothReported makes each mistake alone, and each with each other one.
func TestAnyTwoMistakesAreBothReported(t *testing.T) {
	all := slips(t)
	for f := range reflect.TypeFor[Config]().Fields() {
		known := slices.ContainsFunc(all, func(s slip) bool { return strings.HasPrefix(s.field, f.Name) })
		if known == slices.Contains(unmistakable, f.Name) {
			t.Errorf("Config.%s: add a mistake to slips, or the field to unmistakable", f.Name)
		}
	}
	for i, a := range all {
		for _, b := range all[i:] {
			c, _ := synScan()
			c.Networks = []string{"10.0.0.0/24"}
			a.make(&c)
			b.make(&c)
			want := []string{a.field, b.field}
			r, err := Run(t.Context(), c)
			got := fields(err)
			for _, f := range want {
				if !slices.Contains(got, f) {
					t.Errorf("%s and %s: the error is about %v: %v", a.field, b.field, got, err)
				}
			}
			others := slices.DeleteFunc(slices.Clone(got), func(f string) bool { return slices.Contains(want, f) })
			if len(others) > 0 || r == nil || r.Sent != 0 {
				t.Errorf("%s and %s: the error is about %v, too: %v", a.field, b.field, others, err)
			}
			if _, err := Explain(t.Context(), c); fmt.Sprint(fields(err)) != fmt.Sprint(got) {
				t.Errorf("%s and %s: Explain says %v, Run %v", a.field, b.field, fields(err), got)
			}
		}
	}
}

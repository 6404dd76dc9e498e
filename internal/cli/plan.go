package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/zmap-go/zmap"
	"github.com/zmap-go/zmap/citizen"
	"github.com/zmap-go/zmap/internal/plan"
	"github.com/zmap-go/zmap/validate"
)

const planAbout = `Writes one file with all that the machines of a shared scan must have in common: targets without what is blocked, ports, probe, seed, number
of shards, and the key by which answers are recognised. Each machine then needs that file and its number:

  zmap plan -p 443 192.0.2.0/24 --shards 4 -o scan.plan
  zmap --plan scan.plan --shard 0 -o hits.csv           on the first machine, and so on to --shard 3
  zmap whose --plan scan.plan < firewall.log            months later: was that packet ours?

Whoever has the file can forge answers to the scan: it is readable by its owner alone, and should stay so. Blocklists of each machine hold
besides; what they have is passed over when its turn comes.`

// planned are the options of a scan that its plan has, and its shards have not.
var planned = []string{
	"target-ports", "blocklist-file", "allow-special", "allowlist-file", "seed", "shards", "probe-module", "probe-args", "probe-ttl", "probes", "source-port",
	"rate", "ignore-blocklist-errors", "ipv6-suffix",
}

// planCommand writes plans.
func planCommand(std Streams) *cobra.Command {
	t := newToolSet(3)
	t.under = "zmap "
	o := defaults()
	for _, s := range sections(o) {
		s.flags.VisitAll(func(f *pflag.Flag) {
			if slices.Contains(planned, f.Name) {
				t.AddFlag(f)
			}
		})
	}
	var path string
	t.text(&path, "output-file", "o", "write the plan to `file`, which must not be there yet")
	var command *cobra.Command
	command = t.command(std, "plan [NETWORK ...] [options] -o FILE", planAbout, func(ctx context.Context, log *slog.Logger, networks []string) error {
		if path == "" {
			return errors.New("plan needs --output-file, the name of the plan to be")
		}
		o.line = givenIn(command.Flags())
		o.typed = givenIn(command.Flags())
		o.typed["shard"] = o.typed["shards"] // of all shards
		o.settleBlocklist(std.Etc)
		j := &job{o: o, networks: networks, std: std, log: log, elsewhere: slog.New(slog.DiscardHandler)}
		p, err := j.makePlan(ctx)
		if err != nil {
			return err
		}
		if err := p.Create(path); err != nil {
			return fmt.Errorf("--output-file: %w", err)
		}
		log.Info(fmt.Sprintf("%s has %d networks for %d shards, and the key of their probes: keep it to yourself", path, len(p.Networks), p.Shards))
		return nil
	})
	return command
}

// makePlan makes a plan of the options.
func (j *job) makePlan(ctx context.Context) (*plan.Plan, error) {
	j.o.dryRun = true // nothing is sent, and no interface needed
	if err := errors.Join(j.setProbe(), j.setTargets(), j.setPace(), j.setNetwork()); err != nil {
		return nil, err
	}
	if j.config.Seed == nil {
		seed := rand.Uint64()
		j.config.Seed = &seed
	}
	e, err := zmap.Explain(ctx, j.config)
	if err != nil {
		return nil, j.advise(err)
	}
	key, err := validate.NewKey()
	if err != nil {
		return nil, err
	}
	p := &plan.Plan{
		Made: time.Now().UTC().Truncate(time.Second), Version: zmap.Version(), Probe: j.o.module, ProbeArgs: j.o.moduleArgs, Ports: j.o.ports,
		Sources: e.SourcePorts.String(), Tries: e.Tries, TTL: uint8(j.o.ttl), Rate: e.Rate, Seed: e.Seed, Shards: max(1, j.config.Shards),
		Key: key.Hex(),
	}
	for n := range e.Space.Prefixes() {
		p.Networks = append(p.Networks, n.String())
	}
	windows, err := e.Space.Forms()
	if err != nil {
		return nil, err
	}
	if len(windows) > 0 {
		p.Networks, p.Suffixes = append(p.Networks, windows...), j.o.suffixes
	}
	return p, nil
}

// readPlan has a scan do what its plan says, where there is one. It comes before all that reads the options.
func (j *job) readPlan() error {
	o := j.o
	if o.plan == "" {
		return nil
	}
	for _, name := range planned {
		if o.line[name] && !slices.Contains([]string{"rate", "blocklist-file", "ignore-blocklist-errors"}, name) {
			return fmt.Errorf("--plan has nothing to do with --%s: the plan says that", name)
		}
	}
	if len(j.networks) > 0 || o.line["list-of-ips-file"] || o.line["targets-file"] || o.line["grab"] {
		return errors.New("--plan says what is scanned and how: no networks, list of addresses or --grab beside it")
	}
	p, shared, err := plan.Open(o.plan)
	if err != nil {
		return fmt.Errorf("--plan: %w", err)
	}
	if shared {
		j.log.Warn(o.plan+" can be read by others, who could forge answers to the scan: chmod 600", "module", "zmap")
	}
	if p.Shards > 1 && !j.given("shard") {
		return fmt.Errorf("--plan: %s is for %d shards: --shard says which one this is, 0 to %d", o.plan, p.Shards, p.Shards-1)
	}
	key, err := p.ProbeKey()
	if err != nil {
		return fmt.Errorf("--plan: %s %w", o.plan, err)
	}
	j.networks, j.config.Key = p.Networks, &key
	o.ports, o.module, o.moduleArgs, o.probes, o.ttl = p.Ports, p.Probe, p.ProbeArgs, int64(p.Tries), int64(p.TTL)
	o.suffixes = p.Suffixes
	o.seed, o.shards, o.sourcePorts = &p.Seed, int64(p.Shards), p.Sources
	o.typed["shards"] = o.typed["shard"]
	if !j.given("rate") && !j.given("bandwidth") {
		o.rate = int64(p.Rate)
	}
	if !citizen.IsBuiltin(o.blocklist) || o.line["blocklist-file"] {
		j.config.Exclude = o.blocklist
	}
	o.blocklist, o.ownList, o.allowSpecial = citizen.ListSpecial, false, citizen.Classes() // the plan has left out what its maker wanted left out
	return nil
}

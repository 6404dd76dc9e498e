package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/zmap-go/zmap"
	"github.com/zmap-go/zmap/dedup"
	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/probe"
	"github.com/zmap-go/zmap/validate"
)

// The steps from options to a configuration, in the order of [job.prepare].

// setProbe chooses the probe module.
func (j *job) setProbe() error {
	args := j.o.moduleArgs
	if j.o.grab != "" && !j.given("probe-args") {
		args = grabProbeArgs
	}
	p, err := probe.New(j.o.module, probe.Args{Text: args})
	var help *probe.HelpError
	switch {
	case errors.As(err, &help):
		fmt.Fprintln(j.std.Err, strings.TrimSuffix(help.Text, "\n"))
		return exitStatus(exitOK)
	case err != nil && slices.Contains(moduleNames(), j.o.module):
		return fmt.Errorf("--probe-args: %w", err)
	case err != nil:
		return fmt.Errorf("--probe-module: %w", err)
	}
	j.config.Probe = p
	j.config.Tries = int(j.o.probes)
	j.config.TTL = uint8(j.o.ttl)
	j.config.Ports = j.o.ports
	return nil
}

// setTargets says what to ask and in which order.
func (j *job) setTargets() error {
	c, o := &j.config, j.o
	c.Networks, c.Allowlist, c.Blocklist, c.AddressList = j.networks, o.allowlist, o.blocklist, o.addressList
	c.IgnoreListErrors, c.Suffixes, c.AliasCheck = o.ignoreListErrors, o.suffixes, o.aliasCheck
	var errs []error
	switch {
	case o.excludeFile != "" && c.Exclude != "":
		errs = append(errs, fmt.Errorf("--exclude-file and --blocklist-file beside a plan do the same: put %s and %s into one file", o.excludeFile, c.Exclude))
	case o.excludeFile != "":
		c.Exclude = o.excludeFile
	}
	c.Seed, c.Shard, c.Shards = o.seed, uint32(o.shard), uint32(o.shards)
	switch {
	case !o.ownList:
		c.AllowSpecial = o.allowSpecial
	case len(o.allowSpecial) > 0 && (o.line["allow-special"] || !o.line["blocklist-file"]): // not one of the line, the other of a file
		errs = append(errs, fmt.Errorf("--allow-special has nothing to do: it is for the default blocklist, and --blocklist-file names %s; "+
			"take the networks out of that file, or leave one of the two out", o.blocklist))
	}
	if j.given("shard") != j.given("shards") {
		errs = append(errs, errors.New("--shard and --shards go together: --shards 4 --shard 0 is the first of four"))
	}
	if o.maxTargets != "" {
		var err error
		if c.MaxTargets, err = parseMaxTargets(o.maxTargets); err != nil {
			errs = append(errs, argError("max-targets", o.maxTargets, err))
		}
	}
	return errors.Join(errs...)
}

// setPace says how fast to send and when to end.
func (j *job) setPace() error {
	c, o := &j.config, j.o
	switch {
	case o.rate == 0:
		c.Rate = zmap.Unlimited
	case o.rate > 0:
		c.Rate = float64(o.rate)
	}
	if o.bandwidth != "" {
		var err error
		if c.Bandwidth, err = parseBandwidth(o.bandwidth); err != nil {
			return argError("bandwidth", o.bandwidth, err)
		}
		if c.Bandwidth > 0 && o.rate > 0 {
			return errors.New("--rate and --bandwidth exclude each other; give one of them")
		}
		if c.Bandwidth > 0 {
			c.Rate = 0
		}
	}
	c.Batch, c.Retries = int(o.batch), orNone(o.retries)
	c.Senders = max(0, int(o.threads))
	c.MaxResults = uint64(o.maxResults)
	c.MaxRuntime = time.Duration(o.maxRuntime) * time.Second
	c.Cooldown = time.Duration(orNone(o.cooldown)) * time.Second
	c.MinHitRate = o.minHitRate
	c.LinkWait = time.Duration(orNone(o.linkWait)) * time.Second
	if o.maxSendFailures >= 0 {
		most := uint64(o.maxSendFailures)
		c.MaxSendFailures = &most
	}
	if o.cores == "" {
		return nil
	}
	var err error
	if c.Cores, err = parseCores(o.cores); err != nil {
		return argError("cores", o.cores, err)
	}
	return nil
}

// orNone turns 0 into the negative number by which a Config knows "none" from "not said".
func orNone(n int64) int {
	if n == 0 {
		return -1
	}
	return int(n)
}

// setNetwork says where frames leave and with which addresses.
func (j *job) setNetwork() error {
	c, o := &j.config, j.o
	var err error
	if o.sourcePorts != "" {
		if c.SourcePorts, err = validate.ParsePorts(o.sourcePorts); err != nil {
			return fmt.Errorf("--source-port: %w", err)
		}
		if c.SourcePorts == (validate.Ports{}) {
			return argError("source-port", o.sourcePorts, errors.New("nothing answers to port 0 alone"))
		}
	}
	switch o.checkPort {
	case "":
	case "enable":
		c.CheckPort = zmap.Yes
	case "disable":
		c.CheckPort = zmap.No
	default:
		return argError("validate-source-port", o.checkPort, errors.New("must be enable or disable"))
	}
	if o.sources != "" {
		if c.Sources, err = parseSources(o.sources); err != nil {
			return argError("source-ip", o.sources, err)
		}
	}
	if c.SourceMAC, err = parseMAC("source-mac", o.sourceMAC); err != nil {
		return err
	}
	if c.GatewayMAC, err = parseMAC("gateway-mac", o.gatewayMAC); err != nil {
		return err
	}
	c.Interface, c.Receive, c.Link, c.Packets = o.iface, o.receive, o.link, o.packets
	switch o.rst {
	case "", "pass":
	case "reset":
		c.RST = link.RSTReset
	default:
		return argError("rst", o.rst, errors.New("must be pass or reset"))
	}
	if o.noBypass {
		c.Qdisc = link.QdiscUse
	}
	if o.dryRun || o.fastDryRun {
		c.DryRun = &zmap.DryRun{W: pipe{j.std.Out}, Fast: o.fastDryRun}
		c.Cooldown = -1
	}
	return nil
}

// parseMAC reads a hardware address, nil if there is none.
func parseMAC(option, text string) (*packet.MAC, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // nil is how a Config says that none was given
	}
	m, err := packet.ParseMAC(text)
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", option, err)
	}
	return &m, nil
}

// setAnswers says which answers become rows.
func (j *job) setAnswers() error {
	c, o := &j.config, j.o
	method, err := dedup.ParseMethod(o.dedup)
	if err != nil {
		return fmt.Errorf("--dedup-method: %w", err)
	}
	c.Dedup, c.DedupWindow = method, int(o.dedupWindow)
	return nil
}

// defaultMode says whether only first successful answers are wanted, as C ZMap has it where nothing is said of the output.
func (j *job) defaultMode() bool {
	return !j.given("output-module") && !j.given("output-fields") && !j.given("output-filter")
}

// checkNotes refuses user metadata that is not JSON, before a scan for which it was meant.
func (j *job) checkNotes() error { return checkUserMetadata(j.o.userMetadata) }

// given says whether an option was typed.
func (j *job) given(name string) bool { return j.o.typed[name] }

package cli

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"strings"

	"github.com/zmap-go/zmap"
	"github.com/zmap-go/zmap/dedup"
	"github.com/zmap-go/zmap/internal/monitor"
)

// describe returns the scan's metadata: what was typed, what that came to, and what happened.
func (j *job) describe(r *zmap.Report, err error) *monitor.Metadata {
	o, c := j.o, &j.config
	m := &monitor.Metadata{
		SourcePortFirst: r.SourcePorts.First, SourcePortLast: r.SourcePorts.Last,
		MaxTargets: r.MaxTargets, MaxRuntime: c.MaxRuntime, MaxResults: c.MaxResults,
		Rate: r.Rate, Bandwidth: c.Bandwidth, Cooldown: c.Cooldown, Senders: r.Senders,
		Seed: r.Seed, SeedProvided: c.Seed != nil, Generator: r.Generator,
		Shard: c.Shard, Shards: c.Shards, MinHitRate: c.MinHitRate, MaxSendFailures: c.MaxSendFailures,
		DefaultMode: j.defaultMode(), Probes: c.Tries, ProbeModule: o.module, OutputModule: j.outputNames(),
		OutputFilter: o.filter, LogFile: o.logFile, LogDirectory: o.logDirectory, Syslog: o.syslog, Destinations: j.networks, ProbeArgs: probeArgs(o), ProbeTTL: c.TTL,
		OutputArgs: o.formatArgs, OutputFilename: o.output, BlocklistFilename: o.blocklist, AllowlistFilename: o.allowlist,
		AddressList: o.addressList, DryRun: c.DryRun != nil, Quiet: o.quiet, LogLevel: int(o.verbosity),
		DedupMethod: r.Dedup.String(), Notes: o.notes, UserMetadata: []byte(o.userMetadata),
		Version: zmap.Version(), StopReason: stopName(r.Reason), LinkEngine: r.Link, LinkReason: r.Why,
	}
	if err != nil {
		m.StopError = cmp.Or(strings.ReplaceAll(strings.Join(lines(err), "; "), commandBreak, " "), err.Error())
	}
	if r.FinalRate != r.Rate {
		m.FinalRate = &r.FinalRate
	}
	if r.Dedup == dedup.MethodWindow {
		m.DedupWindow = uint64(c.DedupWindow)
	}
	m.LocalHostname, _ = os.Hostname() // no name is "", which is one as well
	m.FullHostname = fullHostname(m.LocalHostname)
	if p := r.Resumed; p != nil {
		m.Resumed = &monitor.Resumed{Times: p.Times, Targets: p.Targets, Rows: p.Rows}
	}
	describePlan(m, &r.Plan)
	describeCounts(m, r)
	return m
}

// stopName is the name of a reason to stop.
func stopName(s zmap.Stop) string {
	if s == zmap.StopNone {
		return "not started"
	}
	return s.String()
}

// probeArgs are the probe module's arguments; tcp_synscan says which SYN it sends without any.
func probeArgs(o *scanOptions) string {
	if o.module == "tcp_synscan" && o.moduleArgs == "" {
		if o.grab != "" {
			return grabProbeArgs
		}
		return "windows"
	}
	return o.moduleArgs
}

// describePlan adds what was found out before the scan. A scan that ended before that leaves it empty.
func describePlan(m *monitor.Metadata, p *zmap.Plan) {
	if s := p.Space; s != nil {
		for port := range s.Ports().All() {
			m.TargetPorts = append(m.TargetPorts, port)
		}
		m.Allowed, m.NotAllowed = s.Allowed(), s.Denied()
		m.AllowlistedNetworks, m.BlocklistedNetworks = texts(s.AllowEntries()), texts(s.BlockEntries())
		if s.IPv6() > 0 {
			m.AllowlistedNetworks = append(m.AllowlistedNetworks, s.Windows()...)
			m.BlocklistedNetworks = append(m.BlocklistedNetworks, texts(s.BlockedIPv6())...)
		}
		m.AddressListCount = p.Listed
	}
	if p.Path != nil {
		m.ReceiveInterface = p.Path.Receive
		m.Interface, m.GatewayIP, m.SourceIPs = p.Path.Interface, p.Path.Gateway, p.SourceAddrs()
		m.GatewayMAC, m.SourceMAC = p.Path.HopMAC, p.Path.SourceMAC
	}
}

// texts are the prefixes as text.
func texts(list []netip.Prefix) []string {
	out := make([]string, len(list))
	for i, p := range list {
		out[i] = p.String()
	}
	return out
}

// describeCounts adds what happened.
func describeCounts(m *monitor.Metadata, r *zmap.Report) {
	m.OutputResults = r.Rows
	m.Received, m.Lost, m.Fragments = r.Received, r.Lost, r.Fragments
	m.ValidationPassed, m.ValidationFailed = r.Passed, r.Failed
	m.SendFailures, m.PacketsSent, m.TargetsScanned, m.Unreachable, m.Excluded = r.Refused, r.Sent+r.Refused, r.Targets, r.Unreachable, r.PassedOver
	m.SuccessTotal, m.SuccessUnique = r.SuccessTotal, r.SuccessUnique
	m.CooldownTotal, m.CooldownUnique, m.FailureTotal = r.CooldownTotal, r.CooldownUnique, r.FailureTotal
	if m.GrabModule = r.Grab; r.Grab != "" {
		m.GrabTransport, m.GrabHosts, m.GrabRefused = r.Transport.String(), r.Grabs.Done, r.Grabs.Refused
		m.GrabDeferred = r.Deferred
		m.GrabStatus = make(map[string]uint64)
		for status, n := range r.Grabs.Grabs {
			m.GrabStatus[string(status)] = n
		}
	}
	m.AppSuccessTotal, m.AppSuccessUnique = r.AppTotal, r.AppUnique
	if r.Schema != nil {
		_, m.HasAppSuccess = r.Schema.Lookup("app_success")
	}
	m.SendStart, m.SendEnd = r.SendStart, r.SendEnd
	if !m.DryRun { // as C ZMap: a dry run receives at no time
		m.RecvStart, m.RecvEnd = r.RecvStart, r.RecvEnd
	}
}

// fullHostname returns the full name of the machine with a name, if that is one, and "" else. The name service is not asked:
// that would send packets which nobody wanted.
func fullHostname(local string) string {
	if strings.Contains(local, ".") {
		return local
	}
	return ""
}

// checkUserMetadata says whether --user-metadata is JSON.
func checkUserMetadata(text string) error {
	if text != "" && !json.Valid([]byte(text)) {
		return argError("user-metadata", text, errors.New("is not JSON"))
	}
	return nil
}

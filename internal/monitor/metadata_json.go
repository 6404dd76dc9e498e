package monitor

import (
	"encoding/hex"
	"encoding/json"
	"time"
)

// The functions below add the keys of a [Metadata] in C ZMap's order, which readers of the file see and some rely on.

// addSetting adds what the scan was set to do.
func (m *Metadata) addSetting(o *jsonObject) {
	o.text("local_hostname", m.LocalHostname)
	o.given("full_hostname", m.FullHostname)
	o.uint("source_port_first", uint64(m.SourcePortFirst))
	o.uint("source_port_last", uint64(m.SourcePortLast))
	ports := m.TargetPorts
	if len(ports) == 0 {
		ports = []uint16{0}
	}
	o.ports("target_ports", ports)
	o.limit("max_targets", m.MaxTargets)
	o.number("max_runtime", m.MaxRuntime.Seconds())
	if m.DryRun {
		o.uint("max_results", m.MaxResults)
	} else {
		o.limit("max_results", m.MaxResults)
	}
	if !m.Planned {
		o.uint("output_results", m.OutputResults)
	}
	if m.Interface != "" || !m.Planned {
		o.text("iface", m.Interface)
	}
	o.number("rate", m.Rate)
	o.uint("bandwidth", m.Bandwidth)
	o.number("cooldown_secs", max(m.Cooldown, 0).Seconds())
	o.int("senders", int64(m.Senders))
	seedKnown := m.SeedProvided || !m.Planned
	if seedKnown {
		o.int("seed", int64(m.Seed))
	}
	o.flag("seed_provided", m.SeedProvided)
	if seedKnown {
		o.uint("generator", m.Generator)
	}
	if !m.Planned {
		o.double("hitrate", percent(m.SuccessUnique, m.TargetsScanned))
	}
	o.uint("shard_num", uint64(m.Shard))
	o.uint("total_shards", uint64(m.Shards))
	o.double("min_hitrate", m.MinHitRate)
	if m.MaxSendFailures == nil {
		o.int("max_sendto_failures", -1)
	} else {
		o.uint("max_sendto_failures", *m.MaxSendFailures)
	}
	o.flag("syslog", m.Syslog)
	o.flag("default_mode", m.DefaultMode)
}

// addCapture adds what was received.
func (m *Metadata) addCapture(o *jsonObject) {
	if m.Planned {
		return
	}
	o.uint("pcap_recv", m.Received)
	o.uint("pcap_drop", m.Lost)
	o.uint("pcap_ifdrop", m.IfDropped)
	o.uint("ip_fragments", m.Fragments)
}

// addSpace adds what the lists allow.
func (m *Metadata) addSpace(o *jsonObject) {
	o.uint("blocklist_total_allowed", m.Allowed)
	o.uint("blocklist_total_not_allowed", m.NotAllowed)
}

// addAnswers adds what was asked and what came of it.
func (m *Metadata) addAnswers(o *jsonObject) {
	if m.Planned {
		return
	}
	o.uint("validation_passed", m.ValidationPassed)
	o.uint("validation_failed", m.ValidationFailed)
	o.uint("first_scanned", m.FirstScanned)
	o.uint("send_to_failures", m.SendFailures)
	o.uint("packets_sent", m.PacketsSent)
	o.uint("targets_scanned", m.TargetsScanned)
	o.uint("success_total", m.SuccessTotal)
	o.uint("success_unique", m.SuccessUnique)
	if m.HasAppSuccess {
		o.uint("app_success_total", m.AppSuccessTotal)
		o.uint("app_success_unique", m.AppSuccessUnique)
	}
	o.uint("success_cooldown_total", m.CooldownTotal)
	o.uint("success_cooldown_unique", m.CooldownUnique)
	o.uint("failure_total", m.FailureTotal)
}

// addModules adds what was sent and in which form results were written.
func (m *Metadata) addModules(o *jsonObject) {
	o.int("packet_streams", int64(m.Probes))
	o.text("probe_module", m.ProbeModule)
	o.text("output_module", m.OutputModule)
}

// addTimes adds when that was.
func (m *Metadata) addTimes(o *jsonObject) {
	if m.Planned {
		return
	}
	loc := m.Location
	if loc == nil {
		loc = time.Local
	}
	o.time("send_start_time", m.SendStart, loc)
	o.time("send_end_time", m.SendEnd, loc)
	o.time("recv_start_time", m.RecvStart, loc)
	o.time("recv_end_time", m.RecvEnd, loc)
}

// addOptions adds options of the command line that were given.
func (m *Metadata) addOptions(o *jsonObject) {
	o.given("output_filter", m.OutputFilter)
	o.given("log_file", m.LogFile)
	o.given("log_directory", m.LogDirectory)
	if len(m.Destinations) > 0 {
		o.texts("cli_cidr_destinations", m.Destinations)
	}
	o.given("probe_args", m.ProbeArgs)
	if m.ProbeTTL != 0 {
		o.uint("probe_ttl", uint64(m.ProbeTTL))
	}
	o.given("output_args", m.OutputArgs)
}

// addNetwork adds from where and through where packets went.
func (m *Metadata) addNetwork(o *jsonObject) {
	if m.GatewayMAC != [6]byte{} || !m.Planned {
		o.text("gateway_mac", macText(m.GatewayMAC))
	}
	if m.GatewayIP.IsValid() {
		o.text("gateway_ip", m.GatewayIP.String())
	}
	if m.SourceMAC != [6]byte{} || !m.Planned {
		o.text("source_mac", macText(m.SourceMAC))
	}
	o.addrs("source_ips", m.SourceIPs)
}

// addFiles adds the files, how the command ran, and what the user and the lists said.
func (m *Metadata) addFiles(o *jsonObject) {
	o.given("output_filename", m.OutputFilename)
	o.given("blocklist_filename", m.BlocklistFilename)
	o.given("allowlist_filename", m.AllowlistFilename)
	if m.AddressList != "" {
		o.text("list_of_ips_filename", m.AddressList)
		o.uint("list_of_ips_count", m.AddressListCount)
	}
	o.flag("dryrun", m.DryRun)
	o.flag("quiet", m.Quiet)
	o.int("log_level", int64(m.LogLevel))
	o.text("deduplication_method", m.DedupMethod)
	if m.DedupMethod == "window" {
		o.uint("deduplication_window_size", m.DedupWindow)
	}
	if len(m.UserMetadata) > 0 {
		o.raw("user-metadata", m.UserMetadata)
	}
	o.given("notes", m.Notes)
	o.texts("blocklisted_networks", m.BlocklistedNetworks)
	if len(m.AllowlistedNetworks) > 0 {
		o.texts("allowlisted_networks", m.AllowlistedNetworks)
	}
}

// addNew adds the keys that C ZMap does not have, after all of its own.
func (m *Metadata) addNew(o *jsonObject) {
	o.text("zmap_version", m.Version)
	if !m.Planned {
		o.text("stop_reason", m.StopReason)
		o.given("stop_error", m.StopError)
	}
	o.given("link_engine", m.LinkEngine)
	o.given("link_reason", m.LinkReason)
	if !m.Planned {
		o.uint("recv_lost", m.Lost)
		o.uint("targets_unreachable", m.Unreachable)
		if m.Excluded > 0 {
			o.uint("targets_excluded", m.Excluded)
		}
	}
	o.given("receive_iface", m.ReceiveInterface)
	m.addGrabs(o)
	if r := m.Resumed; r != nil && !m.Planned {
		o.uint("resumed_times", uint64(r.Times))
		o.uint("resumed_targets_before", r.Targets)
		o.uint("resumed_results_before", r.Rows)
	}
	if m.FinalRate != nil && !m.Planned {
		o.number("rate_at_end", *m.FinalRate)
	}
}

// macText returns the lower-case form with colons.
func macText(mac [6]byte) string {
	const colons = "00:00:00:00:00:00"
	text := []byte(colons)
	for i, b := range mac {
		hex.Encode(text[3*i:], []byte{b})
	}
	return string(text)
}

// addGrabs adds what a scan with grabs has.
func (m *Metadata) addGrabs(o *jsonObject) {
	if m.GrabModule == "" {
		return
	}
	o.text("grab_module", m.GrabModule)
	o.given("grab_transport", m.GrabTransport)
	if m.Planned {
		return
	}
	o.uint("grab_hosts_total", m.GrabHosts)
	o.uint("grab_hosts_refused", m.GrabRefused)
	o.uint("grab_answers_deferred", m.GrabDeferred)
	status, _ := json.Marshal(m.GrabStatus) // has words and numbers alone
	o.raw("grab_status", status)
}

package monitor

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fullMetadata returns metadata in which every field has a value of its own.
func fullMetadata() Metadata {
	failures, finalRate := uint64(11), 5.25
	at := func(second int) time.Time { return time.Date(2026, 11, 22, 15, 30, second, 0, time.UTC) }
	return Metadata{
		LocalHostname: "vm", FullHostname: "vm.example", SourcePortFirst: 32768, SourcePortLast: 61000,
		TargetPorts: []uint16{80, 443}, MaxTargets: 1, MaxRuntime: 2 * time.Second, MaxResults: 3, OutputResults: 4,
		Interface: "eth0", Rate: 5, Bandwidth: 6, Cooldown: 7 * time.Second, Senders: 8, Seed: math.MaxUint64, SeedProvided: true,
		Generator: 9, Shard: 1, Shards: 10, MinHitRate: 0.1, MaxSendFailures: &failures, Syslog: true, DefaultMode: true,
		Received: 12, Lost: 13, IfDropped: 14, Fragments: 15, Allowed: 16, NotAllowed: 1<<32 - 16,
		ValidationPassed: 17, ValidationFailed: 18, FirstScanned: 19, SendFailures: 20, PacketsSent: 21, TargetsScanned: 32, Unreachable: 33, Excluded: 38, Resumed: &Resumed{39, 40, 41}, ReceiveInterface: "eth1",
		SuccessTotal: 22, SuccessUnique: 23, HasAppSuccess: true, AppSuccessTotal: 24, AppSuccessUnique: 25,
		CooldownTotal: 26, CooldownUnique: 27, FailureTotal: 28, Probes: 2, ProbeModule: "dns", OutputModule: "csv",
		SendStart: at(1), SendEnd: at(2), RecvStart: at(3), RecvEnd: at(4), Location: time.UTC,
		OutputFilter: "success = 1", LogFile: "/tmp/log", LogDirectory: "/tmp/logs", Destinations: []string{"10.0.0.0/8", "192.0.2.1"},
		ProbeArgs: "A,example.com", ProbeTTL: 64, OutputArgs: "x=y", GatewayMAC: [6]byte{0, 0x1b, 0x21, 0xab, 0xcd, 0xef},
		GatewayIP: netip.MustParseAddr("192.0.2.254"), SourceMAC: [6]byte{1, 2, 3, 4, 5, 6},
		SourceIPs:      []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")},
		OutputFilename: "out", BlocklistFilename: "block", AllowlistFilename: "allow", AddressList: "addresses", AddressListCount: 29,
		DryRun: true, Quiet: true, LogLevel: 3, DedupMethod: "window", DedupWindow: 1000000,
		UserMetadata: []byte(`{"a":[1]}`), Notes: "a note", BlocklistedNetworks: []string{"10.1.2.3/8", "0.0.0.0/32"},
		AllowlistedNetworks: []string{"192.0.2.0/24"},
		Version:             "1.0.0", StopReason: "interrupted", StopError: "signal", LinkEngine: "sendmmsg", LinkReason: "no XDP",
		FinalRate: &finalRate, GrabModule: "tls", GrabTransport: "oneshot", GrabHosts: 34, GrabRefused: 35, GrabDeferred: 37, GrabStatus: map[string]uint64{"success": 36},
	}
}

// fullGolden is what fullMetadata becomes: the keys are those of C ZMap's file in its order, then ours.
const fullGolden = `{ "local_hostname": "vm", "full_hostname": "vm.example", "source_port_first": 32768, "source_port_last": 61000, ` +
	`"target_ports": [ 80, 443 ], "max_targets": 1, "max_runtime": 2, "max_results": 3, "output_results": 4, "iface": "eth0", ` +
	`"rate": 5, "bandwidth": 6, "cooldown_secs": 7, "senders": 8, "seed": -1, "seed_provided": 1, "generator": 9, ` +
	`"hitrate": 71.875, "shard_num": 1, "total_shards": 10, "min_hitrate": 0.1, "max_sendto_failures": 11, "syslog": 1, ` +
	`"default_mode": 1, "pcap_recv": 12, "pcap_drop": 13, "pcap_ifdrop": 14, "ip_fragments": 15, "blocklist_total_allowed": 16, ` +
	`"blocklist_total_not_allowed": 4294967280, "validation_passed": 17, "validation_failed": 18, "first_scanned": 19, ` +
	`"send_to_failures": 20, "packets_sent": 21, "targets_scanned": 32, "success_total": 22, "success_unique": 23, ` +
	`"app_success_total": 24, "app_success_unique": 25, "success_cooldown_total": 26, "success_cooldown_unique": 27, ` +
	`"failure_total": 28, "packet_streams": 2, "probe_module": "dns", "output_module": "csv", ` +
	`"send_start_time": "2026-11-22T15:30:01+0000", "send_end_time": "2026-11-22T15:30:02+0000", ` +
	`"recv_start_time": "2026-11-22T15:30:03+0000", "recv_end_time": "2026-11-22T15:30:04+0000", ` +
	`"output_filter": "success = 1", "log_file": "\/tmp\/log", "log_directory": "\/tmp\/logs", ` +
	`"cli_cidr_destinations": [ "10.0.0.0\/8", "192.0.2.1" ], "probe_args": "A,example.com", "probe_ttl": 64, ` +
	`"output_args": "x=y", "gateway_mac": "00:1b:21:ab:cd:ef", "gateway_ip": "192.0.2.254", "source_mac": "01:02:03:04:05:06", ` +
	`"source_ips": [ "192.0.2.1", "2001:db8::1" ], "output_filename": "out", "blocklist_filename": "block", ` +
	`"allowlist_filename": "allow", "list_of_ips_filename": "addresses", "list_of_ips_count": 29, "dryrun": 1, "quiet": 1, ` +
	`"log_level": 3, "deduplication_method": "window", "deduplication_window_size": 1000000, "user-metadata": { "a": [ 1 ] }, ` +
	`"notes": "a note", "blocklisted_networks": [ "10.1.2.3\/8", "0.0.0.0\/32" ], "allowlisted_networks": [ "192.0.2.0\/24" ], ` +
	`"zmap_version": "1.0.0", "stop_reason": "interrupted", "stop_error": "signal", "link_engine": "sendmmsg", ` +
	`"link_reason": "no XDP", "recv_lost": 13, "targets_unreachable": 33, "targets_excluded": 38, "receive_iface": "eth1", ` +
	`"grab_module": "tls", "grab_transport": "oneshot", "grab_hosts_total": 34, "grab_hosts_refused": 35, "grab_answers_deferred": 37, "grab_status": { "success": 36 }, "resumed_times": 39, "resumed_targets_before": 40, "resumed_results_before": 41, "rate_at_end": 5.25 }`

func TestMetadataFull(t *testing.T) {
	m := fullMetadata()
	if got := string(m.AppendJSON(nil)); got != fullGolden {
		t.Errorf("differences (-want +got):\n%s", cmp.Diff(strings.Split(fullGolden, ", "), strings.Split(got, ", ")))
	}
}

// TestFullMetadataIsFull makes sure that no field is forgotten in fullMetadata, and so in the test of all keys.
func TestFullMetadataIsFull(t *testing.T) {
	v := reflect.ValueOf(fullMetadata())
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; v.Field(i).IsZero() && name != "Planned" {
			t.Errorf("fullMetadata has no %s", name)
		}
	}
}

// TestMetadataOfAPlan says that a plan has those keys of a scan that do not depend on its course.
func TestMetadataOfAPlan(t *testing.T) {
	results := map[string]bool{
		"output_results": true, "hitrate": true, "pcap_recv": true, "pcap_drop": true, "pcap_ifdrop": true, "ip_fragments": true,
		"validation_passed": true, "validation_failed": true, "first_scanned": true, "send_to_failures": true, "packets_sent": true,
		"targets_scanned": true, "success_total": true, "success_unique": true, "app_success_total": true, "app_success_unique": true,
		"success_cooldown_total": true, "success_cooldown_unique": true, "failure_total": true, "send_start_time": true,
		"send_end_time": true, "recv_start_time": true, "recv_end_time": true, "stop_reason": true, "stop_error": true,
		"recv_lost": true, "targets_unreachable": true, "targets_excluded": true, "rate_at_end": true, "grab_hosts_total": true, "grab_hosts_refused": true, "grab_answers_deferred": true,
		"grab_status": true, "resumed_times": true, "resumed_targets_before": true, "resumed_results_before": true,
	}
	for _, provided := range []bool{true, false} {
		m := fullMetadata()
		m.SeedProvided = provided
		var whole, plan map[string]json.RawMessage
		unmarshal := func(v any) {
			t.Helper()
			if err := json.Unmarshal(m.AppendJSON(nil), v); err != nil {
				t.Fatal(err)
			}
		}
		unmarshal(&whole)
		m.Planned = true
		unmarshal(&plan)
		for key, value := range whole {
			known := !results[key] && (provided || key != "seed" && key != "generator")
			if got, there := plan[key]; there != known || known && string(got) != string(value) {
				t.Errorf("seed provided %v: %s is %s, want it there: %v, with value %s", provided, key, got, known, value)
			}
			delete(plan, key)
		}
		if len(plan) > 0 {
			t.Errorf("a plan has keys that a scan has not: %v", plan)
		}
	}
}

func TestMetadataOfNothing(t *testing.T) {
	m := Metadata{Location: time.UTC}
	want := `{ "local_hostname": "", "source_port_first": 0, "source_port_last": 0, "target_ports": [ 0 ], "max_targets": -1, ` +
		`"max_runtime": 0, "max_results": -1, "output_results": 0, "iface": "", "rate": 0, "bandwidth": 0, "cooldown_secs": 0, ` +
		`"senders": 0, "seed": 0, "seed_provided": 0, "generator": 0, "hitrate": 0.0, "shard_num": 0, "total_shards": 0, ` +
		`"min_hitrate": 0.0, "max_sendto_failures": -1, "syslog": 0, "default_mode": 0, "pcap_recv": 0, "pcap_drop": 0, ` +
		`"pcap_ifdrop": 0, "ip_fragments": 0, "blocklist_total_allowed": 0, "blocklist_total_not_allowed": 0, ` +
		`"validation_passed": 0, "validation_failed": 0, "first_scanned": 0, "send_to_failures": 0, "packets_sent": 0, ` +
		`"targets_scanned": 0, "success_total": 0, "success_unique": 0, "success_cooldown_total": 0, "success_cooldown_unique": 0, ` +
		`"failure_total": 0, "packet_streams": 0, "probe_module": "", "output_module": "", ` +
		`"send_start_time": "1970-01-01T00:00:00+0000", "send_end_time": "1970-01-01T00:00:00+0000", ` +
		`"recv_start_time": "1970-01-01T00:00:00+0000", "recv_end_time": "1970-01-01T00:00:00+0000", ` +
		`"gateway_mac": "00:00:00:00:00:00", "source_mac": "00:00:00:00:00:00", "source_ips": [ ], "dryrun": 0, "quiet": 0, ` +
		`"log_level": 0, "deduplication_method": "", "blocklisted_networks": [ ], "zmap_version": "", "stop_reason": "", ` +
		`"recv_lost": 0, "targets_unreachable": 0 }`
	if got := string(m.AppendJSON(nil)); got != want {
		t.Errorf("differences (-want +got):\n%s", cmp.Diff(strings.Split(want, ", "), strings.Split(got, ", ")))
	}
	m.DryRun = true
	if got := string(m.AppendJSON(nil)); !strings.Contains(got, `"max_results": 0,`) {
		t.Errorf("dry run: no max_results of 0 in %s", got)
	}
}

// TestMetadataLooksAsFromC compares with what C ZMap wrote for the same text.
func TestMetadataLooksAsFromC(t *testing.T) {
	m := Metadata{
		UserMetadata: []byte(`{"a":[1, {}, [],2.50, "x/y"],"b":{"c":null}}`),
		Notes:        "a/b \"q\" \\ tab\tbell\a\x7f é\nnl",
	}
	want := `"user-metadata": { "a": [ 1, { }, [ ], 2.50, "x\/y" ], "b": { "c": null } }, ` +
		`"notes": "a\/b \"q\" \\ tab\tbell\u0007` + "\x7f" + ` é\nnl", `
	if got := string(m.AppendJSON(nil)); !strings.Contains(got, want) {
		t.Errorf("no %s\nin %s", want, got)
	}
}

func TestMetadataTimesAreOfTheZoneAsked(t *testing.T) {
	m := Metadata{SendStart: time.Date(2026, 11, 22, 23, 30, 0, 0, time.UTC), Location: time.FixedZone("", -5400)}
	want := `"send_start_time": "2026-11-22T22:00:00-0130"`
	if got := string(m.AppendJSON(nil)); !strings.Contains(got, want) {
		t.Errorf("no %s\nin %s", want, got)
	}
}

func TestMetadataNumbers(t *testing.T) {
	tests := []struct {
		v              float64
		double, number string
	}{
		{0, "0.0", "0"},
		{1, "1.0", "1"},
		{-1, "-1.0", "-1"},
		{0.1, "0.1", "0.1"},
		{24.896265560165975, "24.896265560165975", "24.896265560165975"},
		{100, "100.0", "100"},
		{1e15, "1000000000000000.0", "1000000000000000"},
		{1e17, "1e+17", "100000000000000000"},
		{1e300, "1e+300", "1e+300"},
		{0.00001, "1e-05", "1e-05"},
		{math.NaN(), "0.0", "0"},
		{math.Inf(1), "0.0", "0"},
		{math.Inf(-1), "0.0", "0"},
	}
	for _, tt := range tests {
		o := openObject(nil)
		o.double("d", tt.v)
		o.number("n", tt.v)
		want := `{ "d": ` + tt.double + `, "n": ` + tt.number + ` }`
		got := string(o.close())
		if got != want || !json.Valid([]byte(got)) {
			t.Errorf("%v: got %s, want %s", tt.v, got, want)
		}
	}
}

func TestUserMetadata(t *testing.T) {
	tests := []struct{ given, want string }{
		{`5`, `5`},
		{`"/"`, `"\/"`},
		{`"a\/b\\/\""`, `"a\/b\\\/\""`},
		{`{}`, `{ }`},
		{" {\n\t} ", `{ }`},
		{`[[],{"a":{}}]`, `[ [ ], { "a": { } } ]`},
		{`"{[,:]}"`, `"{[,:]}"`},
		{`12345678901234567890.10`, `12345678901234567890.10`},
		{"{\n \"a\" : \"b\",\n \"c\" : true\n}", `{ "a": "b", "c": true }`},
		{`{"a":`, `"{\"a\":"`},
		{`1, "x": 2`, `"1, \"x\": 2"`},
		{" ", `" "`},
		{"\"\xff\"", "\"\ufffd\""},
	}
	for _, tt := range tests {
		m := Metadata{UserMetadata: []byte(tt.given)}
		want := `, "user-metadata": ` + tt.want + `, "blocklisted_networks": `
		if got := string(m.AppendJSON(nil)); !strings.Contains(got, want) {
			t.Errorf("%s: no %s\nin %s", tt.given, want, got)
		}
	}
}

func TestMetadataIsWrittenAsOneLine(t *testing.T) {
	m := fullMetadata()
	m.UserMetadata, m.Notes = []byte("{\n}\n"), "a\nb"
	var w lines
	n, err := m.WriteTo(&w)
	if err != nil {
		t.Fatal(err)
	}
	w.check(t, 1)
	if n != int64(len(w[0])) {
		t.Errorf("WriteTo returned %d for %d bytes", n, len(w[0]))
	}
	if _, err := m.WriteTo(failing{}); !errors.Is(err, errBroken) {
		t.Errorf("error %v, want that of the writer", err)
	}
}

func FuzzMetadata(f *testing.F) {
	f.Add("a/b \"q\" \\ \t\a\x7f é\n", `{"a":[1,{},[],2.50,"x/y"]}`, 0.1, uint64(7), uint64(0))
	f.Add("\xff\xc3(\u2028\x00", `"\u00e9\/"`, math.NaN(), uint64(1<<63), uint64(3))
	f.Add("", `[`, math.Inf(-1), uint64(0), uint64(0))
	f.Fuzz(func(t *testing.T, text, user string, rate float64, n, asked uint64) {
		m := fullMetadata()
		m.Notes, m.LocalHostname, m.Destinations = text, text, []string{text, "x"}
		m.UserMetadata = []byte(user)
		m.MinHitRate, m.Rate = rate, rate
		m.Seed, m.SuccessUnique, m.TargetsScanned = n, n, asked
		line := m.AppendJSON([]byte("before"))[len("before"):]
		if bytes.ContainsAny(line, "\n\r") {
			t.Errorf("more than one line: %q", line)
		}
		var got struct {
			LocalHostname string          `json:"local_hostname"`
			Notes         string          `json:"notes"`
			Destinations  []string        `json:"cli_cidr_destinations"`
			User          json.RawMessage `json:"user-metadata"`
			Seed          int64           `json:"seed"`
			HitRate       float64         `json:"hitrate"`
			MinHitRate    float64         `json:"min_hitrate"`
			Rate          float64         `json:"rate"`
			Lost          uint64          `json:"recv_lost"`
		}
		if err := json.Unmarshal(line, &got); err != nil {
			t.Fatalf("%v: %q", err, line)
		}
		if math.IsNaN(rate) || math.IsInf(rate, 0) {
			rate = 0
		}
		clean := string([]rune(text)) // what is no UTF-8 is U+FFFD
		if text == "" && got.Notes != "" || got.Notes != clean || got.LocalHostname != clean || got.Destinations[0] != clean {
			t.Errorf("text %q came back as %q, %q, %q", text, got.Notes, got.LocalHostname, got.Destinations[0])
		}
		if got.Seed != int64(n) || got.MinHitRate != rate || got.Rate != rate || got.Lost != 13 {
			t.Errorf("numbers came back as %d, %v, %v, %d; want %d, %v, %v, 13", got.Seed, got.MinHitRate, got.Rate, got.Lost, int64(n), rate, rate)
		}
		if want := percent(n, asked); got.HitRate != want {
			t.Errorf("hitrate %v, want %v", got.HitRate, want)
		}
		checkUser(t, user, got.User)
	})
}

// checkUser fails unless got means the same as the JSON in user, or is a string of it if it is no JSON.
func checkUser(t *testing.T, user string, got json.RawMessage) {
	t.Helper()
	if user == "" {
		if got != nil {
			t.Errorf("user metadata %s, want none", got)
		}
		return
	}
	var want any = string([]rune(user))
	if json.Valid([]byte(user)) {
		want = decode(t, []byte(user))
	}
	if diff := cmp.Diff(want, decode(t, got)); diff != "" {
		t.Errorf("user metadata %s came back as %s (-want +got):\n%s", user, got, diff)
	}
}

// decode returns the value of text with its numbers as they are written.
func decode(t *testing.T, text []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v: %q", err, text)
	}
	return v
}

package zmap

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/zmap-go/zmap/lab"
	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/probe"
)

// A seen is a probe as it arrived at the Internet's end.
type seen struct {
	src, dst netip.AddrPort
}

// watched runs scan and returns the IPv4 packets that arrived meanwhile, all of them: the refusals of the scanner's own
// kernel included if everything is set.
func watched(t *testing.T, net *lab.Net, what lab.Selection, scan func()) []seen {
	t.Helper()
	capture, err := net.Capture(t.Context(), lab.CaptureSpec{Select: what, Keep: 1 << 16})
	if err != nil {
		t.Fatal(err)
	}
	scan()
	got, err := capture.Stop(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.Lost != 0 || got.Frames != uint64(len(got.Kept)) {
		t.Fatalf("the capture kept %d of %d frames and lost %d: the test proves nothing", len(got.Kept), got.Frames, got.Lost)
	}
	var all []seen
	for _, f := range got.Kept {
		var p packet.Parsed
		if p.Decode(f.Data, packet.LinkEthernet); p.Dst.Is4() {
			all = append(all, seen{netip.AddrPortFrom(p.Src, p.SrcPort), netip.AddrPortFrom(p.Dst, p.DstPort)})
		}
	}
	return all
}

// byTarget counts probes by target address.
func byTarget(probes []seen) map[netip.Addr]int {
	n := make(map[netip.Addr]int)
	for _, p := range probes {
		n[p.dst.Addr()]++
	}
	return n
}

// writeList makes a file of the lines.
func writeList(t *testing.T, lines string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(path, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// outside yields the addresses of p that are in none of the prefixes.
func outside(p netip.Prefix, holes ...netip.Prefix) func(yield func(netip.Addr) bool) {
	return func(yield func(netip.Addr) bool) {
		for a := range addrsOf(p) {
			in := slices.ContainsFunc(holes, func(h netip.Prefix) bool { return h.Contains(a) })
			if !in && !yield(a) {
				return
			}
		}
	}
}

// TestBlockedAddressesGetNothing looks at every frame that leaves, to hosts that would all answer.
func TestBlockedAddressesGetNothing(t *testing.T) {
	net := startNet(t, lab.Hosts{Prefix: prefix("10.6.0.0/20"), Kind: lab.Kernel})
	blocked := []netip.Prefix{prefix("10.6.3.0/24"), prefix("10.6.8.128/25"), prefix("10.6.15.255/32"), prefix("10.6.0.0/31")}
	c, rows := synScan("10.6.0.0/20")
	c.Blocklist = writeList(t, "10.6.3.0/24 # a comment\n10.6.8.128/25\n\n10.6.15.255\n10.6.0.0/31\n10.7.0.0/16\n")
	var r *Report
	probes := watched(t, net, lab.Everything, func() { r = run(t, c) })
	for _, p := range probes {
		if a := p.dst.Addr(); slices.ContainsFunc(blocked, func(b netip.Prefix) bool { return b.Contains(a) }) {
			t.Errorf("a packet went to the blocked address %v", a)
		}
	}
	eachOnce(t, "hosts found", rows.count(row.first), outside(prefix("10.6.0.0/20"), blocked...))
	if want := uint64(4096 - 256 - 128 - 1 - 2); r.Targets != want || r.Sent != want || tally(t, net).SYNs != want {
		t.Errorf("%d targets, %d frames, %d SYNs arrived; want %d", r.Targets, r.Sent, tally(t, net).SYNs, want)
	}
}

// TestAllowlistsAndAddressList asks what is on the list of addresses and allowed.
func TestAllowlistsAndAddressList(t *testing.T) {
	net := startNet(t, lab.Hosts{Prefix: prefix("10.6.0.0/20"), Kind: lab.Kernel})
	c, rows := synScan("10.6.4.0/24")
	c.Allowlist = writeList(t, "10.6.5.0/24\n")
	c.Blocklist = writeList(t, "10.6.4.7\n")
	c.AddressList = writeList(t, "10.6.4.1\n10.6.4.7\n10.6.5.9 # known\n10.6.6.1\n10.6.4.1\n10.6.4.200\n")
	var r *Report
	probes := watched(t, net, lab.Probes, func() { r = run(t, c) })
	want := []netip.Addr{netip.MustParseAddr("10.6.4.1"), netip.MustParseAddr("10.6.5.9"), netip.MustParseAddr("10.6.4.200")}
	eachOnce(t, "addresses asked", byTarget(probes), slices.Values(want))
	eachOnce(t, "hosts found", rows.count(row.first), slices.Values(want))
	if r.Listed != 6 || r.Targets != 3 {
		t.Errorf("%d lines listed, %d targets; want 6, 3", r.Listed, r.Targets)
	}
}

// TestShardsTile has three machines with different numbers of senders share a scan.
func TestShardsTile(t *testing.T) {
	net := startNet(t,
		lab.Hosts{Prefix: prefix("10.7.0.0/20"), Kind: lab.Kernel},
		lab.Hosts{Prefix: prefix("10.7.2.0/23"), Kind: lab.Silent},
	)
	asked, found := make(map[netip.Addr]int), make(map[netip.Addr]int)
	var targets uint64
	for shard := range uint32(3) {
		c, rows := synScan("10.7.0.0/20")
		c.Blocklist = writeList(t, "10.7.9.0/24\n")
		c.Seed, c.Shard, c.Shards, c.Senders = seed(77), shard, 3, int(shard)+1
		var r *Report
		probes := watched(t, net, lab.Probes, func() { r = run(t, c) })
		if r.Senders != int(shard)+1 || r.Targets == 0 || r.Targets != uint64(len(probes)) {
			t.Errorf("shard %d: %d senders, %d targets, %d probes arrived", shard, r.Senders, r.Targets, len(probes))
		}
		targets += r.Targets
		add(asked, byTarget(probes))
		add(found, rows.count(row.first))
	}
	eachOnce(t, "addresses asked", asked, outside(prefix("10.7.0.0/20"), prefix("10.7.9.0/24")))
	eachOnce(t, "hosts found", found, outside(prefix("10.7.0.0/20"), prefix("10.7.9.0/24"), prefix("10.7.2.0/23")))
	if n := tally(t, net).SYNs; targets != 4096-256 || n != targets {
		t.Errorf("%d targets in all shards, %d SYNs arrived; want 3840", targets, n)
	}
}

func add(sum, more map[netip.Addr]int) {
	for a, n := range more {
		sum[a] += n
	}
}

// TestSeveralPorts asks two open ports and a closed one: one row for every address and port.
func TestSeveralPorts(t *testing.T) {
	net := startWorld(t, lab.World{Ports: []uint16{80, 443}, Hosts: []lab.Hosts{
		{Prefix: prefix("10.8.0.0/24"), Kind: lab.Kernel},
		{Prefix: prefix("10.8.1.0/25"), Kind: lab.Twice},
	}})
	c, rows := synScan("10.8.0.0/23")
	c.Ports = "80,443,81"
	var r *Report
	probes := watched(t, net, lab.Probes, func() { r = run(t, c) })

	asked := make(map[netip.AddrPort]int)
	for _, p := range probes {
		asked[p.dst]++
	}
	want := make(map[netip.AddrPort]string) // classification by target
	for a := range addrsOf(prefix("10.8.0.0/23")) {
		for port, class := range map[uint16]string{80: "synack", 443: "synack", 81: "rst"} {
			want[netip.AddrPortFrom(a, port)] = class
		}
	}
	eachOnce(t, "targets asked", asked, maps.Keys(want))
	got, repeats := make(map[netip.AddrPort]int), 0
	for _, row := range rows.rows {
		target := netip.AddrPortFrom(row.addr("saddr"), uint16(row.num("sport")))
		if row.flag("repeat") {
			repeats++
			continue
		}
		got[target]++
		if row.class() != want[target] {
			t.Errorf("%v is %q, want %q", target, row.class(), want[target])
		}
	}
	maps.DeleteFunc(want, func(k netip.AddrPort, _ string) bool { return !answers(net, k.Addr()) })
	eachOnce(t, "targets with a row", got, maps.Keys(want))
	if r.Dedup.String() != "window" || r.Targets != 512*3 || repeats != 128*3 {
		t.Errorf("%v deduplication, %d targets, %d repeats; want window, %d, %d", r.Dedup, r.Targets, repeats, 512*3, 128*3)
	}
}

// answers says whether a host of the world answers SYNs.
func answers(net *lab.Net, a netip.Addr) bool { return net.Truth().Expect(a, lab.SYN(80)) != lab.None }

// TestEveryOptionLayoutFindsHosts lets a real kernel judge the SYNs.
func TestEveryOptionLayoutFindsHosts(t *testing.T) {
	net := startNet(t, lab.Hosts{Prefix: prefix("10.9.0.0/25"), Kind: lab.Kernel})
	for _, layout := range []string{"windows", "linux", "bsd", "smallest-probes"} {
		t.Run(layout, func(t *testing.T) {
			c, rows := synScan("10.9.0.0/24")
			var err error
			if c.Probe, err = probe.New("tcp_synscan", probe.Args{Text: layout}); err != nil {
				t.Fatal(err)
			}
			run(t, c)
			eachOnce(t, "hosts found", rows.count(row.first), net.Truth().Addrs(lab.SYN(80), lab.SYNACK))
			options := rows.rows[0]
			got := fmt.Sprint(!options.get("tcpopt_mss").IsNull(), !options.get("tcpopt_wscale").IsNull(),
				!options.get("tcpopt_sack_perm").IsNull(), !options.get("tcpopt_ts_val").IsNull())
			// A kernel answers with the options that it was offered.
			want := map[string]string{
				"windows": "true true true false", "linux": "true true true true", "bsd": "true true true true",
				"smallest-probes": "true false false false",
			}[layout]
			if got != want {
				t.Errorf("MSS, window scale, SACK, timestamps in the answer: %s, want %s", got, want)
			}
		})
	}
}

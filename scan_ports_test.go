package zmap

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"testing"

	"github.com/zmap-go/zmap/dedup"
	"github.com/zmap-go/zmap/lab"
	"github.com/zmap-go/zmap/target"
)

// TestAnyNumberOfPorts asks every port of every address once, shared by any number of machines with any number of senders.
func TestAnyNumberOfPorts(t *testing.T) {
	for _, c := range []struct {
		ports, network string
		n              int
	}{
		{"443", "10.0.0.0/22", 1},
		{"443,80", "10.0.0.0/22", 2},
		{"0,65535,7,7,0", "10.0.0.0/24", 3},
		{"1-257", "10.0.0.0/26", 257},
		{"*", "10.0.0.0/31", 65536},
		{"0-65535,80", "10.0.0.0/32", 65536},
	} {
		for _, machines := range []uint32{1, 3} {
			asked := make(map[netip.AddrPort]int)
			for shard := range machines {
				config := Config{Networks: []string{c.network}, AllowSpecial: private(), Ports: c.ports, Seed: seed(5), Shard: shard, Shards: machines, Senders: int(shard) + 1}
				r, out := dryRun(t, config, true)
				got := records(t, out)
				if r.Targets != uint64(len(got)) || r.Space.Ports().Len() != c.n {
					t.Errorf("ports %s: %d targets and %d ports by the report, %d records; want %d ports", c.ports, r.Targets, r.Space.Ports().Len(), len(got), c.n)
				}
				for _, a := range got {
					asked[a]++
				}
			}
			ports, err := target.ParsePorts(c.ports)
			if err != nil {
				t.Fatal(err)
			}
			eachOnce(t, fmt.Sprintf("ports %s, %d machines", c.ports, machines), asked, func(yield func(netip.AddrPort) bool) {
				for a := range addrsOf(prefix(c.network)) {
					for port := range ports.All() {
						if !yield(netip.AddrPortFrom(a, port)) {
							return
						}
					}
				}
			})
		}
	}
}

// TestManyPortsOfEverything looks at the beginning of scans that no machine comes to the end of, in groups in which C ZMap's
// arithmetic overflows: of its first million targets with 257 ports, 584,242 are different ones.
func TestManyPortsOfEverything(t *testing.T) {
	for _, ports := range []string{"1-257", "*"} {
		const n = 300_000
		c := Config{Ports: ports, Blocklist: os.DevNull, Seed: seed(2), MaxTargets: TargetLimit{N: n}, Senders: 1}
		r, out := dryRun(t, c, true)
		seen := make(map[netip.AddrPort]bool, n)
		cells := make([]int, 16) // by the upper four bits of the address
		for _, a := range records(t, out) {
			if seen[a] {
				t.Fatalf("ports %s: %v comes twice", ports, a)
			}
			seen[a] = true
			cells[a.Addr().As4()[0]>>4]++
		}
		if len(seen) != n || r.Targets != n {
			t.Errorf("ports %s: %d targets, want %d", ports, len(seen), n)
		}
		for i, got := range cells { // 18,750 each; 5 standard deviations are 663
			if got < 18_087 || got > 19_413 {
				t.Errorf("ports %s: %d of %d targets are in sixteenth %d of the addresses", ports, got, n, i)
			}
		}
	}
}

// TestRefusalDoesNotHideALaterSuccess asks hosts twice that refuse first and accept then, each port of its own, and has every
// way of recognising repeats look at it.
func TestRefusalDoesNotHideALaterSuccess(t *testing.T) {
	for _, c := range []struct {
		ports  string
		method dedup.Method
		want   dedup.Method
	}{
		{"80", dedup.MethodAuto, dedup.MethodFull},
		{"80", dedup.MethodWindow, dedup.MethodWindow},
		{"80,443", dedup.MethodAuto, dedup.MethodWindow},
		{"80,443", dedup.MethodNone, dedup.MethodNone},
	} {
		t.Run(fmt.Sprintf("%s %v", c.ports, c.method), func(t *testing.T) {
			net := startWorld(t, lab.World{Ports: []uint16{80, 443}, Hosts: []lab.Hosts{{Prefix: prefix("10.3.0.0/24"), Kind: lab.RefuseThenAccept}}})
			config, rows := synScan("10.3.0.0/24")
			config.Ports, config.Tries, config.Dedup = c.ports, 2, c.method
			r := run(t, config)
			ports, err := target.ParsePorts(c.ports)
			if err != nil {
				t.Fatal(err)
			}
			want := make(map[netip.AddrPort]bool)
			for a := range net.Truth().Addrs(lab.SYN(80), lab.RSTThenSYNACK) {
				for port := range ports.All() {
					want[netip.AddrPortFrom(a, port)] = true
				}
			}
			count := func(keep func(row) bool) map[netip.AddrPort]int {
				n := make(map[netip.AddrPort]int)
				for _, row := range rows.rows {
					if keep(row) {
						n[netip.AddrPortFrom(row.addr("saddr"), uint16(row.num("sport")))]++
					}
				}
				return n
			}
			eachOnce(t, "first successes", count(row.first), maps.Keys(want))
			refused := func(r row) bool { return r.class() == "rst" && !r.flag("success") && !r.flag("repeat") }
			eachOnce(t, "refusals", count(refused), maps.Keys(want))
			if n := uint64(len(want)); r.Rows != 2*n || r.Targets != n || r.Sent != 2*n || r.Dedup != c.want {
				t.Errorf("%d rows, %d targets, %d frames sent, %v deduplication; want %d, %d, %d, %v", r.Rows, r.Targets, r.Sent, r.Dedup, 2*n, n, 2*n, c.want)
			}
		})
	}
}

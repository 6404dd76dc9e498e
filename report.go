package zmap

import (
	"net/netip"
	"slices"
	"time"

	"github.com/zmap-go/zmap/citizen"
	"github.com/zmap-go/zmap/dedup"
	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/grab/pool"
	"github.com/zmap-go/zmap/internal/engine"
	"github.com/zmap-go/zmap/internal/netdev"
	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/target"
	"github.com/zmap-go/zmap/validate"
)

// A Plan is what a [Config] came to: everything that was chosen, found or drawn for a scan.
type Plan struct {
	ID          string            // 128 random bits in hexadecimal, by which databases tell scans apart; "" for one that is only explained
	Probe       string            // name of the probe module
	Schema      *record.Schema    // fields of rows
	FrameLen    int               // bytes of its longest frame, from the Ethernet header on
	Space       *target.Space     // what the lists allow
	Asked       *target.Space     // what is asked of it: all, or what is on the list of addresses; of Pairs only an Explanation knows it
	Excluded    *citizen.Excluded // asked for by name, and scanned only with more of AllowSpecial; nil if nothing is
	Unblocked   []citizen.Entry   // special-purpose networks that AllowSpecial takes out of the blocklist
	Total       uint64            // addresses to ask, times ports, in all shards
	Share       uint64            // those of this shard, no more than MaxTargets lets it ask; about, if there are several shards
	Tries       int               // probes per target
	Pairs       *Pairs            // single targets; nil if the scan has none
	Resumed     *Resumption       // what an earlier process has done of the scan; nil if it begins
	Listed      uint64            // addresses in the list of addresses, 0 without one
	Path        *netdev.Path      // interface, source addresses and next hop: of IPv4 targets, unless all are of IPv6
	PathIPv6    *netdev.Path      // those of IPv6 targets, by the same interface; nil if there are none
	Neighbours  int               // addresses on the local network, which are asked for their hardware addresses (ARP) first
	Silent      []netip.Addr      // targets on the local network that did not answer ARP: they get no probe
	SourcePorts validate.Ports    // of probes, for modules with ports
	Seed        uint64            // drawn, if the Config has none
	Generator   uint64            // of the cyclic group that orders the targets
	Rate        float64           // probes per second at the start; 0 means not limited
	MaxTargets  uint64            // for all shards together; 0 means no limit
	MaxRuntime  time.Duration     // time for sending; 0 means no limit
	Cooldown    time.Duration     // listening after the last probe
	Senders     int               // sending threads
	Dedup       dedup.Method      // never MethodAuto
	Grab        string            // name of the module that hosts are asked with; "" means none
	Transport   grab.Transport    // what makes its connections
	Link        string            // name of the link engine
	Why         string            // one line: why that one
}

// SourceAddrs returns the addresses that probes are sent from, of both families.
func (p *Plan) SourceAddrs() []netip.Addr {
	all := slices.Clone(p.Path.Sources)
	if p.PathIPv6 != nil && p.PathIPv6 != p.Path {
		all = append(all, p.PathIPv6.Sources...)
	}
	return all
}

// Pairs are what became of the single targets of a scan.
type Pairs struct {
	Asked  uint64 // in all shards, each once
	Double uint64 // were given once more
	Denied uint64 // are not what the lists allow
}

// A Report is what a scan did. It is complete also when the scan ended early.
type Report struct {
	Plan
	Counts
	Grabs              pool.Counts    // zero without grabs
	Reason             Stop           // why it ended; StopNone if it never began
	FinalRate          float64        // as Rate, at the end: another if [Control.SetRate] changed it
	Outputs            []OutputResult // as in Config
	Hooks              []HookFault    // hooks that did not get all that there was for them; nil if all got it
	HookWait           time.Duration  // for how long the scan was held since hooks were slow
	SendStart, SendEnd time.Time      // of the first probe's moment and after the last one left; zero if it never began
	RecvStart, RecvEnd time.Time      // when it began to listen, and ended
}

// HitRate returns successful first answers per target asked, in percent; 0 if no target was asked.
func (r *Report) HitRate() float64 {
	p := engine.Progress{Counts: r.Counts}
	return p.HitRate()
}

package zmap

import (
	"context"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"math"
	"net/netip"
	"time"

	"github.com/zmap-go/zmap/annotate"
	"github.com/zmap-go/zmap/citizen"
	"github.com/zmap-go/zmap/dedup"
	"github.com/zmap-go/zmap/internal/engine"
	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/probe"
	"github.com/zmap-go/zmap/sink"
	"github.com/zmap-go/zmap/target"
	"github.com/zmap-go/zmap/validate"
)

// The defaults that a zero [Config] stands for: those of C ZMap.
const (
	DefaultRate     = 10_000 // probes per second
	DefaultRetries  = link.DefaultRetries
	DefaultCooldown = 8 * time.Second
	DefaultTTL      = 64
	DefaultGrace    = time.Second
	DefaultLinkWait = 5 * time.Minute
)

// MaxSources is how many source addresses a scan may have.
const MaxSources = 256

// Config is one scan. Only Outputs has no default, and Ports for probes that have ports.
type Config struct {
	// Networks, Allowlist and Blocklist say what to ask: the networks and those in the file Allowlist, or everything if
	// there are neither, without those in Blocklist, a file or a list that package citizen has by name; "" means
	// [citizen.ListSpecial]. Special-purpose networks of the classes AllowSpecial are taken out of the blocklist, if they
	// are there as such, not as part of another network. 0.0.0.0 is never asked. AddressList is a file of single addresses;
	// only those of them that the lists allow are asked, which IPv6 addresses are if no network is named. With IgnoreListErrors entries that cannot be used are passed over, and
	// the log names them.
	Networks         []string
	Allowlist        string
	Blocklist        string
	AllowSpecial     []citizen.Class
	AddressList      string
	IgnoreListErrors bool
	// Exclude is a list as Blocklist, of networks that are passed over when their turn comes: unlike Blocklist it changes nothing of
	// the order of the others, so that machines that share a scan may have different ones. "" means none.
	Exclude string
	// Suffixes say which addresses are asked in each network of an IPv6 window, as "2001:db8::/32-64" among Networks is: suffixes such as
	// "::1", "low:1-16" for low bytes in hexadecimal, "random" for one that follows from the seed, with commas between them; "" means ::1.
	Suffixes string
	// AliasCheck has rows of IPv6 hosts say whether they are in an aliased network, in the field aliased: whether 16 random addresses of their
	// /64 answer as well, as far as the lists allow these. Rows wait for that, for some seconds. It excludes Grab and Checkpoint.
	AliasCheck bool
	// Ports is a list of ports and ranges, "80,443,8000-8010", or "*" for all.
	Ports string
	// Pairs are single targets, each with its own port, in the place of Ports; only those that the lists allow are asked, each once,
	// in the random order of all scans. It is ranged over once, before the scan; an error ends it. A pair takes 8 bytes, and 9 at the
	// start.
	Pairs iter.Seq2[netip.AddrPort, error]

	Probe       probe.Probe    // nil means tcp_synscan
	Tries       int            // probes per target; 0 means 1
	TTL         uint8          // 0 means DefaultTTL
	SourcePorts validate.Ports // zero means 32768-61000
	CheckPort   Choice         // whether answers must come from the port asked; zero means what the probe says

	// Key is what probes are tagged with; nil draws one. Machines with the same key know each other's answers, and whoever has it can
	// forge them.
	Key *validate.Key

	Seed   *uint64 // order of the targets; nil means a random one
	Shard  uint32  // this machine's share, counted from 0
	Shards uint32  // number of shares; 0 means 1. More than one needs a Seed

	Rate      float64 // probes per second; 0 means DefaultRate, [Unlimited] as fast as the link goes
	Bandwidth uint64  // bits per second on the wire; excludes Rate
	Batch     int     // frames handed to the kernel at once; 0 means what suits the link
	Retries   int     // 0 means DefaultRetries, negative none
	Senders   int     // sending threads; 0 means as many as the machine can use
	Cores     []int   // processors to use; empty means all

	MaxTargets      TargetLimit   // targets to ask, of all shards together; zero means no limit
	MaxResults      uint64        // rows; 0 means no limit
	MaxRuntime      time.Duration // time for sending; 0 means no limit
	Cooldown        time.Duration // listening after the last probe; 0 means DefaultCooldown, negative none
	MinHitRate      float64       // percent of targets; 0 means no limit
	MaxSendFailures *uint64       // nil means no limit
	// LinkWait is how long the scan waits for an interface that is down, or without a carrier, and sends nothing: when it is up again, it goes
	// on with the first frame that has not left. 0 means DefaultLinkWait, negative that such a scan ends. Raw IP sockets do not wait.
	LinkWait time.Duration

	Packets    bool           // send bare IP packets, and let the kernel find the next hop of each
	Interface  string         // "" means the one that the route to the targets leads through
	Receive    string         // interface that answers arrive at, whomever they are addressed to; "" means the same one
	Sources    []netip.Addr   // at most MaxSources, of either family; a family without one has what its route says
	SourceMAC  *packet.MAC    // hardware address to send from; nil means the interface's
	GatewayMAC *packet.MAC    // next hop of all targets; nil means that it is found by routes and ARP
	Link       string         // link engine by name; "" or "auto" means the best there is, "raw" implies Packets
	Qdisc      link.QdiscMode // zero means that frames pass by the kernel's traffic control
	RST        link.RSTPolicy // what becomes of connections that hosts accept; zero leaves them to the kernel, as C ZMap does

	// Checkpoint, if set, lets another process carry the scan on when this one was killed.
	Checkpoint *Checkpoint

	// DryRun, if set, gets the frames instead of the network.
	DryRun *DryRun

	// Outputs are where rows go, at least one place. When one of several fails the others go on: see Report.Outputs.
	Outputs []Output
	// Annotate adds fields to every row that are known of its saddr, by tables of networks for instance ([annotate.Open]).
	// Outputs name them like all others. Where several know the same field the first that knows something is believed.
	Annotate    []annotate.Annotator
	Dedup       dedup.Method // zero means full for one port, window for more
	DedupWindow int          // 0 means [dedup.DefaultWindow]

	// Grab, if set, speaks with hosts that accept a connection, and rows have what that taught in the field data. The probe
	// must be tcp_synscan with the arguments smallest-probes, which is the default then.
	Grab *Grab

	Hooks Hooks // what to call while the scan runs
	// Log gets what a user may want to know and no error says, before the first probe: entries of lists that were passed over
	// (Error), doubts about arguments, addresses and routes (Warn), targets that are asked by ARP (Info), the way and the link
	// that were chosen (Debug); and while the scan runs, outputs and hooks that are lost (Error). Nil means no log.
	Log *slog.Logger
}

// An Output is one place that rows go to, and which of them. Run opens and closes the sink; what the sink writes to stays
// open. All sinks are written to by one goroutine, so that the slowest of them slows the scan: no row is lost.
type Output struct {
	Name        string    // in errors, the log and the report; "" means its number, counted from 1
	Sink        sink.Sink // used by one scan; nil only for the loop of [Scan], and for [Explain]
	Filter      string    // "" lets every row pass
	DefaultMode bool      // only first successful answers, as C ZMap without -O, -f and --output-filter
}

// Unlimited is the rate of a scan that goes as fast as the link takes it.
const Unlimited = math.MaxFloat64

// A Control steers a scan while it runs. Its methods may be called from any goroutine.
type Control struct {
	scan    *engine.Scan
	exclude func(context.Context) error
}

// Rate returns the rate that the scan aims at, in probes per second of all senders together; 0 means not limited.
func (c *Control) Rate() float64 { return c.scan.Rate() }

// SetRate changes it, from each sender's next probe on; 0 means as fast as the link goes.
func (c *Control) SetRate(pps float64) { c.scan.SetRate(pps) }

// ReadExclude reads Config.Exclude once more, which may name other networks by now: from the next probe on those are passed over, and
// grabbed no more. If it has mistakes, the list before it stays. Names of hosts on it are looked up.
func (c *Control) ReadExclude(ctx context.Context) error { return c.exclude(ctx) }

// The engine's own words for a running scan.
type (
	// Progress is a scan's numbers at one moment with what follows from them.
	Progress = engine.Progress
	// Counts are a scan's numbers at one moment.
	Counts = engine.Counts
	// OutputResult is what became of one output.
	OutputResult = engine.OutputResult
	// OutputError says which of several outputs has failed. It wraps what the sink said.
	OutputError = engine.OutputError
)

// A DryRun shows frames instead of sending them. There is no cooldown, for nobody answers.
type DryRun struct {
	W    io.Writer // an error that wraps [sink.ErrReaderGone] ends the scan for that reason
	Fast bool      // six bytes per probe, address and port, instead of text
}

// A TargetLimit is a number of targets or a share of all targets that there could be. The zero value is no limit.
type TargetLimit = target.Limit

// A ConfigError says which setting is wrong and why. Field is the name of a [Config] field.
type ConfigError struct {
	Field string
	Value string // "" where Err has it
	Err   error  // what is wrong, and often what to do; wraps the cause, such as that of a file which cannot be opened
}

// Error names the field, the value and what is wrong.
func (e *ConfigError) Error() string {
	if e.Value == "" {
		return fmt.Sprintf("%s: %v", e.Field, e.Err)
	}
	return fmt.Sprintf("%s %q: %v", e.Field, e.Value, e.Err)
}

// Unwrap returns what is wrong.
func (e *ConfigError) Unwrap() error { return e.Err }

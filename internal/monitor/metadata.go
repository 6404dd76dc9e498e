package monitor

import (
	"io"
	"net/netip"
	"time"
)

// Metadata is what --metadata-file says about a scan: what was asked for, what was chosen, and what came of it. Fields are
// in the order of the keys that they become, whose names are behind them where they differ much. Numbers count from the
// scan's start. Text that is empty is left out unless the comment says otherwise.
type Metadata struct {
	LocalHostname   string // name of the host; always there
	FullHostname    string // what that name resolves to
	SourcePortFirst uint16 // also of probes without ports
	SourcePortLast  uint16
	TargetPorts     []uint16 // as given; empty for probes without ports, which becomes [ 0 ]

	MaxTargets    uint64        // 0 means no limit, which becomes -1
	MaxRuntime    time.Duration // 0 means no limit
	MaxResults    uint64        // 0 means no limit, which becomes -1, but 0 in a dry run
	OutputResults uint64        // rows written

	Interface    string        // iface; always there
	Rate         float64       // probes per second at the start, 0 means not limited; an integer if it is whole
	Bandwidth    uint64        // bits per second, 0 if not given
	Cooldown     time.Duration // cooldown_secs; negative is 0
	Senders      int
	Seed         uint64 // becomes a signed number with the same bits
	SeedProvided bool
	Generator    uint64

	// The key hitrate, in percent, is SuccessUnique per TargetsScanned; 0.0 if no target was scanned.

	Shard           uint32
	Shards          uint32  // total_shards
	MinHitRate      float64 // percent; 0 means no limit
	MaxSendFailures *uint64 // nil means no limit, which becomes -1
	Syslog          bool
	DefaultMode     bool // only first successful answers were written

	Received  uint64 // pcap_recv: packets that passed the capture filter
	Lost      uint64 // pcap_drop: packets that the kernel had for the scan and could not hand over, exactly
	IfDropped uint64 // pcap_ifdrop: packets that the interface dropped
	Fragments uint64 // ip_fragments: packets that were a part of a fragmented one

	Allowed    uint64 // blocklist_total_allowed: addresses that may be scanned
	NotAllowed uint64 // blocklist_total_not_allowed: addresses that may not

	ValidationPassed uint64 // packets that were answers to this scan
	ValidationFailed uint64 // packets that were not
	FirstScanned     uint64 // the first address asked as a number; 0 if not known
	SendFailures     uint64 // send_to_failures: packets that the kernel or the driver would not take
	PacketsSent      uint64 // packets handed to the send path, also those that it would not take
	TargetsScanned   uint64

	SuccessTotal     uint64 // successful answers
	SuccessUnique    uint64 // those of them that were no repeats
	HasAppSuccess    bool   // whether the probe module has application successes, and the next two are there
	AppSuccessTotal  uint64
	AppSuccessUnique uint64
	CooldownTotal    uint64 // success_cooldown_total: successful answers after sending had ended
	CooldownUnique   uint64
	FailureTotal     uint64 // answers that were no success

	Probes       int    // packet_streams: probes per target
	ProbeModule  string // always there
	OutputModule string // always there

	// Times become date, time and zone in Location; a zero time becomes the Unix epoch. Location nil means local time.
	SendStart, SendEnd time.Time
	RecvStart, RecvEnd time.Time
	Location           *time.Location

	OutputFilter string
	LogFile      string
	LogDirectory string
	Destinations []string // cli_cidr_destinations: networks on the command line, with their lengths; left out if none
	ProbeArgs    string
	ProbeTTL     uint8 // left out if 0
	OutputArgs   string

	GatewayMAC [6]byte
	GatewayIP  netip.Addr // left out if invalid
	SourceMAC  [6]byte
	SourceIPs  []netip.Addr

	OutputFilename    string
	BlocklistFilename string
	AllowlistFilename string
	AddressList       string // list_of_ips_filename
	AddressListCount  uint64 // list_of_ips_count: addresses in it; left out without AddressList

	DryRun      bool
	Quiet       bool
	LogLevel    int    // 0 fatal to 5 trace
	DedupMethod string // deduplication_method; always there
	DedupWindow uint64 // deduplication_window_size; left out unless the method is "window"

	UserMetadata []byte // user-metadata: a JSON value, copied word for word; left out if empty. What is no JSON becomes a string
	Notes        string

	BlocklistedNetworks []string // as typed and in order; C ZMap's ends with 0.0.0.0/32, which is never scanned
	AllowlistedNetworks []string // as typed and in order, files first; left out if none

	// Planned is set for a scan that has not begun. What is not known before its end is left out then; so are the seed and
	// what follows from it unless it was provided, and an interface and hardware addresses that nobody has found yet.
	Planned bool

	// The keys that C ZMap does not have.

	Version    string // zmap_version; always there
	StopReason string // why the scan ended; always there
	StopError  string // what caused that, if it was no ordinary end
	LinkEngine string // what moved the packets
	LinkReason string // why that engine

	ReceiveInterface string // receive_iface: where answers arrived, if that was another interface

	GrabModule    string            // what hosts that accept were asked with; "" means nothing, which leaves out the next ones
	GrabTransport string            // what supplied connections
	GrabHosts     uint64            // grab_hosts_total: hosts that were grabbed
	GrabRefused   uint64            // grab_hosts_refused: hosts that were not, since too many waited
	GrabDeferred  uint64            // grab_answers_deferred: answers that were left for their hosts to repeat, for the same reason
	GrabStatus    map[string]uint64 // grabs by how they ended

	Unreachable uint64   // targets_unreachable: those of TargetsScanned that got no packet, since nobody on the link answers for them
	Excluded    uint64   // targets_excluded: those of them that were passed over at their turn; none leaves it out
	Resumed     *Resumed // what an earlier process has done of the scan: its counts are not among the others; nil leaves the keys out
	FinalRate   *float64 // rate_at_end: as Rate, at the end of the scan; nil if it is the same, which leaves it out
}

// Resumed is what an earlier process has done of a scan.
type Resumed struct {
	Times   int    // resumed_times: how often the scan was carried on
	Targets uint64 // resumed_targets_before: asked before, and not again
	Rows    uint64 // resumed_results_before: written before
}

// WriteTo writes m as a line to w, in one Write.
func (m *Metadata) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(append(m.AppendJSON(nil), '\n'))
	return int64(n), err
}

// AppendJSON appends m as a JSON object, without a line end. It is valid JSON whatever the fields hold.
func (m *Metadata) AppendJSON(dst []byte) []byte {
	o := openObject(dst)
	m.addSetting(o)
	m.addCapture(o)
	m.addSpace(o)
	m.addAnswers(o)
	m.addModules(o)
	m.addTimes(o)
	m.addOptions(o)
	m.addNetwork(o)
	m.addFiles(o)
	m.addNew(o)
	return o.close()
}

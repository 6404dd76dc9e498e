package cli

import (
	"encoding/json"
	"math"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"github.com/zmap-go/zmap"
	"github.com/zmap-go/zmap/citizen"
	"github.com/zmap-go/zmap/dedup"
	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/grab/pool"
)

// scanOptions are the values of a scan's command line, as typed.
type scanOptions struct {
	ports, output, blocklist, allowlist, addressList, targets string
	allowSpecial                                              []citizen.Class

	rate                                             int64
	bandwidth                                        string
	batch, maxRuntime, maxResults, probes, cooldown  int64
	maxTargets                                       string
	seed                                             *uint64
	plan                                             string
	retries                                          int64
	dryRun, fastDryRun, explain                      bool
	shards, shard                                    int64
	sourcePorts, checkPort, sources                  string
	gatewayMAC, sourceMAC, iface, receive, link, rst string
	netmapWait                                       string
	noBypass, packets                                bool
	module, moduleArgs                               string
	ttl                                              int64
	listModules, listPayloads                        bool
	fields, formatArgs, filter                       string
	outputs, tables                                  []string
	listFormats, listFields, noHeader                bool
	dedup                                            string
	dedupWindow                                      int64
	verbosity                                        int64
	logFile, metadataFile, statusFile, unreachable   string
	logDirectory                                     string
	syslog, noSyslog                                 bool
	quiet, summary                                   bool
	notes, userMetadata                              string
	maxSendFailures                                  int64
	minHitRate                                       float64
	threads                                          int64
	cores                                            string
	ignoreListErrors, help, version                  bool

	grab, grabTransport, operator               string
	grabTimeout, grabBytes, grabConns, grabRate int64
	grabInFlight, grabPerAddr, grabPerNet       int64
	extra                                       extraOptions
	listGrabs                                   bool

	onStart, onHit, onProgress, onEnd string

	config string

	checkpoint, resume string
	resumeRewind       int64
	linkWait           int64
	excludeFile        string
	suffixes           string
	aliasCheck         bool
	commandLine        json.RawMessage // that of the scan that is carried on

	argv    []string        // the command line
	line    map[string]bool // long names of the options on it
	typed   map[string]bool // of those, and of the ones in the configuration file
	ownList bool            // the blocklist is a file that the user chose for this scan
	remarks []string        // what there is to say before the scan begins
}

// defaults returns the options of a command line without any.
func defaults() *scanOptions {
	return &scanOptions{
		resumeRewind: -1, linkWait: int64(zmap.DefaultLinkWait / time.Second),
		rate: -1, probes: 1, cooldown: 8, retries: 10, shards: 1, ttl: 64, verbosity: 3,
		module: "tcp_synscan", outputs: []string{"csv"}, dedup: "default", dedupWindow: 1_000_000, maxSendFailures: -1, link: "auto",
		threads: -1, grabTransport: "auto", grabTimeout: int64(grab.DefaultTimeout / time.Second), grabBytes: grab.DefaultBytes,
		grabInFlight: pool.DefaultInFlight, grabPerAddr: pool.DefaultPerAddr, grabPerNet: pool.DefaultPerNet,
		extra: defaultExtras(),
	}
}

// A section is a group of options under one heading of the help.
type section struct {
	title string
	flags *pflag.FlagSet
}

// sections declares every option of the scan, bound to o, in the order of the help. This is the one table of options.
func sections(o *scanOptions) []section {
	return []section{
		{"Basic options", basicOptions(o)},
		{"Scan options", paceOptions(o)},
		{"Sharding options", shardOptions(o)},
		{"Resume options", resumeOptions(o)},
		{"Network options", networkOptions(o)},
		{"Probe options", probeOptions(o)},
		{"Grab options", grabOptions(o)},
		{"Output options", outputOptions(o)},
		{"Answers and limits", limitOptions(o)},
		{"Logging and metadata options", logOptions(o)},
		{"Hook options", hookOptions(o)},
		{"Other options", otherOptions(o)},
	}
}

func basicOptions(o *scanOptions) *pflag.FlagSet {
	s := newSet()
	s.text(&o.ports, "target-ports", "p", "`ports` to scan: 80, 80,443 or 8000-8010; * for all (not for ICMP probes)")
	s.text(&o.output, "output-file", "o", "write results to `file`; without it, or with -, to standard output")
	s.text(&o.blocklist, "blocklist-file", "b", "`file` of networks that are not to be scanned, one a line; or builtin:special, the default, "+
		"which has the networks of special purpose, or builtin:zmap, the list that C ZMap comes with")
	s.classes(&o.allowSpecial, "allow-special", "take `classes` of networks out of the default blocklist, one or more of "+
		strings.ReplaceAll(citizen.JoinClasses(citizen.Classes()), ",", ", ")+", with commas between them")
	s.text(&o.excludeFile, "exclude-file", "", "`file` of networks that are passed over when their turn comes, one a line: unlike --blocklist-file it changes nothing of the "+
		"order, and may grow while the scan runs (SIGHUP has it read again) and before --resume")
	s.text(&o.allowlist, "allowlist-file", "w", "`file` of networks to scan, one a line")
	s.text(&o.suffixes, "ipv6-suffix", "", "`suffixes` of the addresses that are asked in each network of an IPv6 window such as 2001:db8::/32-64, one probe for each "+
		"/64: ::1 (the default), others like it, low:1-16 for low bytes in hexadecimal, or random, with commas between them")
	s.flag(&o.aliasCheck, "alias-check", "", "ask 16 random addresses of each /64 with an IPv6 host, and say in the field aliased whether all of them answer: then it is one "+
		"machine that does")
	s.text(&o.addressList, "list-of-ips-file", "I", "`file` of single addresses to scan, one a line")
	s.text(&o.targets, "targets-file", "", "scan the single targets in `file`, each with its own port: 192.0.2.1:443, 192.0.2.1,443, or the CSV or JSON of an "+
		"earlier scan; lines without a port have that of --target-ports")
	s.text(&o.plan, "plan", "", "scan what the plan in `file` says, which zmap plan has written; of several shards, the one of --shard")
	return s.FlagSet
}

func paceOptions(o *scanOptions) *pflag.FlagSet {
	s := newSet()
	s.integer(&o.rate, "rate", "r", "send `pps` probes a second; 0 means as fast as the link goes (default 10000)", -1, math.MaxInt32)
	s.text(&o.bandwidth, "bandwidth", "B", "send `bps` bits a second on the wire, with suffix K, M or G; instead of --rate")
	s.integer(&o.batch, "batch", "", "hand the kernel `n` frames at once (default: what suits the link, 64 with sockets and 4096 with XDP)", 1, 65535)
	s.text(&o.maxTargets, "max-targets", "n", "ask at most `n` targets, or n% of all that there could be")
	s.integer(&o.maxRuntime, "max-runtime", "t", "send for at most `seconds`; the cooldown comes after it", 0, math.MaxInt32)
	s.integer(&o.maxResults, "max-results", "N", "end the scan after `n` results", 0, math.MaxInt64)
	s.integer(&o.probes, "probes", "P", "send `n` probes to every target (default 1)", 1, 65535)
	s.integer(&o.cooldown, "cooldown-time", "c", "listen for `seconds` after the last probe (default 8)", 0, math.MaxInt32)
	s.seed(&o.seed, "seed", "e", "`number` that decides the order of the targets; the same one gives the same order")
	s.integer(&o.retries, "retries", "", "try `n` more times to send a frame that the kernel does not take (default 10)", 0, math.MaxInt32)
	s.flag(&o.dryRun, "dryrun", "d", "print the probes instead of sending them")
	s.flag(&o.explain, "explain", "", "print what the scan would do and what it would take, and send nothing")
	s.flag(&o.fastDryRun, "fast-dryrun", "", "write six bytes a probe, address and port, instead of sending it")
	return s.FlagSet
}

func shardOptions(o *scanOptions) *pflag.FlagSet {
	s := newSet()
	s.integer(&o.shards, "shards", "", "the scan is shared by `n` machines; needs --seed and --shard", 1, 65535)
	s.integer(&o.shard, "shard", "", "this is machine `k` of them, counted from 0", 0, 65534)
	return s.FlagSet
}

func resumeOptions(o *scanOptions) *pflag.FlagSet {
	s := newSet()
	s.text(&o.checkpoint, "checkpoint", "", "write down every second in `file` how far the scan is, so that --resume can carry it on after the program was killed")
	s.text(&o.resume, "resume", "", "carry on the scan whose checkpoint is in `file`: its options are those of then, with what is given besides, such as --rate")
	s.integer(&o.resumeRewind, "resume-rewind", "", "ask again what was asked in the `seconds` before the checkpoint was written, since answers were on their way "+
		"(default: as long as answers took, and at least 2)", 0, math.MaxInt32)
	return s.FlagSet
}

func networkOptions(o *scanOptions) *pflag.FlagSet {
	s := newSet()
	s.text(&o.sourcePorts, "source-port", "s", "send from `port` or port range (default 32768-61000, and with --grab those of 10000-32767 that no other such scan has)")
	s.text(&o.checkPort, "validate-source-port", "", "`choice`, enable or disable: must answers come from the port asked? (default: as the probe has it)")
	s.text(&o.sources, "source-ip", "S", "send from these `addresses`: 192.0.2.1, 192.0.2.1-192.0.2.9, or a list of both")
	s.text(&o.gatewayMAC, "gateway-mac", "G", "hardware `address` of the next hop; without it, it is looked up and asked for by ARP")
	s.text(&o.sourceMAC, "source-mac", "", "hardware `address` to send from")
	s.text(&o.iface, "interface", "i", "send and listen on interface `name`; without it, the one that the route to the targets leads through")
	s.flag(&o.packets, "iplayer", "X", "send bare IP packets; the kernel finds the next hop of each, and its firewall sees them")
	s.text(&o.receive, "receive-interface", "", "listen on interface `name` instead, for answers that come back another way or are mirrored there")
	s.text(&o.link, "link", "", "`way` to send frames: auto, xdp, socket, ring, or raw, which means --iplayer (default auto); the log says which was chosen, and why")
	s.text(&o.rst, "rst", "", "what becomes of connections that hosts accept: `policy` pass, and the kernel resets them; or reset, and the link does it, at less cost (XDP alone; default pass)")
	s.integer(&o.linkWait, "link-wait", "", "wait at most `seconds` for an interface that is down, sending nothing meanwhile, before the scan ends (default 300)", 0, math.MaxInt32)
	s.text(&o.netmapWait, "netmap-wait-ping", "", "`address`, taken and ignored: C ZMap waits for it where it is built for netmap, which has no part here")
	s.flag(&o.noBypass, "no-qdisc-bypass", "", "let the kernel's traffic control (tc) see the probes; costs a tenth of the speed")
	return s.FlagSet
}

func probeOptions(o *scanOptions) *pflag.FlagSet {
	s := newSet()
	s.text(&o.module, "probe-module", "M", "`name` of the probe module (default tcp_synscan)")
	s.textOrEmpty(&o.moduleArgs, "probe-args", "`arguments` of the probe module; see below")
	s.integer(&o.ttl, "probe-ttl", "", "`hops` that probes may take (default 64)", 1, 255)
	s.flag(&o.listModules, "list-probe-modules", "", "list the probe modules")
	s.flag(&o.listPayloads, "list-payloads", "", "list the ready payloads of the udp module, with their ports and sizes")
	return s.FlagSet
}

func grabOptions(o *scanOptions) *pflag.FlagSet {
	s := newSet()
	s.text(&o.grab, "grab", "", "speak `module`, such as tls or postgres, with hosts that accept, over the connection of the one SYN that they got; options "+
		"follow it as in tls,mode=certs. Rows are JSON, unless another output is named, and have the field data")
	s.flag(&o.listGrabs, "list-grab-modules", "", "list the modules of --grab with their options")
	s.text(&o.operator, "operator", "", "`URI` of a page on who measures and how to opt out, for User-Agent headers and the like")
	s.text(&o.grabTransport, "grab-transport", "", "`way` of connections: oneshot, which carries on the scan's own in user space; handover, which gives "+
		"it to the kernel; dial, a second one of the kernel's; or auto, what suits the module of these and can be had (default auto)")
	s.integer(&o.grabTimeout, "grab-timeout", "", "end a connection after `seconds` (default 10)", 1, 600)
	s.integer(&o.grabBytes, "grab-max-bytes", "", "take at most `n` bytes of one connection (default 262144)", 1, 1<<30)
	s.integer(&o.grabConns, "grab-connections", "", "make at most `n` connections to one target (default: what the module may need, 5 for most)", 1, 100)
	s.integer(&o.grabRate, "grab-rate", "", "begin at most `n` connections a second (default: no limit)", 1, math.MaxInt32)
	s.integer(&o.grabInFlight, "grab-in-flight", "", "grab from at most `n` targets at once; when many wait the scan slows (default 5000)", 1, 1<<20)
	s.integer(&o.grabPerAddr, "grab-per-address", "", "of those at most `n` at one address (default 1)", 1, 1<<16)
	s.integer(&o.grabPerNet, "grab-per-network", "", "of those at most `n` in one /24 (default 64)", 1, 1<<16)
	o.extra.add(s)
	return s.FlagSet
}

func outputOptions(o *scanOptions) *pflag.FlagSet {
	s := newSet()
	s.text(&o.fields, "output-fields", "f", "`fields` of a row, separated by commas; * for all (default saddr, or saddr,sport for several ports)")
	s.texts(&o.outputs, "output-module", "O", "`output` for the results, csv or json among others (default csv); may be given several times: "+
		"csv=a.csv,fields=saddr,sport")
	s.textOrEmpty(&o.formatArgs, "output-args", "`arguments` of the output module: exec's command; kept in the metadata")
	s.textOrEmpty(&o.filter, "output-filter", "write only rows for which `expression` holds, such as 'success = 1 && repeat = 0'")
	s.texts(&o.tables, "annotate", "", "add fields to every row that `file` has on its address, such as asn and country: a database in MaxMind's format, "+
		"or CSV with the columns prefix,asn,org,country or others; may be given several times, and the first that knows a field counts")
	s.flag(&o.listFormats, "list-output-modules", "", "list the output formats")
	s.flag(&o.listFields, "list-output-fields", "", "list the fields of the chosen probe module, of --annotate and of --grab")
	s.flag(&o.noHeader, "no-header-row", "", "write no header line (csv)")
	return s.FlagSet
}

func limitOptions(o *scanOptions) *pflag.FlagSet {
	s := newSet()
	s.text(&o.dedup, "dedup-method", "", "how repeated answers are recognised: `method` default, none, full or window")
	s.integer(&o.dedupWindow, "dedup-window-size", "", "remember `n` targets with method window (default 1000000)", 1, dedup.MaxWindow)
	s.integer(&o.maxSendFailures, "max-sendto-failures", "", "end the scan after more than `n` frames that could not be sent; -1 means never (default -1)", -1, math.MaxInt64)
	s.percent(&o.minHitRate, "min-hitrate", "", "end the scan when fewer than this `percent` of the targets answer (default 0)")
	return s.FlagSet
}

func logOptions(o *scanOptions) *pflag.FlagSet {
	s := newSet()
	s.integer(&o.verbosity, "verbosity", "v", "`level` of the log: 0 fatal, 1 error, 2 warning, 3 info, 4 debug, 5 trace (default 3)", 0, 5)
	s.text(&o.logFile, "log-file", "l", "write the log to `file` instead of standard error")
	s.text(&o.logDirectory, "log-directory", "L", "write the log to a file in `directory`, whose name has the time in it: zmap-YYYY-MM-DDThhmmss+hhmm.log")
	s.flag(&o.syslog, "syslog", "", "send the log to the system's log as well, under the name zmap")
	s.flag(&o.noSyslog, "disable-syslog", "", "accepted for old scripts: without --syslog nothing goes there")
	s.text(&o.metadataFile, "metadata-file", "m", "write what the scan was and did to `file` as JSON; - for standard output")
	s.text(&o.statusFile, "status-updates-file", "u", "write a line of numbers every second to `file` as CSV")
	s.text(&o.unreachable, "unreachable-file", "", "write the targets on the local network that do not answer ARP, and so get no probe, to `file`, one a line")
	s.flag(&o.quiet, "quiet", "q", "print no status line")
	s.flag(&o.summary, "summary", "g", "accepted for old scripts: the log ends with a summary")
	s.textOrEmpty(&o.notes, "notes", "`text` for the metadata")
	s.text(&o.userMetadata, "user-metadata", "", "`json` for the metadata")
	return s.FlagSet
}

func hookOptions(o *scanOptions) *pflag.FlagSet {
	s := newSet()
	s.text(&o.onStart, "on-start", "", "start `command` with the scan and tell it what the scan will do: a JSON object on its standard input (docs/hooks.md)")
	s.text(&o.onHit, "on-hit", "", "start `command` with the scan and tell it of each target's first success at once, a JSON object a line; a slow one slows the scan")
	s.text(&o.onProgress, "on-progress", "", "start `command` with the scan and tell it every second how far that is, a JSON object a line")
	s.text(&o.onEnd, "on-end", "", "tell `command` how the scan ended, and why: a JSON object on its standard input")
	return s.FlagSet
}

func otherOptions(o *scanOptions) *pflag.FlagSet {
	s := newSet()
	s.integer(&o.threads, "sender-threads", "T", "send with `n` threads (default: by the number of cores and the rate)", 1, 255)
	s.text(&o.config, "config", "C", "read options from `file`, a line each: name value; the command line comes first")
	s.text(&o.cores, "cores", "", "`list` of processors to run on: 0,1")
	s.flag(&o.ignoreListErrors, "ignore-blocklist-errors", "", "go on after entries in the lists that cannot be understood")
	s.flag(&o.help, "help", "h", "print this help")
	s.flag(&o.version, "version", "V", "print the version")
	return s.FlagSet
}

// optionSet is a flag set with one method for every kind of option.
type optionSet struct{ *pflag.FlagSet }

func newSet() optionSet {
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	fs.SortFlags = false
	return optionSet{fs}
}

func (s optionSet) text(p *string, long, short, help string) {
	s.VarP(&textValue{p: p}, long, short, help)
}

// textOrEmpty is text for options without a letter, whose argument may be empty.
func (s optionSet) textOrEmpty(p *string, long, help string) {
	s.Var(&textValue{p: p, empty: true}, long, help)
}

// texts is text for options that may be given several times.
func (s optionSet) texts(p *[]string, long, short, help string) {
	s.VarP(&listValue{p: p}, long, short, help)
}

func (s optionSet) integer(p *int64, long, short, help string, least, most int64) {
	s.VarP(&intValue{p: p, min: least, max: most}, long, short, help)
}

func (s optionSet) seed(p **uint64, long, short, help string) {
	s.VarP(&seedValue{p: p}, long, short, help)
}

func (s optionSet) percent(p *float64, long, short, help string) {
	s.VarP(&percentValue{p: p}, long, short, help)
}

func (s optionSet) classes(p *[]citizen.Class, long, help string) {
	s.Var(&classValue{p: p}, long, help)
}

func (s optionSet) flag(p *bool, long, short, help string) {
	s.VarP(&flagValue{p: p}, long, short, help)
	s.Lookup(long).NoOptDefVal = flagOn
}

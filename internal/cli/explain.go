package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/zmap-go/zmap"
	"github.com/zmap-go/zmap/internal/netdev"
	"github.com/zmap-go/zmap/sink"
	"github.com/zmap-go/zmap/target"
)

// explain prints what the scan would do.
func (j *job) explain(ctx context.Context) error {
	e, err := zmap.Explain(ctx, j.config)
	if err != nil {
		return interruption(ctx, j.advise(err))
	}
	s := &sheet{}
	s.line("Plan of a scan. Nothing has been sent.")
	j.explainTargets(s, e)
	j.explainOrder(s, e)
	j.explainPace(s, e)
	j.explainLoad(s, e)
	j.explainNetwork(s, e)
	explainMemory(s, e)
	j.explainMetadata(s, e)
	explainMissing(s, e)
	_, err = io.WriteString(j.std.Out, s.String())
	return sink.WriteError(err)
}

// A sheet is text in two columns under headings.
type sheet struct{ strings.Builder }

// labelColumn is where the second column begins.
const labelColumn = 32

func (s *sheet) line(text string) { s.WriteString(text + "\n") }

func (s *sheet) heading(text string) { s.line("\n" + text) }

func (s *sheet) row(label, format string, args ...any) {
	fmt.Fprintf(s, "  %-*s%s\n", labelColumn-2, label, fmt.Sprintf(format, args...))
}

// explainTargets says what is asked and what the lists have to do with that.
func (j *job) explainTargets(s *sheet, e *zmap.Explanation) {
	s.heading("Targets")
	j.explainLists(s, e)
	s.row("allowed", "%s", count(e.Space.Allowed(), "address", "addresses"))
	if x := e.Excluded; x != nil && !j.o.ownList {
		s.row("named, but blocked", "%s; to scan it: %s", x, j.o.allowing(x.Classes))
	}
	if j.config.AddressList != "" {
		s.row("listed", "%s in %s, %s; %s allowed", count(e.Distinct, "address", "addresses"), count(e.Listed, "line", "lines"),
			j.config.AddressList, grouped(e.Asked.Addrs()))
	}
	if ports := e.Space.Ports(); j.config.Probe.Describe().Ports {
		s.row("ports", "%s: %s", grouped(uint64(ports.Len())), portRanges(ports))
	}
	s.row("targets", "%s", grouped(e.Total))
	if e.MaxTargets > 0 {
		s.row("max-targets", "%s", grouped(e.MaxTargets))
	}
	about := ""
	if n := j.config.Shards; n > 1 {
		s.row("shard", "%d of %d, counted from 0", j.config.Shard, n)
		about = "about "
	}
	s.row("asked by this scan", "%s%s", about, grouped(e.Share))
}

// explainLists says what each list adds or takes.
func (j *job) explainLists(s *sheet, e *zmap.Explanation) {
	sources := e.Space.Sources(target.Allow)
	for _, w := range e.Space.Windows() {
		s.row("wanted", "%s", w)
	}
	if len(sources)+len(e.Space.Windows()) == 0 {
		s.row("wanted", "%s: all of IPv4, since no network is named", grouped(1<<32))
	}
	for _, from := range sources {
		name := from.Name
		if name == "" {
			name = "the command line"
		}
		s.row("wanted", "%s, by %s (%s)", count(from.Addrs, "address", "addresses"), name, count(uint64(from.Entries), "entry", "entries"))
	}
	for _, x := range e.Unblocked {
		if x.Prefix.Addr().Is6() && e.Space.IPv6() == 0 {
			continue
		}
		s.row("not blocked", "%s, %s, %s (%s:%d), by --allow-special %s", x.Prefix, x.Name, x.RFC, j.config.Blocklist, x.Line, x.Class)
	}
	for _, from := range e.Space.Sources(target.Block) {
		if from.BuiltIn {
			s.row("blocked", "%s, by 0.0.0.0, which is never scanned", count(from.Addrs, "address", "addresses"))
			continue
		}
		s.row("blocked", "%s, by %s (%s)", count(from.Addrs, "address", "addresses"), from.Name, count(uint64(from.Entries), "entry", "entries"))
	}
}

// explainOrder says in which order targets are asked.
func (j *job) explainOrder(s *sheet, e *zmap.Explanation) {
	s.heading("Order")
	if j.config.Seed == nil {
		s.row("seed", "drawn anew by each scan; --seed repeats an order")
		return
	}
	s.row("seed", "%d", e.Seed)
	s.row("generator", "%d", e.Generator)
}

// explainPace says how fast and for how long.
func (j *job) explainPace(s *sheet, e *zmap.Explanation) {
	s.heading("Pace")
	s.row("probes", "%s, %d for each target, by %s", grouped(e.Probes), e.Tries, e.Probe)
	s.row("frame", "%d bytes at most, %d on an Ethernet with preamble and gap", e.FrameLen, e.WireLen)
	s.row("on the wire", "%s in all", bytesText(e.Bytes))
	if e.Rate == 0 {
		s.row("rate", "not limited: as fast as the link goes, for as long as that takes")
	} else {
		s.row("rate", "%s a second, %s on the wire", speed(e.Rate), bitsText(e.Bits))
	}
	if e.Asking > 0 {
		s.row("time before", "%s at most, to ask %s on the local network for hardware addresses (ARP)", spell(e.Asking),
			count(uint64(e.Neighbours), "target", "targets"))
	}
	if e.Rate > 0 {
		s.row("time", "%s of sending, %s of listening after that", spell(e.Sending), spell(e.Listening))
	}
	if e.MaxRuntime > 0 {
		s.row("limit", "%s of sending (--max-runtime)", spell(e.MaxRuntime))
	}
	if n := j.config.MaxResults; n > 0 {
		s.row("limit", "%s (--max-results)", count(n, "result", "results"))
	}
	if r := j.config.MinHitRate; r > 0 {
		s.row("limit", "%g%% of the targets answer, no fewer (--min-hitrate)", r)
	}
	if n := j.config.MaxSendFailures; n != nil {
		s.row("limit", "%s that cannot be sent (--max-sendto-failures)", count(*n, "frame", "frames"))
	}
}

// explainLoad says what networks at the other end see.
func (j *job) explainLoad(s *sheet, e *zmap.Explanation) {
	l := &e.Load
	if l.Nets == 0 { // all is of IPv6, where an address or a few are asked in each network
		return
	}
	s.heading("Load on others")
	s.row("networks of 256 (/24)", "%s, up to %s asked in each", grouped(l.Nets), count(l.Addrs, "address", "addresses"))
	s.row("probes for one of them", "%s at most, at random moments", grouped(l.Probes))
	switch {
	case e.Rate == 0:
		s.row("how often", "not known, since the rate is not limited")
	case l.Rate >= 1:
		s.row("how often", "%s a second on average: one every %s", speed(l.Rate), spell(l.Gap))
	default:
		s.row("how often", "one every %s on average", spell(l.Gap))
	}
	if n := j.config.Shards; n > 1 && e.Rate > 0 {
		s.row("", "%d times as often if all shards are scanned at once at this rate", n)
	}
}

// explainNetwork says where frames leave.
func (j *job) explainNetwork(s *sheet, e *zmap.Explanation) {
	s.heading("Network")
	p := e.Path
	if p.Interface == "" {
		s.row("way", "not known, see below")
	} else {
		s.row("way", "%s", netdev.Describe(p))
	}
	if six := e.PathIPv6; six != nil && six != p && six.Interface != "" {
		s.row("way of IPv6", "%s", netdev.Describe(six))
	}
	if sources := e.SourceAddrs(); !sources[0].IsUnspecified() {
		s.row("source addresses", "%s", addrList(sources))
	}
	if j.config.Probe.Describe().Ports {
		s.row("source ports", "%d-%d", e.SourcePorts.First, e.SourcePorts.Last)
	}
	if !p.SourceMAC.IsZero() {
		s.row("source MAC address", "%s", p.SourceMAC)
	}
	if p.Gateway.IsValid() && p.Ether && p.HopMAC.IsZero() {
		s.row("gateway MAC address", "not known yet: a scan asks for it (ARP or Neighbor Discovery)")
	}
	if p.Receive != "" {
		s.row("receives on", "%s", p.Receive)
	}
	switch {
	case j.config.DryRun != nil:
		s.row("link", "none: a dry run shows frames instead of sending them")
	case e.Link == "":
		s.row("link", "not known, see below")
	default:
		s.row("link", "%s", e.Why)
	}
	s.row("sending threads", "%d", e.Senders)
	if e.Grab != "" {
		s.row("grabs", "%s, connections by %s", j.o.grab, e.Transport)
	}
}

// explainMemory says what the scan takes.
func explainMemory(s *sheet, e *zmap.Explanation) {
	s.heading("Memory, beside that of the program")
	var first, most uint64
	for _, m := range e.Memory {
		first, most = first+m.First, most+m.Most
		s.row(m.What, "%s", memoryText(m.First, m.Most))
	}
	s.row("together", "%s", memoryText(first, most))
}

// explainMetadata prints the metadata, as far as they are known.
func (j *job) explainMetadata(s *sheet, e *zmap.Explanation) {
	m := j.describe(&zmap.Report{Plan: e.Plan, FinalRate: e.Rate}, nil)
	m.Planned = true
	s.heading("Metadata (--metadata-file), without what the scan will find out")
	const most = 100
	d := json.NewDecoder(bytes.NewReader(m.AppendJSON(nil)))
	_, _ = d.Token() // the opening brace; it is valid JSON whatever the fields hold
	for d.More() {
		var value json.RawMessage
		key, _ := d.Token()
		_ = d.Decode(&value)
		text := string(value)
		if len(text) > most {
			text = strings.ToValidUTF8(text[:most], "") + fmt.Sprintf(" ... (%s)", count(uint64(len(value)), "byte", "bytes"))
		}
		s.row(fmt.Sprint(key), "%s", text)
	}
}

// explainMissing says what could not be found out, and why a scan would not begin.
func explainMissing(s *sheet, e *zmap.Explanation) {
	for _, err := range e.Missing {
		title := "A scan would not begin here"
		if errors.Is(err, os.ErrPermission) {
			title = "Not known, for lack of rights"
		}
		s.heading(title)
		for _, line := range lines(err) {
			s.line("  " + line)
		}
	}
}

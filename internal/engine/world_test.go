package engine

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zmap-go/zmap/dedup"
	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/link/linktest"
	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/permute"
	"github.com/zmap-go/zmap/probe"
	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/target"
	"github.com/zmap-go/zmap/validate"
)

// A reply is one answer to a SYN.
type reply struct {
	after time.Duration
	flags packet.TCPFlags // SYN and ACK, or RST
	frame []byte          // if set, this frame instead
}

const synack = packet.SYN | packet.ACK

// A trial is one scan of a network in memory, inside a synctest bubble: hours pass in no time.
type trial struct {
	cfg   Config
	start time.Time

	mu     sync.Mutex // guards the fields below
	frames []frame
	rows   []line
	flush  []time.Duration
	write  func(n int) error // called, if set, before row n, counted from 1, is kept
	closed bool
}

// A frame is a probe that left.
type frame struct {
	at       time.Duration
	src, dst netip.AddrPort
}

// A line is a row that was written.
type line struct {
	at                        time.Duration
	addr                      netip.Addr
	port                      uint16
	class                     string
	success, repeat, cooldown bool
	data                      string // of a grab
}

// A plan says what a trial is: everything has a default but hosts, without which nobody answers.
type plan struct {
	network string   // what to scan
	ports   []uint16 // port 80 without them, if the module has ports
	module  string   // tcp_synscan without it
	args    string
	hosts   func(netip.AddrPort) []reply
	wild    func(p *packet.Parsed, emit func(time.Duration, []byte)) // instead of hosts: gets the probe itself
	options linktest.Options
	senders int
	shard   permute.Shard
	change  func(c *Config)
}

// bubble runs f inside a synctest bubble with the trial that p says.
func bubble(t *testing.T, p plan, f func(t *testing.T, x *trial)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, newTrial(t, p)) })
}

func newTrial(t testing.TB, p plan) *trial {
	t.Helper()
	x := &trial{start: time.Now()}
	net := linktest.New(func(b []byte, emit func(time.Duration, []byte)) { x.arrived(b, p, emit) }, p.options)
	module, err := probe.New(cmp.Or(p.module, "tcp_synscan"), probe.Args{Text: p.args})
	if err != nil {
		t.Fatal(err)
	}
	if p.ports == nil && module.Describe().Ports {
		p.ports = []uint16{80}
	}
	space := newSpace(t, p)
	cycle, err := permute.New(7, permute.Grid{Rows: space.Rows(), Cols: space.Cols()})
	if err != nil {
		t.Fatal(err)
	}
	walks, err := cycle.Walks(permute.Shard{N: p.shard.N, Of: max(1, p.shard.Of)}, max(1, p.senders))
	if err != nil {
		t.Fatal(err)
	}
	filter := module.Describe().Capture
	filter.Local = []netip.Addr{scanner()}
	l, err := net.Open(t.Context(), link.Config{Interface: "memory", Index: 1, Ether: true, Senders: max(1, p.senders), Filter: filter})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	seen, err := dedup.New(dedup.Config{Method: dedup.MethodWindow, Window: 1 << 16, Targets: space.Targets()})
	if err != nil {
		t.Fatal(err)
	}
	x.cfg = Config{
		Space: space, Walks: orders(walks), Total: space.Targets(), Probe: module,
		Route:   probe.Route{Ether: true, Hops: []packet.MAC{{2, 0, 0, 0, 0, 1}}, Ports: validate.DefaultPorts(), TTL: 64},
		Sources: []netip.Addr{scanner()}, Tries: 1, Batch: 64, Rate: 1000, Link: l, Seen: seen, Outputs: []Output{{Name: "rows", Sink: x}}, Clock: PlainClock(),
		Limits: Limits{Cooldown: time.Second, Grace: time.Second, MaxSendFailures: -1},
	}
	if p.change != nil {
		p.change(&x.cfg)
	}
	return x
}

func newSpace(t testing.TB, p plan) *target.Space {
	t.Helper()
	b := target.Builder{Ports: target.NewPorts(p.ports...)}
	if err := b.Add(target.Allow, p.network); err != nil {
		t.Fatal(err)
	}
	space, err := b.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return space
}

// scanner is our address.
func scanner() netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, 1}) }

// arrived notes a probe and answers it.
func (x *trial) arrived(b []byte, by plan, emit func(time.Duration, []byte)) {
	var p packet.Parsed
	p.Decode(b, packet.LinkEthernet)
	dst := netip.AddrPortFrom(p.Dst, p.DstPort)
	x.mu.Lock()
	x.frames = append(x.frames, frame{at: time.Since(x.start), src: netip.AddrPortFrom(p.Src, p.SrcPort), dst: dst})
	x.mu.Unlock()
	switch {
	case by.wild != nil:
		by.wild(&p, emit)
		return
	case by.hosts == nil:
		return
	}
	for _, r := range by.hosts(dst) {
		if r.frame == nil {
			r.frame = answer(&p, r.flags)
		}
		emit(r.after, r.frame)
	}
}

// answer is the frame with which a host answers a SYN.
func answer(p *packet.Parsed, flags packet.TCPFlags) []byte {
	return segment(p.Dst, p.Src, packet.TCPFields{SrcPort: p.DstPort, DstPort: p.SrcPort, Ack: p.TCP.Seq() + 1, Flags: flags})
}

// segment is a frame with a TCP segment without data.
func segment(src, dst netip.Addr, f packet.TCPFields) []byte {
	b := make([]byte, packet.TCPLen)
	f.Encode(b)
	return ipFrame(src, dst, packet.ProtoTCP, b)
}

// everyone is a network where every host answers at once.
func everyone(netip.AddrPort) []reply { return []reply{{flags: synack}} }

// last is the last byte of an address.
func last(a netip.AddrPort) int { return int(a.Addr().As4()[3]) }

func (x *trial) Open(*record.Schema) error { return nil }

func (x *trial) Write(r *record.Record) error {
	if x.write != nil {
		if err := x.write(len(x.rows) + 1); err != nil {
			return err
		}
	}
	get := func(name string) *record.Value {
		i, ok := r.Schema.Lookup(name)
		if !ok {
			return &record.Value{}
		}
		return &r.Values[i]
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.rows = append(x.rows, line{
		at: time.Since(x.start), addr: get("saddr").Addr(), port: uint16(get("sport").Uint()),
		class:   strings.Clone(get("classification").Text()),
		success: get("success").Bool(), repeat: get("repeat").Bool(), cooldown: get("cooldown").Bool(),
		data: string(get("data").Bytes()),
	})
	return nil
}

func (x *trial) Flush() error {
	x.flush = append(x.flush, time.Since(x.start))
	return nil
}

func (x *trial) Close() error {
	x.closed = true
	return nil
}

// left returns how many probes have left so far.
func (x *trial) left() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.frames)
}

// run scans.
func (x *trial) run(ctx context.Context, t *testing.T) (Result, error) {
	t.Helper()
	s, err := New(x.cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s.Run(ctx)
}

// end scans and fails the test unless the scan ends for that reason.
func (x *trial) end(t *testing.T, want Stop) Result {
	t.Helper()
	res, err := x.run(t.Context(), t)
	if res.Reason != want || (err == nil) != want.Clean() {
		t.Fatalf("the scan ended by reason of %q, error %v; want %q", res.Reason, err, want)
	}
	if want == WalkDone && res.Received != res.Frames+res.Lost {
		t.Errorf("%d frames received, but %d looked at and %d lost", res.Received, res.Frames, res.Lost)
	}
	if res.Passed+res.Failed+res.Segments+res.Deferred != res.Frames || res.Rows != uint64(len(x.rows)) || res.ActiveSenders != 0 {
		t.Errorf("counts contradict each other, or the %d rows: %+v", len(x.rows), res.Counts)
	}
	return res
}

// found returns the last bytes of the addresses in rows that keep wants, sorted.
func (x *trial) found(keep func(line) bool) []int {
	var all []int
	for _, r := range x.rows {
		if keep(r) {
			all = append(all, int(r.addr.As4()[3]))
		}
	}
	slices.Sort(all)
	return all
}

// numbers returns 0 to n-1.
func numbers(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

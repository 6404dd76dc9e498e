package engine

import (
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/zmap-go/zmap/dedup"
	"github.com/zmap-go/zmap/filter"
	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/sink"
	"github.com/zmap-go/zmap/target"
	"github.com/zmap-go/zmap/validate"
)

// echoes is a receive queue with answers ready: SYN-ACKs to probes of a key, each once in a round.
type echoes struct {
	frames [][]byte
	next   int
	frame  link.Frame
}

// fresh is a bitmap in which no answer is a repeat, or nothing would be written but the first round. Its size is that of a
// scan of a /8, whose bits do not fit a processor's nearest cache, and it is used in a random order.
type fresh struct{ b *dedup.Bitmap }

func (f *fresh) See(index uint64, o dedup.Outcome) bool {
	f.b.See(index, o) // Warm has spread it
	return false
}

func (f *fresh) Warm(indexes []uint64) {
	for i := range indexes {
		indexes[i] = spread(indexes[i])
	}
	f.b.Warm(indexes)
}

func spread(index uint64) uint64 { return index * 0x9e3779b1 % (1 << 24) }

// burst is how many frames a Poll hands over.
const burst = 512

func (e *echoes) Poll(time.Duration, func(*link.Frame)) (int, error) { return 0, nil }
func (e *echoes) Received() uint64                                   { return 0 }
func (e *echoes) Lost() uint64                                       { return 0 }
func (e *echoes) Close() error                                       { return nil }

// hand hands n frames over.
func (e *echoes) hand(n int, fn func(*link.Frame)) {
	f := &e.frame
	for range n {
		f.Data, f.Len, f.Ether = e.frames[e.next], len(e.frames[e.next]), true
		f.At += 400
		if e.next++; e.next == len(e.frames) {
			e.next = 0
		}
		fn(f)
	}
}

// loneReceiver is a receiver with its collector, and answers from all of a /16.
func loneReceiver(tb testing.TB, out sink.Sink, program string, defaultMode bool) (*receiver, *echoes) {
	tb.Helper()
	x := newTrial(tb, plan{network: "10.0.0.0/16", change: func(c *Config) {
		c.Outputs = []Output{{Sink: out, DefaultMode: defaultMode}}
	}})
	x.cfg.Seen = &fresh{b: dedup.NewBitmap(1 << 24)}
	var err error
	if program != "" {
		if x.cfg.Outputs[0].Filter, err = filter.Compile(program, Schema(x.cfg.Probe.Describe())); err != nil {
			tb.Fatal(err)
		}
	}
	s, err := New(x.cfg)
	if err != nil {
		tb.Fatal(err)
	}
	if err := out.Open(s.layout.schema); err != nil {
		tb.Fatal(err)
	}
	tags := s.tagger()
	e := &echoes{}
	var t target.Target
	for i := range uint64(1 << 16) {
		x.cfg.Space.Fill(i, &t)
		tag := tags.Tag(scanner(), t.Addr, t.Port)
		e.frames = append(e.frames, segment(t.Addr, scanner(), packet.TCPFields{
			SrcPort: t.Port, DstPort: tags.Ports().Of(tag, 0), Seq: 99, Ack: sequence(tag) + 1, Flags: synack, Window: 1000,
		}))
	}
	done := make(chan struct{})
	go func() { defer close(done); (&collector{scan: s}).run() }()
	tb.Cleanup(func() { close(s.queue); <-done })
	s.cfg.Link.RX[0] = e
	return s.receiver(0), e
}

// sequence is the sequence number of the SYN that has this tag.
func sequence(t validate.Tag) uint32 {
	return uint32(t[0])<<24 | uint32(t[1])<<16 | uint32(t[2])<<8 | uint32(t[3])
}

// BenchmarkReceive is what an answer costs from the link to the written row: decode, match, look up, deduplicate, fill the
// row, filter, csv. The collector has a goroutine of its own, so -cpu 1 is the figure for one core.
func BenchmarkReceive(b *testing.B) {
	for _, c := range []struct {
		name, fields, filter string
		defaultMode          bool
	}{
		{"addresses", "saddr", "", true},
		{"filter", "saddr,sport,ttl", "success = 1 && repeat = 0", false},
		{"all fields", "*", "", false},
	} {
		b.Run(c.name, func(b *testing.B) {
			r, e := loneReceiver(b, sink.NewCSV(io.Discard, sink.Options{Fields: c.fields, NoHeader: true}), c.filter, c.defaultMode)
			b.ReportAllocs()
			take, n := r.take, 0
			for b.Loop() {
				e.hand(burst, take)
				r.flush()
				n += burst
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds()/1e6, "Manswers/s")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/answer")
			if got := r.count.passed; got != uint64(n) {
				b.Errorf("%d of %d answers were recognised", got, n)
			}
		})
	}
}

// TestAnswersDoNotAllocate is about the way of an answer from the link to the written row, once the first rows are made.
func TestAnswersDoNotAllocate(t *testing.T) {
	for _, fields := range []string{"saddr", "*"} {
		r, e := loneReceiver(t, sink.NewCSV(io.Discard, sink.Options{Fields: fields, NoHeader: true}), "", false)
		take := r.take
		deliver := func() {
			e.hand(burst, take)
			r.flush()
			for len(r.scan.queue) > 0 { // or more rows are made
				runtime.Gosched()
			}
		}
		for range 200 { // rows, their memory and the sink's buffer reach their size
			deliver()
		}
		if n := testing.AllocsPerRun(100, deliver); n >= 1 {
			t.Errorf("fields %s: %d answers allocate %v times, want 0", fields, burst, n)
		}
	}
}

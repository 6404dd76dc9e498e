package engine

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"net/netip"
	"testing"

	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/probe"
	"github.com/zmap-go/zmap/sink"
)

// A listener is a receiver of a scan that does not run, and what its rows look like at the end.
type listener struct {
	module    string
	x         *trial
	r         *receiver
	csv, json bytes.Buffer
	sinks     []sink.Sink
}

// newListener returns a listener for a module, in a scan of two ports that takes answers from all others, and perhaps grabs.
func newListener(tb testing.TB, m probe.Module, grabs Grabber) *listener {
	tb.Helper()
	l := &listener{module: m.Name, x: newTrial(tb, plan{
		network: "10.0.0.0/24", ports: []uint16{53, 80}, module: m.Name, args: m.Least.Text,
		change: func(cfg *Config) { cfg.CheckPort, cfg.Tries, cfg.Grabs = No, 2, grabs },
	})}
	s, err := New(l.x.cfg)
	if err != nil {
		tb.Fatal(err)
	}
	l.r = s.receiver(0)
	l.sinks = []sink.Sink{
		sink.NewJSON(&l.json, sink.Options{Fields: "*"}),
		sink.NewCSV(&l.csv, sink.Options{Fields: "saddr,classification,success,repeat", NoHeader: true}),
	}
	for _, k := range l.sinks {
		if err := k.Open(s.layout.schema); err != nil {
			tb.Fatal(err)
		}
	}
	return l
}

// take has the receiver look at a frame and writes the row that it makes of it. The row is valid until the next call.
func (l *listener) take(t testing.TB, frame []byte, ether bool) bool {
	l.csv.Reset()
	l.json.Reset()
	l.r.take(&link.Frame{Data: frame, Len: len(frame), At: 1e18, Ether: ether})
	if l.r.batch == nil || l.r.batch.n == 0 {
		return false
	}
	row := l.r.batch.rows[l.r.batch.n-1]
	l.r.batch.n, l.r.batch.indexes, l.r.batch.halves = 0, l.r.batch.indexes[:0], l.r.batch.halves[:0]
	for _, k := range l.sinks {
		if err := k.Write(row); err != nil {
			t.Fatalf("%s: write row of %x: %v", l.module, frame, err)
		}
		if err := k.(sink.Flusher).Flush(); err != nil {
			t.Fatal(err)
		}
	}
	return true
}

// FuzzReceive gives arbitrary frames to the receivers of all modules. What becomes a row is about a host of the space, and the
// row can be written: the JSON is JSON, the CSV has all columns.
func FuzzReceive(f *testing.F) {
	var all []*listener
	host := netip.MustParseAddr("10.0.0.77")
	for _, m := range probe.Modules() {
		l := newListener(f, m, nil)
		all = append(all, l)
		if m.Name == "tcp_synscan" {
			all = append(all, newListener(f, m, grabber(1, 0)))
		}
		frames := genuineFrames(l, host)
		if !l.take(f, frames[0], true) {
			f.Fatalf("%s: no row for an answer: %x", m.Name, frames[0])
		}
		for _, frame := range frames {
			f.Add(frame, true)
			f.Add(frame[packet.EthernetLen:], false)
		}
	}
	f.Fuzz(func(t *testing.T, frame []byte, ether bool) {
		for _, l := range all {
			if l.take(t, frame, ether) {
				l.check(t, frame)
			}
		}
	})
}

// check looks at the row just written.
func (l *listener) check(t *testing.T, frame []byte) {
	var row struct {
		Saddr     string
		Dst       string `json:"daddr"`
		Class     string `json:"classification"`
		Success   any
		Responder string `json:"icmp_responder"`
	}
	if err := json.Unmarshal(l.json.Bytes(), &row); err != nil {
		t.Fatalf("%s: frame %x: the row is not JSON: %v: %s", l.module, frame, err, l.json.Bytes())
	}
	p := &l.r.parsed
	about := p.Src
	if p.Quoted.Present {
		about = p.Quoted.Dst
	}
	if !l.x.cfg.Space.Contains(about) || row.Class == "" || row.Success == nil {
		t.Fatalf("%s: frame %x: a row about %v: %s", l.module, frame, about, l.json.Bytes())
	}
	if row.Saddr != about.String() && !l.r.desc.FromResponder || row.Dst != p.Dst.String() {
		t.Fatalf("%s: frame %x: the row is about %s to %s, want %v to %v", l.module, frame, row.Saddr, row.Dst, about, p.Dst)
	}
	lines, err := csv.NewReader(&l.csv).ReadAll()
	if err != nil || len(lines) != 1 || len(lines[0]) != 4 || lines[0][0] != row.Saddr || lines[0][1] != row.Class {
		t.Fatalf("%s: frame %x: the row is not CSV: %v, %q, want that of %s", l.module, frame, err, lines, l.json.Bytes())
	}
}

// genuineFrames are frames that answer probes of a host, or nearly so: a whole answer, one from another port, an answer with a
// VLAN tag, ICMP errors with quotes of all kinds.
func genuineFrames(l *listener, host netip.Addr) [][]byte {
	var p packet.Parsed
	port := uint16(0)
	if l.r.desc.Ports {
		port = 80
	}
	sent := probeFrame(l.x, host, port)
	p.Decode(sent, packet.LinkEthernet)
	quote := sent[packet.EthernetLen:]
	frames := [][]byte{answerFrom(&p, port), answerFrom(&p, 5000)}
	tagged := append([]byte{0x81, 0, 0, 7}, frames[0][12:]...)
	frames = append(frames, append(frames[0][:12:12], tagged...))
	for _, n := range []int{len(quote), 28, 27, 48} {
		frames = append(frames, icmpAbout(host, scanner(), quote[:min(n, len(quote))]))
	}
	return frames
}

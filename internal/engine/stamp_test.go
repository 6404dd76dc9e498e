package engine

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/link/linktest"
	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/probe"
	"github.com/zmap-go/zmap/record"
)

// trips is a sink that notes the round trip in each row, in microseconds, and null as -1.
type trips map[netip.Addr]int64

func (trips) Open(*record.Schema) error { return nil }
func (trips) Close() error              { return nil }

func (s trips) Write(r *record.Record) error {
	addr, _ := r.Schema.Lookup("saddr")
	rtt, _ := r.Schema.Lookup("rtt_us")
	s[r.Values[addr].Addr()] = r.Values[rtt].Int()
	if r.Values[rtt].IsNull() {
		s[r.Values[addr].Addr()] = -1
	}
	return nil
}

// echo answers an echo request after as many milliseconds as the last byte of the target says.
func echo(b []byte, emit func(time.Duration, []byte)) {
	var p packet.Parsed
	p.Decode(b, packet.LinkEthernet)
	reply := append([]byte(nil), b...)
	ip := packet.IPv4(reply[packet.EthernetLen:])
	ip.SetSrc(p.Dst)
	ip.SetDst(p.Src)
	reply[packet.EthernetLen+packet.IPv4Len] = packet.ICMPv4EchoReply
	emit(time.Duration(p.Dst.As4()[3])*time.Millisecond, reply)
}

// TestRoundTripsAreExact scans a network in memory, where nothing but the hosts takes time: whatever the rate and the batch,
// the time in a probe is that at which it left.
func TestRoundTripsAreExact(t *testing.T) {
	for _, c := range []struct {
		rate  float64
		batch int
	}{{50, 64}, {1000, 64}, {1000, 1}, {100_000, 64}, {0, 64}, {0, 256}} {
		t.Run(fmt.Sprintf("%v a second, batches of %d", c.rate, c.batch), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x, rows := newTrial(t, plan{network: "10.0.0.0/24", ports: []uint16{0}}), make(trips)
				var err error
				if x.cfg.Probe, err = probe.New("icmp_echo_time", probe.Args{}); err != nil {
					t.Fatal(err)
				}
				capture := x.cfg.Probe.Describe().Capture
				capture.Local = []netip.Addr{scanner()}
				x.cfg.Link, err = linktest.New(echo, linktest.Options{}).Open(t.Context(), link.Config{
					Interface: "memory", Index: 1, Ether: true, Filter: capture,
				})
				if err != nil {
					t.Fatal(err)
				}
				defer x.cfg.Link.Close()
				x.cfg.Outputs[0].Sink, x.cfg.Rate, x.cfg.Batch = rows, c.rate, c.batch
				if res, err := x.run(t.Context(), t); err != nil || len(rows) != 256 {
					t.Fatalf("%d rows, want 256; error %v; %+v", len(rows), err, res)
				}
				for a, rtt := range rows {
					if want := 1000 * int64(a.As4()[3]); rtt != want {
						t.Errorf("round trip to %v took %d µs, want %d", a, rtt, want)
					}
				}
			})
		})
	}
}

// TestStampsDoNotAllocate says as well that only probes that want a time get one.
func TestStampsDoNotAllocate(t *testing.T) {
	space := blockedSpace(t, 10)
	for name, wanted := range map[string]bool{"icmp_echo_time": true, "icmp_echoscan": false} {
		s := loneSender(t, space, name, "")
		if got := s.stamps != nil; got != wanted {
			t.Errorf("%s: probes are stamped %v, want %v", name, got, wanted)
		}
		if n := testing.AllocsPerRun(200, func() { s.stamp(s.slots[:s.fill(s.slots)]) }); n != 0 {
			t.Errorf("%s: 64 probes allocate %v times, want 0", name, n)
		}
	}
}

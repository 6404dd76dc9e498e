package oneshot

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/packet"
)

// A peer is a hand-driven other side for a test in a bubble: it writes down what a stack sends, and sends what it is told.
type peer struct {
	t     *testing.T
	stack *Stack
	cable *cable
	half  grab.Half

	mu   sync.Mutex
	sent []string // what the stack sent since the last look, in the form of the want of expect
	raw  [][]byte
}

// newPeer makes a stack and its peer. Their sequence numbers are told from 0 on, which is what comes behind the SYNs.
func newPeer(t *testing.T, cfg Config) *peer {
	t.Helper()
	p := &peer{t: t, half: grab.Half{
		Local: netip.MustParseAddrPort("192.0.2.1:12345"), Remote: netip.MustParseAddrPort("198.51.100.1:80"),
		Next: 0xfffffff0, Peer: 0xffffff00, Offered: 65535, Window: 65535, MSS: 1000,
	}}
	start := time.Now()
	p.cable = newCable(func(frame []byte) {
		kind := packet.LinkIP
		if cfg.Ether {
			kind = packet.LinkEthernet
		}
		var q packet.Parsed
		q.Decode(frame, kind)
		if q.Kind != packet.KindTCP || !sound(&q) || q.TCP.Checksum() == 0 || q.Src.Is4() && !packet.IPv4(q.Frame[len(q.Frame)-len(q.TCP)-packet.IPv4Len:]).ChecksumOK() {
			t.Errorf("unsound frame %x", frame)
			return
		}
		var ack int64 = -1
		if q.TCP.Flags().Has(packet.ACK) {
			ack = int64(q.TCP.Ack() - p.half.Peer)
		}
		p.mu.Lock()
		p.sent = append(p.sent, fmt.Sprintf("%dms %v seq %d+%d ack %d",
			time.Since(start).Truncate(10*time.Millisecond).Milliseconds(), q.TCP.Flags(), int32(q.TCP.Seq()-p.half.Next), len(q.Payload), ack))
		p.raw = append(p.raw, append([]byte(nil), frame...))
		p.mu.Unlock()
	})
	cfg.TX = p.cable
	p.stack = New(cfg)
	t.Cleanup(func() { p.stack.Close() })
	return p
}

// open opens the connection.
func (p *peer) open() net.Conn {
	p.t.Helper()
	c, err := p.stack.Open(p.t.Context(), nil, &p.half)
	if err != nil {
		p.t.Fatal(err)
	}
	return c
}

// segment is sent to the stack; numbers are told as in expect.
func (p *peer) segment(seq, ack int, flags packet.TCPFlags, window uint16, data string) bool {
	return p.stack.Input(segmentTo(&p.half, p.half.Peer+uint32(seq), p.half.Next+uint32(ack), flags, window, []byte(data)))
}

// expect checks what the stack has sent since the last time, when all is quiet. Times are since the peer was made, rounded down
// to 10 ms, as the stack's wheel has ticks of 4 ms.
func (p *peer) expect(want ...string) {
	p.t.Helper()
	got := p.take()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		p.t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func (p *peer) take() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	got := p.sent
	p.sent, p.raw = nil, nil
	return got
}

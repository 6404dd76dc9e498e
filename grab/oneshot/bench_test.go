package oneshot

import (
	"encoding/binary"
	"io"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/packet"
)

// A responder is a server without state: it answers data with an answer and FIN, and FIN with ACK.
type responder struct {
	input  func(*packet.Parsed) bool
	answer []byte
	out    packet.Parsed
	in     packet.Parsed
	frame  []byte
	got    [8]atomic.Uint64 // segments from the stack: with data, with FIN, with RST, and others
}

const (
	withData = iota
	withFIN
	withRST
	others
)

func newResponder(answer string) *responder {
	return &responder{answer: []byte(answer), frame: make([]byte, 2000)}
}

// carry takes a frame of the stack. One goroutine calls it.
func (r *responder) carry(frame []byte) {
	if r.in.Decode(frame, packet.LinkIP) != packet.KindTCP {
		return
	}
	t, flags := r.in.TCP, packet.ACK
	var data []byte
	ack := t.Seq() + uint32(len(r.in.Payload))
	switch f := t.Flags(); {
	case f.Has(packet.RST):
		r.got[withRST].Add(1)
		return
	case len(r.in.Payload) > 0:
		r.got[withData].Add(1)
		flags, data = packet.ACK|packet.PSH|packet.FIN, r.answer
	case f.Has(packet.FIN):
		r.got[withFIN].Add(1)
		ack++
	default:
		r.got[others].Add(1)
		return
	}
	n := packet.IPv4Len + packet.TCPLen + len(data)
	b := r.frame[:n]
	packet.IPv4Fields{TotalLen: n, TTL: 64, Proto: packet.ProtoTCP, Src: r.in.Dst, Dst: r.in.Src}.Encode(b)
	s := packet.TCPFields{SrcPort: r.in.DstPort, DstPort: r.in.SrcPort, Seq: t.Ack(), Ack: ack, Flags: flags, Window: 65535}.Encode(b[packet.IPv4Len:])
	copy(s[packet.TCPLen:], data)
	s.SetChecksum(packet.PseudoHeader(r.in.Dst, r.in.Src, packet.ProtoTCP, len(s)).Fold())
	r.out.Decode(b, packet.LinkIP)
	r.input(&r.out)
}

// halves makes half-open connections to ever new hosts.
func halves() func() grab.Half {
	var n atomic.Uint32
	return func() grab.Half {
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], 0x0a000000|n.Add(1)&0xffffff)
		return grab.Half{
			Local: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1}), 12345), Remote: netip.AddrPortFrom(netip.AddrFrom4(a), 80),
			Next: 1000, Peer: 2000, Offered: 65535, Window: 65535, MSS: 1460,
		}
	}
}

// exchange is what a grab does with a connection.
func exchange(t testing.TB, s *Stack, h *grab.Half, b []byte) {
	c, err := s.Open(t.Context(), nil, h)
	if err != nil {
		t.Error(err)
		return
	}
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: 192.0.2.1\r\nConnection: close\r\n\r\n"); err != nil {
		t.Error(err)
	}
	for {
		if _, err = c.Read(b); err != nil {
			break
		}
	}
	if err != io.EOF {
		t.Error(err)
	}
	c.Close()
}

// BenchmarkExchange is one question and one answer, 1000 at a time, with a server in memory whose work counts as well.
func BenchmarkExchange(b *testing.B) {
	r := newResponder("HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat("x", 500))
	s := New(Config{TX: newCable(r.carry)})
	r.input = s.Input
	defer s.Close()
	half := halves()
	const workers = 1000
	var wg sync.WaitGroup
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ReportAllocs()
	b.ResetTimer()
	for range workers {
		wg.Go(func() {
			buf := make([]byte, 4096)
			for left.Add(-1) >= 0 {
				h := half()
				exchange(b, s, &h, buf)
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(s.Stats().Out)/float64(b.N), "segments/op")
	b.ReportMetric(float64(runtime.GOMAXPROCS(0)), "procs")
}

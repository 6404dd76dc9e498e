package grabtest

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/packet"
)

// A Path carries IP packets as a [Way] says, the same ones in the same manner in every run, as far as their order is the same.
// It may be used by any number of goroutines.
type Path struct {
	way Way
	mu  sync.Mutex
	rnd *rand.Rand
}

// NewPath returns a path.
func NewPath(w Way) *Path { return &Path{way: w, rnd: rand.New(rand.NewPCG(7, 7))} }

// Pass hands a packet on, or not, or later. The packet is the caller's again when it returns.
func (p *Path) Pass(frame []byte, to func([]byte)) {
	var v packet.Parsed
	v.Decode(frame, packet.LinkIP)
	if v.Kind == packet.KindTCP && v.TCP.Flags().Has(packet.SYN) {
		if p.way.Twice && v.TCP.Flags().Has(packet.ACK) {
			again := append([]byte(nil), frame...)
			time.AfterFunc(30*time.Millisecond, func() { to(again) })
		}
		to(frame)
		return
	}
	p.mu.Lock()
	lost := p.rnd.Float64() < p.way.Loss
	late := time.Duration(0)
	if p.way.Reorder && p.rnd.IntN(5) == 0 {
		late = time.Duration(1+p.rnd.IntN(4000)) * time.Microsecond
	}
	p.mu.Unlock()
	switch {
	case lost:
	case late > 0:
		frame = append([]byte(nil), frame...)
		time.AfterFunc(late, func() { to(frame) })
	default:
		to(frame)
	}
}

// HalfOf returns the half-open connection that a SYN-ACK to a [SYN] stands for.
func HalfOf(p *packet.Parsed) grab.Half {
	h := grab.Half{
		Local: netip.AddrPortFrom(p.Dst, p.DstPort), Remote: netip.AddrPortFrom(p.Src, p.SrcPort),
		Next: p.TCP.Ack(), Peer: p.TCP.Seq() + 1, Offered: window, Window: p.TCP.Window(), MSS: 536,
	}
	if o := p.TCP.Options(); o.HasMSS {
		h.MSS = o.MSS
	}
	return h
}

// window is that of a [SYN].
const window = 65535

// SYN returns the IP packet of a scan's SYN, with the MSS as its one option.
func SYN(from, to netip.AddrPort) []byte {
	b := make([]byte, 100)
	f := packet.TCPFields{
		SrcPort: from.Port(), DstPort: to.Port(), Seq: rand.Uint32(), Flags: packet.SYN, Window: window, Options: []byte{2, 4, 1460 >> 8, 1460 & 255},
	}
	n := packet.IPv4Len
	if from.Addr().Is6() {
		n = packet.IPv6Len
		packet.IPv6Fields{PayloadLen: f.Len(), NextHeader: packet.ProtoTCP, HopLimit: 64, Src: from.Addr(), Dst: to.Addr()}.Encode(b)
	} else {
		packet.IPv4Fields{TotalLen: n + f.Len(), TTL: 64, Proto: packet.ProtoTCP, Src: from.Addr(), Dst: to.Addr()}.Encode(b)
	}
	f.Encode(b[n:])[:f.Len()].FillChecksum(packet.PseudoHeader(from.Addr(), to.Addr(), packet.ProtoTCP, f.Len()))
	return b[:n+f.Len()]
}

// Ask has a SYN sent, again if need be, and returns what answers it: the half-open connection of the port, out of all that come.
func Ask(t testing.TB, send func(packet []byte), from, to netip.AddrPort, answers <-chan grab.Half) *grab.Half {
	t.Helper()
	syn := SYN(from, to)
	for range 50 {
		send(syn)
		for again := time.After(200 * time.Millisecond); ; {
			select {
			case h := <-answers:
				if h.Local.Port() == from.Port() {
					return &h
				}
				continue
			case <-again: // an interface that is new may lose packets
			}
			break
		}
	}
	t.Fatal("no SYN-ACK")
	return nil
}

// Serve has a server take one connection, which comes with the first segment of ours, and closes it when serve returns. The test
// ends when it has.
func Serve(t testing.TB, l net.Listener, serve func(far *net.TCPConn)) {
	t.Helper()
	done := make(chan struct{})
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	go func() {
		defer close(done)
		accepted, err := l.Accept()
		if errors.Is(err, net.ErrClosed) { // the test was over before our side had said anything
			return
		}
		if err != nil {
			t.Errorf("accept: %v", err)
			return
		}
		serve(accepted.(*net.TCPConn))
		_ = accepted.Close()
	}()
}

// ForceCookies has servers keep no state before a connection stands, until the test ends.
func ForceCookies(t testing.TB) {
	t.Helper()
	const file = "/proc/sys/net/ipv4/tcp_syncookies"
	if err := os.WriteFile(file, []byte("2"), 0); err != nil {
		t.Skipf("SYN cookies cannot be forced: %v", err)
	}
	t.Cleanup(func() { _ = os.WriteFile(file, []byte("1"), 0) })
}

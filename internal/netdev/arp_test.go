package netdev

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/zmap-go/zmap/packet"
)

// testAsker is an asker as for eth0 of the usual world, with a foreign fallback.
func testAsker() *asker {
	w := home()
	a := newAsker(nil, w.device(eth0), w.addrs)
	a.fallback = ip("1.2.3.4")
	return a
}

// A reply from 192.0.2.254 at 02:00:00:00:00:fe to the asker, as it is on the wire.
const goodReply = "020000000002 0200000000fe 0806  0001 0800 06 04 0002  0200000000fe c00002fe  020000000002 c0000201"

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRequestBytes(t *testing.T) {
	var buf [128]byte
	n := testAsker().request(buf[:], ip("192.0.2.254"), 0)
	want := unhex(t, "ffffffffffff 020000000002 0806  0001 0800 06 04 0001  020000000002 c0000201  000000000000 c00002fe")
	if !bytes.Equal(buf[:n], want) {
		t.Errorf("request\n got %x\nwant %x", buf[:n], want)
	}
}

func TestSender(t *testing.T) {
	for _, tt := range []struct {
		name     string
		fallback netip.Addr
		target   string
		want     [4]string // in rounds 0 to 3
	}{
		{"own network", ip("1.2.3.4"), "192.0.2.254", [4]string{"192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.1"}},
		{"elsewhere", ip("1.2.3.4"), "10.0.0.1", [4]string{"1.2.3.4", "0.0.0.0", "1.2.3.4", "0.0.0.0"}},
		{"elsewhere, no name", netip.Addr{}, "10.0.0.1", [4]string{"0.0.0.0", "0.0.0.0", "0.0.0.0", "0.0.0.0"}},
	} {
		a := testAsker()
		a.fallback = tt.fallback
		for round, want := range tt.want {
			if got := a.sender(ip(tt.target), round); got != ip(want) {
				t.Errorf("%s: sender in round %d is %s, want %s", tt.name, round, got, want)
			}
		}
	}
}

func TestReply(t *testing.T) {
	good := unhex(t, goodReply)
	change := func(at int, to ...byte) []byte {
		b := bytes.Clone(good)
		copy(b[at:], to)
		return b
	}
	elsewhere := func(to ...byte) []byte { // from 10.0.0.1, which is in no network of the asker's
		b := change(28, 10, 0, 0, 1)
		copy(b[38:], to)
		return b
	}
	for _, tt := range []struct {
		name  string
		frame []byte
		ok    bool
	}{
		{"good", good, true},
		{"padded", append(bytes.Clone(good), make([]byte, 18)...), true},
		{"to everyone on the wire", change(0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), true},
		{"virtual router: another Ethernet source", change(6, 0, 0, 0x5e, 0, 1, 1), true},
		{"from elsewhere to the fallback", elsewhere(1, 2, 3, 4), true},
		{"from elsewhere to a probe", elsewhere(0, 0, 0, 0), true},
		{"from elsewhere to our address", elsewhere(192, 0, 2, 1), false},
		{"to another address of ours that did not ask", change(38, 192, 0, 2, 2), false},
		{"to somebody else's address", change(38, 192, 0, 2, 3), false},
		{"to somebody else's MAC", change(32, 2, 0, 0, 0, 0, 9), false},
		{"to somebody else on the wire", change(0, 2, 0, 0, 0, 0, 9), false},
		{"announcement", change(20, 0, 1), false},
		{"request", change(20, 0, 1), false},
		{"zero MAC", change(22, 0, 0, 0, 0, 0, 0), false},
		{"multicast MAC", change(22, 1, 0, 0x5e, 0, 0, 1), false},
		{"broadcast MAC", change(22, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), false},
		{"our own MAC", change(22, 2, 0, 0, 0, 0, 2), false},
		{"not ARP", change(12, 8, 0), false},
		{"not IPv4", change(16, 0x86, 0xdd), false},
		{"long hardware addresses", change(18, 8), false},
		{"cut short", good[:41], false},
		{"empty", nil, false},
	} {
		addr, m, ok := testAsker().reply(tt.frame)
		if ok != tt.ok {
			t.Errorf("%s: reply(%x) = %s, %s, %v, want %v", tt.name, tt.frame, addr, m, ok, tt.ok)
		}
		if ok && m != mac(0xfe) {
			t.Errorf("%s: MAC %s, want %s", tt.name, m, mac(0xfe))
		}
	}
}

// replyTwin reads a reply byte by byte from RFC 826, for the asker of testAsker.
func replyTwin(b []byte) (netip.Addr, packet.MAC, bool) {
	me := []byte{2, 0, 0, 0, 0, 2}
	if len(b) < 42 || !bytes.Equal(b[12:22], []byte{8, 6, 0, 1, 8, 0, 6, 4, 0, 2}) || !bytes.Equal(b[32:38], me) {
		return netip.Addr{}, packet.MAC{}, false
	}
	if !bytes.Equal(b[:6], me) && !bytes.Equal(b[:6], bytes.Repeat([]byte{255}, 6)) {
		return netip.Addr{}, packet.MAC{}, false
	}
	if b[22]&1 == 1 || bytes.Equal(b[22:28], me) || bytes.Equal(b[22:28], make([]byte, 6)) {
		return netip.Addr{}, packet.MAC{}, false
	}
	ours := []string{"\x01\x02\x03\x04", "\x00\x00\x00\x00"}
	if bytes.Equal(b[28:31], []byte{192, 0, 2}) {
		ours = []string{"\xc0\x00\x02\x01"}
	}
	if !slices.Contains(ours, string(b[38:42])) {
		return netip.Addr{}, packet.MAC{}, false
	}
	return netip.AddrFrom4([4]byte(b[28:32])), packet.MAC(b[22:28]), true
}

// FuzzReply holds the acceptance of replies against its twin: whatever is on the wire, nothing but an answer to a request
// of ours is believed.
func FuzzReply(f *testing.F) {
	good := unhex(f, goodReply)
	f.Add(good)
	f.Add(good[:41])
	f.Add(append(bytes.Clone(good), make([]byte, 18)...))
	for i := range good { // each byte flipped on its own
		b := bytes.Clone(good)
		b[i] ^= 0xff
		f.Add(b)
	}
	a := testAsker()
	f.Fuzz(func(t *testing.T, frame []byte) {
		before := bytes.Clone(frame)
		addr, m, ok := a.reply(frame)
		wantAddr, wantMAC, wantOK := replyTwin(frame)
		if addr != wantAddr || m != wantMAC || ok != wantOK {
			t.Errorf("reply(%x) = %s, %s, %v, want %s, %s, %v", frame, addr, m, ok, wantAddr, wantMAC, wantOK)
		}
		if !bytes.Equal(frame, before) {
			t.Errorf("reply changed its argument %x to %x", before, frame)
		}
	})
}

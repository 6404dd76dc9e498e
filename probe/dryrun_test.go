package probe

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/target"
)

// The golden block is one that C ZMap 4.3 printed; see goldenShot.
const goldenDryRun = `tcp { source: 56937 | dest: 80 | seq: 1069071489 | checksum: 0XC13B }
ip { saddr: 192.0.2.2 | daddr: 8.8.8.215 | checksum: 0X6906 }
eth { shost: 0a:0b:0c:0d:0e:0f | dhost: 00:11:22:33:44:55 }
------------------------------------------------------
`

func TestDryRun(t *testing.T) {
	s := goldenShot()
	noEther := strings.Replace(goldenDryRun, "eth { shost: 0a:0b:0c:0d:0e:0f | dhost: 00:11:22:33:44:55 }\n", "", 1)
	if got := string(AppendDryRun(nil, frameOf(t, synscan(), testRoute(true, 1), &s), true)); got != goldenDryRun {
		t.Errorf("got\n%swant\n%s", got, goldenDryRun)
	}
	if got := string(AppendDryRun([]byte("before\n"), frameOf(t, synscan(), testRoute(false, 0), &s), false)); got != "before\n"+noEther {
		t.Errorf("without Ethernet: got\n%swant\n%s", got, "before\n"+noEther)
	}
	if n := strings.Count(noEther, "-"); n != 54 {
		t.Fatalf("the golden text has %d dashes, the specification 54", n)
	}
	echo := `icmp { type: 8 | code: 0 | checksum: 0X7D7F | id: 26974 | seq: 4386 }
ip { saddr: 192.0.2.2 | daddr: 8.8.8.215 | checksum: 0X690F }
eth { shost: 0a:0b:0c:0d:0e:0f | dhost: 00:11:22:33:44:55 }
------------------------------------------------------
`
	if got := string(AppendDryRun(nil, frameOf(t, echoscan(), testRoute(true, 1), &s), true)); got != echo {
		t.Errorf("echo request: got\n%swant\n%s", got, echo)
	}
}

func TestDryRunUDP(t *testing.T) {
	frame := unhex(t, goldenEther+`45 00 001c 3edd 0000 40 11 0000`+goldenAddrs+`8000 0035 0008 0000 # no checksum`)
	want := "udp { source: 32768 | dest: 53 | checksum: 0000 }\nip { saddr: 192.0.2.2 | daddr: 8.8.8.215 | checksum: 0000 }\n" +
		"eth { shost: 0a:0b:0c:0d:0e:0f | dhost: 00:11:22:33:44:55 }\n" + dashes
	if got := string(AppendDryRun(nil, frame, true)); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// TestDryRunChecksums has checksums of every length, as printf of the C library prints them with %#04X.
func TestDryRunChecksums(t *testing.T) {
	for sum, want := range map[uint16]string{
		0: "0000", 1: "0X01", 0xa: "0X0A", 0xf: "0X0F", 0x10: "0X10", 0xab: "0XAB", 0x379: "0X379", 0x0fff: "0XFFF", 0x6906: "0X6906", 0xffff: "0XFFFF",
	} {
		s := goldenShot()
		frame := frameOf(t, synscan(), testRoute(false, 0), &s)
		packet.IPv4(frame).SetChecksum(sum)
		packet.TCP(frame[20:]).SetChecksum(sum)
		if got := string(AppendDryRun(nil, frame, false)); strings.Count(got, "checksum: "+want+" }") != 2 {
			t.Errorf("checksums %#04x: got\n%swant %s twice", sum, got, want)
		}
	}
}

// TestDryRunAnyBytes says that no frame is too odd to be printed: it ends in dashes and nothing panics.
func TestDryRunAnyBytes(t *testing.T) {
	r, s := rand.New(rand.NewPCG(17, 18)), goldenShot()
	for _, v := range variants() {
		whole := frameOf(t, v, testRoute(true, 1), &s)
		for n := range len(whole) {
			frame := append([]byte(nil), whole[:n]...)
			for range r.IntN(3) {
				if n > 0 {
					frame[r.IntN(n)] = byte(r.Uint32())
				}
			}
			for _, ether := range []bool{true, false} {
				if got := string(AppendDryRun(nil, frame, ether)); !strings.HasSuffix(got, dashes) {
					t.Errorf("%x: got %q, want dashes at its end", frame, got)
				}
			}
		}
	}
}

// TestFast compares the fast form of probes with what their frames say.
func TestFast(t *testing.T) {
	r, tags := rand.New(rand.NewPCG(19, 20)), tagger(1)
	for _, v := range variants() {
		p := Fast(v.probe(t))
		e, d := p.NewEncoder(testRoute(true, 1)), p.Describe()
		frame := make([]byte, d.FrameLen)
		e.Template(1, frame)
		for range 10 {
			s := randShot(r, v, tags)
			a := s.Addr.As4()
			want := fmt.Sprintf("ff%x%04x", a[:], s.Port)
			if got := fmt.Sprintf("%x", d.AppendDryRun([]byte{0xff}, frame[:e.Patch(frame, &s)], true)); got != want {
				t.Errorf("%v: got %s, want %s", v, got, want)
			}
		}
		if s := (Shot{Target: target.Target{Addr: netip.IPv6Loopback()}}); e.Patch(frame, &s) != 0 {
			t.Errorf("%v: IPv6 has a fast form", v)
		}
	}
}

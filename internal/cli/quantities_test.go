package cli

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zmap-go/zmap/target"
)

func TestQuantities(t *testing.T) {
	const day = 24 * time.Hour
	for _, c := range []struct{ got, want string }{
		{grouped(0), "0"},
		{grouped(999), "999"},
		{grouped(1000), "1,000"},
		{grouped(math.MaxUint64), "18,446,744,073,709,551,615"},
		{count(1, "host", "hosts"), "1 host"},
		{count(0, "host", "hosts"), "0 hosts"},
		{count(1234, "host", "hosts"), "1,234 hosts"},
		{bytesText(0), "0 B"},
		{bytesText(999), "999 B"},
		{bytesText(1000), "1.00 kB"},
		{bytesText(9994), "9.99 kB"},
		{bytesText(9996), "10.0 kB"},
		{bytesText(99_960), "100 kB"},
		{bytesText(999_600), "1.00 MB"},
		{bytesText(536_870_912), "537 MB"},
		{bytesText(math.MaxUint64), "18.4 EB"},
		{bitsText(7.2e6), "7.20 Mbit/s"},
		{bitsText(2.5e12), "2.50 Tbit/s"},
		{memoryText(5, 5), "5 B"},
		{memoryText(5, 6000), "5 B at first, 6.00 kB at most"},
		{spell(0), "0 s"},
		{spell(7), "7 ns"},
		{spell(1500), "1.5 µs"},
		{spell(25600 * time.Microsecond), "25.6 ms"},
		{spell(59 * time.Second), "59 s"},
		{spell(time.Minute), "1 min"},
		{spell(61400 * time.Millisecond), "1 min 1 s"},
		{spell(time.Hour - time.Millisecond), "60 min"},
		{spell(time.Hour), "1 h"},
		{spell(3*time.Hour + 29*time.Minute + 40*time.Second), "3 h 30 min"},
		{spell(day), "1 d"},
		{spell(4*day + 7*time.Hour), "4 d 7 h"},
		{spell(400 * day), "1 y 35 d"},
		{spell(math.MaxInt64), "292 y 172 d"},
		{speed(1), "1"},
		{speed(0.333333), "0.33"},
		{speed(9.999), "10"},
		{speed(147.744), "147.74"},
		{speed(999.999), "1000"},
		{speed(1000.4), "1,000"},
		{speed(14_880), "14,880"},
		{addrList([]netip.Addr{netip.MustParseAddr("192.0.2.1")}), "192.0.2.1"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

// TestPortRangesAreTheSamePorts reads short lists back, and has long ones cut.
func TestPortRangesAreTheSamePorts(t *testing.T) {
	r := rand.New(rand.NewPCG(91, 92))
	for range 500 {
		var list []uint16
		for range 1 + r.IntN(10) {
			first := r.IntN(65536)
			for port := first; port < min(65536, first+1+r.IntN(3)); port++ {
				list = append(list, uint16(port))
			}
		}
		ports := target.NewPorts(list...)
		text := portRanges(ports)
		short, cut := strings.CutSuffix(text, ",...")
		back, err := target.ParsePorts(short)
		if err != nil {
			t.Fatalf("%v becomes %q: %v", list, text, err)
		}
		want := []uint16{}
		for port := range ports.All() {
			if want = append(want, port); cut && len(want) == back.Len() {
				break
			}
		}
		got := []uint16{}
		for port := range back.All() {
			got = append(got, port)
		}
		if !slices.Equal(got, want) || !cut && back.Len() != ports.Len() {
			t.Fatalf("%v becomes %q, which is %v", want, text, got)
		}
	}
}

package lab

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
)

// TestTruthAgreesWithItself: Addrs, Count and Expect must tell the same story, for every probe and answer.
func TestTruthAgreesWithItself(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 3))
	for range 20 {
		w := World{Hosts: randomHosts(random), Ports: []uint16{80}}
		truth, err := w.Truth()
		if err != nil {
			t.Fatal(err)
		}
		for _, probe := range []Probe{SYN(80), SYN(81), Ping(), Datagram(53)} {
			checkTruth(t, truth, w, probe)
		}
	}
}

func checkTruth(t *testing.T, truth *Truth, w World, probe Probe) {
	t.Helper()
	want := make(map[Answer][]netip.Addr)
	for u := toUint(netip.MustParseAddr("10.0.16.0")); u < toUint(netip.MustParseAddr("10.0.32.0")); u++ {
		a := toAddr(u)
		answer := truth.Expect(a, probe)
		if i, ok := longestMatch(w.Hosts, a); ok {
			if h, _ := truth.Hosts(a); h != w.Hosts[i] {
				t.Fatalf("Hosts(%v) = %+v, want %+v", a, h, w.Hosts[i])
			}
			want[answer] = append(want[answer], a)
		} else if answer != None {
			t.Fatalf("nobody at %v answers %v", a, answer)
		}
	}
	for answer := None; answer <= Forged; answer++ {
		got := slices.Collect(truth.Addrs(probe, answer))
		if !slices.Equal(got, want[answer]) || truth.Count(probe, answer) != uint64(len(got)) {
			t.Fatalf("%v to %+v: %d addresses, count %d, want %d", answer, probe, len(got), truth.Count(probe, answer), len(want[answer]))
		}
	}
}

func TestTruthIsLazy(t *testing.T) {
	truth, err := World{Ports: []uint16{80}, Hosts: []Hosts{{Prefix: netip.MustParsePrefix("10.0.0.0/8"), Kind: Kernel}}}.Truth()
	if err != nil {
		t.Fatal(err)
	}
	if got := truth.Count(SYN(80), SYNACK); got != 1<<24 {
		t.Errorf("Count = %d, want 2^24", got)
	}
	for a := range truth.Addrs(SYN(80), SYNACK) {
		if a.String() != "10.0.0.0" {
			t.Errorf("the first address is %v", a)
		}
		break // must not go through the other 16 million
	}
	if truth.Expect(netip.MustParseAddr("2001:db8::1"), Ping()) != None {
		t.Error("an IPv6 address answers")
	}
}

// TestTruthIsACopy: changing the World afterwards changes nothing.
func TestTruthIsACopy(t *testing.T) {
	w := World{Hosts: []Hosts{{Prefix: netip.MustParsePrefix("10.0.0.0/24"), Kind: Kernel}}}
	truth, err := w.Truth()
	if err != nil {
		t.Fatal(err)
	}
	w.Hosts[0].Kind = Silent
	if got := truth.Expect(netip.MustParseAddr("10.0.0.1"), Ping()); got != EchoReply {
		t.Errorf("Expect = %v, want EchoReply", got)
	}
}

package netdev

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/zmap-go/zmap/packet"
)

// all are the addresses of a prefix.
func all(p netip.Prefix) iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		for a := p.Masked().Addr(); p.Contains(a); a = a.Next() {
			if !yield(a) {
				return
			}
		}
	}
}

// A street is a random local network with what Neighbours should make of it.
type street struct {
	*world
	path    *Path
	targets []netip.Addr
	want    map[netip.Addr]packet.MAC // who is to be found
	asks    map[netip.Addr]int        // how often everyone is to be asked
}

func newStreet(rng *rand.Rand) *street {
	s := &street{
		world: home(), want: map[netip.Addr]packet.MAC{}, asks: map[netip.Addr]int{},
		path: viaEth0(func(p *Path) { p.OnLink = []netip.Prefix{pfx("192.0.2.0/24"), pfx("10.1.0.0/25")} }),
	}
	s.table[eth0] = nil
	for range 1 + rng.IntN(300) {
		net := []netip.Addr{ip("192.0.2.0"), ip("10.1.0.0"), ip("8.8.8.0")}[rng.IntN(3)].As4()
		a := netip.AddrFrom4([4]byte{net[0], net[1], net[2], byte(rng.IntN(256))})
		if !slices.Contains(s.targets, a) {
			s.move(rng, a)
		}
		s.targets = append(s.targets, a)
	}
	return s
}

// move makes a a random kind of neighbour.
func (s *street) move(rng *rand.Rand, a netip.Addr) {
	m := packet.MAC{2, 1, a.As4()[0], a.As4()[2], a.As4()[3]}
	kind := rng.IntN(5)
	switch {
	case !onLink(s.path.OnLink, a) || s.owner(a).index != 0:
		s.hosts[a] = &host{mac: m} // would answer, if somebody asked
		return
	case kind == 0:
		s.asks[a] = 3
		return
	case kind == 1:
		s.table[eth0] = append(s.table[eth0], neighbour{addr: a, mac: m, state: fixed})
		s.want[a] = m
		return
	case kind == 2: // what the kernel has learned counts for nothing
		s.table[eth0] = append(s.table[eth0], neighbour{addr: a, mac: mac(0xee), state: learned})
	}
	h := &host{mac: m, deaf: rng.IntN(5), after: time.Duration(rng.IntN(400)) * time.Millisecond}
	s.hosts[a] = h
	s.asks[a] = min(h.deaf+1, 3)
	if h.deaf < 3 {
		s.want[a] = m
	}
}

// Property: whoever is on the link and answers within three requests is found, all others are counted, nobody else is
// asked, nobody more often than needed, and never faster than the rate.
func TestNeighbours(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 25 {
		synctest.Test(t, func(t *testing.T) {
			s := newStreet(rng)
			rate := []int{0, 100, 1000, 20000}[rng.IntN(4)]
			n, err := findNeighbours(t.Context(), s, NeighbourQuery{Path: s.path, Targets: slices.Values(s.targets), Rate: rate})
			if err != nil {
				t.Fatal(err)
			}
			s.check(t, n)
			for _, q := range s.sent {
				s.asks[q.target]--
			}
			for a, left := range s.asks {
				if left != 0 {
					t.Errorf("%s: %d requests too few", a, left)
				}
			}
			checkRate(t, s.sent, rate)
			synctest.Wait()
		})
	}
}

// check holds what was found against the street.
func (s *street) check(t *testing.T, n *Neighbourhood) {
	t.Helper()
	got := map[netip.Addr]packet.MAC{}
	for i, f := range n.Found {
		got[f.Addr] = f.MAC
		if at, ok := n.Index(f.Addr); !ok || at != i {
			t.Errorf("Index(%s) = %d, %v, want %d", f.Addr, at, ok, i)
		}
	}
	if d := cmp.Diff(s.want, got, cmpopts.EquateComparable(netip.Addr{})); d != "" {
		t.Errorf("found (-want +got)\n%s", d)
	}
	if !slices.IsSortedFunc(n.Found, func(a, b Neighbour) int { return a.Addr.Compare(b.Addr) }) {
		t.Errorf("found %v is not sorted", n.Found)
	}
	silent := map[netip.Addr]bool{}
	for _, a := range s.targets {
		if _, ok := s.want[a]; ok {
			continue
		}
		if onLink(s.path.OnLink, a) {
			silent[a] = true
		}
		if at, ok := n.Index(a); ok {
			t.Errorf("Index(%s) = %d for a target that was not found", a, at)
		}
	}
	if d := cmp.Diff(slices.SortedFunc(maps.Keys(silent), netip.Addr.Compare), n.Silent, cmpopts.EquateComparable(netip.Addr{}), cmpopts.EquateEmpty()); d != "" {
		t.Errorf("silent (-want +got):\n%s", d)
	}
}

// checkRate holds every window of the requests against the rate.
func checkRate(t *testing.T, sent []question, rate int) {
	t.Helper()
	if rate == 0 {
		rate = DefaultARPRate
	}
	gap := time.Second / time.Duration(rate)
	burst := 2 + int(maxLag/gap)
	for i := range sent {
		for j := i + burst; j < len(sent); j++ {
			if span, least := sent[j].at.Sub(sent[i].at), time.Duration(j-i-burst)*gap; span < least {
				t.Fatalf("requests %d to %d in %v, at %d a second they take %v", i, j, span, rate, least)
			}
		}
	}
}

// TestNeighbourTime has nobody answer: that takes longest.
func TestNeighbourTime(t *testing.T) {
	for _, rate := range []int{0, 50} {
		synctest.Test(t, func(t *testing.T) {
			w := home()
			w.table[eth0] = nil
			start := time.Now()
			targets := slices.Collect(all(pfx("192.0.2.128/26")))
			if _, err := findNeighbours(t.Context(), w, NeighbourQuery{Path: viaEth0(nil), Targets: slices.Values(targets), Rate: rate}); err != nil {
				t.Fatal(err)
			}
			took, most := time.Since(start), NeighbourTime(len(targets), rate)
			if took > most || took < most-3*arpGap(rate) {
				t.Errorf("rate %d: %d silent targets took %v, NeighbourTime says %v", rate, len(targets), took, most)
			}
		})
	}
}

// What a slow interface made us miss is not made up for in a burst.
func TestNeighboursKeepsRateAfterStall(t *testing.T) {
	for _, rate := range []int{100, 1000, 5000} {
		synctest.Test(t, func(t *testing.T) {
			w := home()
			w.stalls = 40
			_, err := findNeighbours(t.Context(), w, NeighbourQuery{Path: viaEth0(nil), Targets: all(pfx("192.0.2.0/24")), Rate: rate})
			if err != nil {
				t.Fatal(err)
			}
			checkRate(t, w.sent, rate)
		})
	}
}

func TestNeighboursEndsEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := home()
		w.hosts[ip("192.0.2.7")] = &host{mac: mac(7), after: 30 * time.Millisecond}
		start := time.Now()
		n, err := findNeighbours(t.Context(), w, NeighbourQuery{Path: viaEth0(nil), Targets: slices.Values(ips("192.0.2.7"))})
		if err != nil || len(n.Found) != 1 || time.Since(start) != 30*time.Millisecond {
			t.Errorf("found %+v, %v after %v, want one after 30ms", n, err, time.Since(start))
		}
	})
}

// A /16 but for one address is the most; all but one of those are there.
func TestNeighboursMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := home()
		path := viaEth0(func(p *Path) { p.OnLink = []netip.Prefix{pfx("10.1.0.0/16")} })
		targets := slices.Collect(all(pfx("10.1.0.0/16")))
		for _, a := range targets[1:] {
			w.hosts[a] = &host{mac: packet.MAC{2, 1, 0, 0, a.As4()[2], a.As4()[3]}}
		}
		n, err := findNeighbours(t.Context(), w, NeighbourQuery{Path: path, Targets: slices.Values(targets[:MaxNeighbours]), Rate: 10000})
		if err != nil || len(n.Found) != MaxNeighbours-1 || len(n.Silent) != 1 {
			t.Errorf("found %d, silent %v, %v, want %d and 1", len(n.Found), n.Silent, err, MaxNeighbours-1)
		}
		if want := MaxNeighbours + 2; len(w.sent) != want {
			t.Errorf("%d requests, want %d", len(w.sent), want)
		}
		_, err = findNeighbours(t.Context(), w, NeighbourQuery{Path: path, Targets: slices.Values(targets)})
		if err == nil || !strings.Contains(err.Error(), "more than 65535") || !strings.Contains(err.Error(), "-G") {
			t.Errorf("one too many: error %v, want one that says so", err)
		}
	})
}

func TestNeighboursRefuses(t *testing.T) {
	target := slices.Values(ips("192.0.2.7"))
	for _, tt := range []struct {
		name  string
		world func(*world)
		path  *Path
		is    error
		want  string
	}{
		{"interface gone", nil, viaEth0(func(p *Path) { p.Index = 99 }), fs.ErrNotExist, "99"},
		{"kernel does not talk", func(w *world) { w.devicesIs = os.ErrClosed }, viaEth0(nil), os.ErrClosed, ""},
		{"no addresses", func(w *world) { w.addrsIs = os.ErrClosed }, viaEth0(nil), os.ErrClosed, ""},
		{"no neighbour table", func(w *world) { w.tableIs = os.ErrClosed }, viaEth0(nil), os.ErrClosed, ""},
		{"no right to ask", func(w *world) { w.openIs = os.ErrPermission }, viaEth0(nil), os.ErrPermission, "CAP_NET_RAW"},
		{"cannot send", func(w *world) { w.sendIs = os.ErrClosed }, viaEth0(nil), os.ErrClosed, "eth0"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := home()
			if tt.world != nil {
				tt.world(w)
			}
			_, err := findNeighbours(t.Context(), w, NeighbourQuery{Path: tt.path, Targets: target})
			if !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: error %v, want one that wraps %v and says %q", tt.name, err, tt.is, tt.want)
			}
			if w.opened != w.closed {
				t.Errorf("%s: %d ARP sockets opened, %d closed", tt.name, w.opened, w.closed)
			}
		})
	}
}

func TestNeighboursEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		start := time.Now()
		_, err := findNeighbours(ctx, home(), NeighbourQuery{Path: viaEth0(nil), Targets: all(pfx("192.0.2.0/24"))})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 50*time.Millisecond {
			t.Errorf("error %v after %v, want the context's after 50ms", err, time.Since(start))
		}
	})
}

// Where HopMAC serves all targets there is nobody to ask, and nothing is touched.
func TestNeighboursWithoutLink(t *testing.T) {
	n, err := findNeighbours(t.Context(), nil, NeighbourQuery{Path: &Path{Interface: "tun0"}, Targets: all(pfx("10.8.0.0/16"))})
	if err != nil || len(n.Found) != 0 || len(n.Silent) != 0 {
		t.Errorf("got %+v, %v, want nothing", n, err)
	}
}

func TestNeighbourhoodIndexDoesNotAllocate(t *testing.T) {
	n := fullNeighbourhood()
	a := n.Found[777].Addr
	if got := testing.AllocsPerRun(100, func() { n.Index(a) }); got != 0 {
		t.Errorf("Index allocates %v times, want 0", got)
	}
}

func BenchmarkNeighbourhoodIndex(b *testing.B) {
	n := fullNeighbourhood()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if _, ok := n.Index(n.Found[i].Addr); !ok {
			b.Fatal("not found")
		}
		i = (i + 40503) % len(n.Found)
	}
}

func fullNeighbourhood() *Neighbourhood {
	n := &Neighbourhood{}
	for a := range all(pfx("10.1.0.0/16")) {
		n.Found = append(n.Found, Neighbour{Addr: a})
	}
	n.Found = n.Found[:MaxNeighbours]
	return n
}

package linktest

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/zmap-go/zmap/link"
)

// A Bed is one wire for one test of [Conformance].
type Bed struct {
	TX  link.TX // sends at one end
	RX  link.RX // receives at the other what passes the filter
	Cut func()  // switches the interface of TX off, and with it the wire
	// Blink switches that interface off and on again while nobody sends. Nil means that it cannot be done.
	Blink func()
}

// An Opener makes a bed for a test, and has everything closed at its end. Names of interfaces in cfg are for it to fill
// in; longer IP packets than mtu must be refused by the link.
type Opener func(t *testing.T, cfg link.Config, mtu int) Bed

// Conformance is what the rest of the program relies on, whatever the engine: frames arrive whole and in order, the
// filter and the snap length are honoured, every frame is accounted for on both sides, slots keep their promise, and ends
// (of the queue, of the interface) come as errors and not as silence.
func Conformance(t *testing.T, open Opener) {
	suite{open: open, head: etherLen}.run(t)
}

// PacketConformance is [Conformance] for engines that take IP packets without a link header. What arrives may have one: it is
// passed over. There are no tags.
//
// Such an engine may be one of the kernel's, which looks at packets and sends only those that a host can send. So they are
// sound in length, identification and checksum, and go to ordinary addresses: 192.0.2.2, those of 10.0.0.0/8 and 2001:db8::/32.
func PacketConformance(t *testing.T, open Opener) {
	suite{open: open}.run(t)
}

// A suite is the tests for one kind of frames.
type suite struct {
	open Opener
	head int    // length of the link header of frames that are sent
	seed uint64 // of what is random in the frames, besides the test's own number
}

// rand returns the source of the test with that number.
func (su suite) rand(test uint64) *rand.Rand { return rand.New(rand.NewPCG(test, test+su.seed)) }

// A check is one test of a suite.
type check struct {
	name string
	run  func(t *testing.T)
}

func (su suite) checks() []check {
	all := []check{
		{"order and content", su.order},
		{"every length", su.lengths},
		{"slots come back", su.slots},
		{"misuse is an error", su.misuse},
		{"full queue", su.fullQueue},
		{"refused frames", su.refused},
		{"abort", su.abort},
		{"close", su.close},
		{"interface goes down", su.down},
		{"filter", su.filter},
		{"snap length", su.snap},
		{"exact loss", su.loss},
		{"counters are for everyone", su.counters},
	}
	if su.head > 0 {
		all = append(all, check{"tags", su.tags})
	}
	return all
}

func (su suite) run(t *testing.T) {
	for _, c := range su.checks() {
		t.Run(c.name, c.run)
	}
}

const standardMTU = link.MaxFrame - etherLen

// patience is how long a test waits for what must come; nothing waits that long unless it fails.
const patience = 5 * time.Second

// local is where the test frames go to.
func local() netip.Addr { return netip.MustParseAddr("192.0.2.2") }

// config is what most tests open.
func (su suite) config() link.Config {
	return link.Config{
		Ether: su.head > 0, Retries: 3,
		Filter: link.Filter{UDP: true, Local: []netip.Addr{local()}, Ports: []link.PortRange{{First: 40000, Last: 40999}}},
	}
}

// extra is the length of a link header that arrives with a frame and was not sent.
func (su suite) extra(f *link.Frame) int {
	if f.Ether {
		return etherLen - su.head
	}
	return 0
}

// collect polls until n frames came or nothing came for a while, and returns what was sent of them.
func (su suite) collect(t *testing.T, rx link.RX, n int) []link.Frame {
	t.Helper()
	var got []link.Frame
	for start := time.Now(); len(got) < n && time.Since(start) < patience; {
		k, err := rx.Poll(100*time.Millisecond, func(f *link.Frame) {
			c := *f
			c.Data, c.Len = append([]byte(nil), f.Data[su.extra(f):]...), f.Len-su.extra(f)
			got = append(got, c)
		})
		if err != nil {
			t.Fatalf("poll after %d of %d frames: %v", len(got), n, err)
		}
		if k > 0 {
			start = time.Now()
		}
	}
	if len(got) != n {
		t.Fatalf("got %d frames, want %d (received %d, lost %d)", len(got), n, rx.Received(), rx.Lost())
	}
	return got
}

// quiet checks that nothing more arrives.
func quiet(t *testing.T, rx link.RX) {
	t.Helper()
	n, err := rx.Poll(50*time.Millisecond, func(f *link.Frame) { t.Errorf("unexpected frame %x", f.Data) })
	if n != 0 || err != nil {
		t.Errorf("poll when nothing is to come: got %d frames, error %v", n, err)
	}
}

// send submits the frames in batches of at most batch.
func send(t *testing.T, tx link.TX, batch int, frames [][]byte) {
	t.Helper()
	slots := make([]link.Slot, batch)
	for len(frames) > 0 {
		n := tx.Reserve(slots[:min(batch, len(frames))], patience)
		if n == 0 {
			t.Fatalf("no slot within %v, %d frames left: %+v", patience, len(frames), tx.Stats())
		}
		for i := range slots[:n] {
			slots[i].N = copy(slots[i].Data, frames[i])
		}
		if err := tx.Submit(slots[:n]); err != nil {
			t.Fatalf("submit: %v", err)
		}
		frames = frames[n:]
	}
	if err := tx.Drain(t.Context()); err != nil {
		t.Fatalf("drain: %v", err)
	}
}

// account checks the counters of an idle queue. Retried is the engine's own business.
func account(t *testing.T, tx link.TX, want link.TXStats) {
	t.Helper()
	got := tx.Stats()
	got.Retried = 0
	if got != want {
		t.Errorf("got counters %+v, want %+v", got, want)
	}
}

package linktest

import (
	"bytes"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/zmap-go/zmap/link"
)

// soakVariable says for how many minutes a soak runs. Without it there is none.
const soakVariable = "SOAK_MINUTES"

// Soak runs the tests of [Conformance] again and again, each time with other frames and in another order, and between them
// sessions: links of random settings that carry random frames at some thousand a second, while their wire is switched off and
// on. It does so for as long as the variable SOAK_MINUTES says, and is skipped without it. It logs what it did.
func Soak(t *testing.T, open Opener) { soak(t, suite{open: open, head: etherLen}) }

// PacketSoak is to [PacketConformance] what [Soak] is to [Conformance].
func PacketSoak(t *testing.T, open Opener) { soak(t, suite{open: open}) }

func soak(t *testing.T, su suite) {
	minutes, err := strconv.ParseFloat(os.Getenv(soakVariable), 64)
	if err != nil || minutes <= 0 {
		t.Skipf("%s does not say for how many minutes (make soak)", soakVariable)
	}
	start, d := time.Now(), time.Duration(minutes*float64(time.Minute))
	first := rand.Uint64()
	r := rand.New(rand.NewPCG(first, 0))
	t.Logf("%v, from seed %d", d, first)
	var sum journal
	checks := 0
	report := func() {
		t.Logf("after %v: %d tests, %d sessions with %d frames, %d bytes, the wire off and on %d times, cut %d times",
			time.Since(start).Round(time.Second), checks, sum.sessions, sum.frames, sum.bytes, sum.blinks, sum.cuts)
	}
	for round := 1; time.Since(start) < d && !t.Failed(); round++ {
		su.seed = r.Uint64()
		all := su.checks()
		r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		for _, c := range all {
			if time.Since(start) >= d {
				break
			}
			t.Run(c.name, c.run)
			checks++
			t.Run("session", func(t *testing.T) { su.session(t, r, &sum) })
		}
		report()
	}
}

// A journal is what the sessions of a soak did.
type journal struct {
	sessions, frames, bytes, blinks, cuts int
}

// How a session goes on: batches of frames with pauses between them.
const (
	sessionTime  = 3 * time.Second
	sessionBurst = 100 // frames at most
	sessionPause = 20 * time.Millisecond
	blinkEvery   = 60 // batches on average
)

// session sends and receives over a link of random settings, which ends in one of several ways.
func (su suite) session(t *testing.T, r *rand.Rand, j *journal) {
	cfg := su.config()
	mtu := 600 + r.IntN(standardMTU-600+1)
	longest := etherLen + mtu
	cfg.Retries, cfg.RingBytes, cfg.Batch = r.IntN(20), 1<<(20+r.IntN(5)), []int{0, 1, 7, 64, 1000}[r.IntN(5)]
	if su.head > 0 && r.IntN(2) == 0 {
		cfg.FrameLen = headersLen + r.IntN(longest-headersLen+1)
		longest = cfg.FrameLen
	}
	if r.IntN(2) == 0 {
		cfg.Filter.Snap = headersLen + r.IntN(100)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the link was %+v, on an interface for packets of %d bytes", cfg, mtu)
		}
	})
	bed := su.open(t, cfg, mtu)
	sent := uint64(0)
	for start := time.Now(); time.Since(start) < sessionTime && !t.Failed(); {
		frames := make([][]byte, 1+r.IntN(sessionBurst))
		for i := range frames {
			frames[i] = su.datagram(r, headersLen+r.IntN(longest-headersLen+1))
			j.bytes += len(frames[i])
		}
		send(t, bed.TX, 1+r.IntN(sessionBurst), frames)
		for i, g := range su.collect(t, bed.RX, len(frames)) {
			want := frames[i]
			if snap := cfg.Filter.Snap; snap > 0 {
				want = want[:min(snap-su.extra(&g), len(want))]
			}
			if !bytes.Equal(g.Data, want) || g.Len != len(frames[i]) {
				t.Fatalf("frame %d of %d: got %x (length %d), want %x (length %d)", i, len(frames), g.Data, g.Len, want, len(frames[i]))
			}
		}
		sent += uint64(len(frames))
		if bed.Blink != nil && r.IntN(blinkEvery) == 0 {
			bed.Blink()
			j.blinks++
		}
		time.Sleep(time.Duration(r.Int64N(int64(sessionPause))))
	}
	account(t, bed.TX, link.TXStats{Queued: sent, Sent: sent})
	if bed.RX.Received() != sent || bed.RX.Lost() != 0 {
		t.Errorf("got %d received and %d lost, want %d and 0", bed.RX.Received(), bed.RX.Lost(), sent)
	}
	if !t.Failed() {
		su.part(t, r, bed, j)
	}
	j.sessions++
	j.frames += int(sent)
}

// part ends a session: the wire is cut, or the queues are closed in any order, or everything is left to the opener.
func (su suite) part(t *testing.T, r *rand.Rand, bed Bed, j *journal) {
	switch r.IntN(3) {
	case 0:
		bed.Cut()
		j.cuts++
		su.ended(t, bed, su.datagram(r, headersLen), 0)
	case 1:
		ends := []func() error{bed.TX.Close, bed.RX.Close}
		if r.IntN(2) == 0 {
			slices.Reverse(ends)
		}
		for _, end := range ends {
			if err := end(); err != nil {
				t.Errorf("close: %v", err)
			}
		}
	}
}

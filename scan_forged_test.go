package zmap

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/zmap-go/zmap/internal/engine"
	"github.com/zmap-go/zmap/lab"
	"github.com/zmap-go/zmap/probe"
)

// forgedNetwork has a few real hosts; the floods claim to come from all of it.
const forgedNetwork = "10.11.0.0/20"

// flooded scans, with floods on their way from the first probe on, and returns when all probes have left and the last flood has
// arrived, with what each has sent. The scan listens for that long: its end is an interrupt.
func flooded(t *testing.T, net *lab.Net, c Config, floods ...lab.Flood) (*Report, []lab.Flooded) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	over := errors.New("the floods are over")
	sent := make(chan []lab.Flooded, 1)
	c.Cooldown = time.Minute
	asked := make(chan struct{})
	c.Hooks.Progress = func(p Progress) {
		if !isClosed(asked) && p.ActiveSenders == 0 {
			close(asked)
		}
	}
	c.Hooks.Start = func(*Plan, *Control) {
		go func() {
			var all []lab.Flooded
			for _, f := range floods {
				done, err := net.Forge(t.Context(), f)
				if err != nil {
					t.Errorf("flood: %v", err)
				}
				all = append(all, done)
			}
			sent <- all
			<-asked
			cancel(over)
		}()
	}
	r, err := Run(ctx, c)
	if r.Reason != engine.Interrupted || !errors.Is(err, over) {
		t.Fatalf("scan ended by reason of %q: %v", r.Reason, err)
	}
	checkReport(t, r, c)
	return r, <-sent
}

// checkFlooded compares the scan's counts with those of the link and of the floods: the answers that are real, the forged
// frames that passed the capture filter for sure, and all that were sent.
func checkFlooded(t *testing.T, net *lab.Net, r *Report, real, sure, sent uint64) {
	t.Helper()
	st, err := net.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dropped := st.Link.OutDropped
	t.Logf("%d forged answers sent, %d dropped before the scanner; %d passed the capture filter, %d lost, %d looked at, %d no answers; %d rows",
		sent, dropped, r.Received, r.Lost, r.Frames, r.Failed, r.Rows)
	if r.Received != r.Frames+r.Lost {
		t.Errorf("%d frames received, but %d looked at and %d lost", r.Received, r.Frames, r.Lost)
	}
	if r.Passed > real || r.Lost+dropped == 0 && r.Passed != real {
		t.Errorf("%d answers passed, %d frames were lost; want the %d that are real", r.Passed, r.Lost, real)
	}
	if r.Received < sure-min(sure, dropped) || r.Received > sent+real {
		t.Errorf("%d frames received; %d answers, %d forged ones, %d of them for sure, %d dropped", r.Received, real, sent, sure, dropped)
	}
}

// onlyReal fails the test unless every row is that of a host that is there.
func onlyReal(t *testing.T, net *lab.Net, rows *table, p lab.Probe, want lab.Answer) {
	t.Helper()
	for a, n := range rows.count(func(row) bool { return true }) {
		if net.Truth().Expect(a, p) != want || n != 1 {
			t.Errorf("%v has %d rows; its answer to the probe is %v, want one row for %v", a, n, net.Truth().Expect(a, p), want)
		}
	}
}

// TestForgedAnswersGiveNoRows sends a million answers to probes that were sent, or might have been: addresses of targets,
// right ports, a wrong tag.
func TestForgedAnswersGiveNoRows(t *testing.T) {
	net := startNet(t, lab.Hosts{Prefix: prefix("10.11.0.0/26"), Kind: lab.Kernel})
	c, rows := synScan(forgedNetwork)
	right := lab.Flood{
		Frames: 900_000, From: prefix(forgedNetwork), Right: 1, Port: 80, Seed: 5,
		FirstSource: 32768, LastSource: 61000, Answers: []lab.Answer{lab.SYNACK, lab.RST, lab.Unreachable},
	}
	random := lab.Flood{Frames: 100_000, From: prefix(forgedNetwork), Seed: 6}
	r, sent := flooded(t, net, c, right, random)
	onlyReal(t, net, rows, lab.SYN(80), lab.SYNACK)
	checkFlooded(t, net, r, 64, sent[0].Sent, sent[0].Sent+sent[1].Sent)
}

// TestForgedRepliesGiveNoRows is the same for pings, and for errors about SYNs that a ping scan never sent.
func TestForgedRepliesGiveNoRows(t *testing.T) {
	net := startNet(t, lab.Hosts{Prefix: prefix("10.11.0.0/26"), Kind: lab.Kernel})
	c, rows := synScan(forgedNetwork)
	c.Ports = ""
	var err error
	if c.Probe, err = probe.New("icmp_echoscan", probe.Args{}); err != nil {
		t.Fatal(err)
	}
	flood := lab.Flood{Frames: 100_000, From: prefix(forgedNetwork), Seed: 7, Answers: []lab.Answer{lab.EchoReply, lab.Unreachable}}
	r, sent := flooded(t, net, c, flood)
	onlyReal(t, net, rows, lab.Ping(), lab.EchoReply)
	checkFlooded(t, net, r, 64, sent[0].Sent, sent[0].Sent)
}

// TestLostFramesAreCounted has a sink stop for a while, until answers fill the way to it, and a flood fill the ring behind
// that. What the kernel has to throw away then is counted, and no answer from before is missing.
func TestLostFramesAreCounted(t *testing.T) {
	const late = 1 << 14
	net := startNet(t, lab.Hosts{Prefix: prefix("10.12.0.0/18"), Kind: lab.Late, Delay: 500 * time.Millisecond})
	c, rows := synScan("10.12.0.0/18")
	c.Rate, c.Cooldown = 50_000, time.Minute
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	release := make(chan struct{})
	rows.onRow = func(n int) {
		if n == 1 {
			<-release
		}
	}
	c.Hooks.Start = func(*Plan, *Control) {
		go func() {
			defer close(release)
			awaitAnswers(t, net, late)
			if _, err := net.Forge(t.Context(), lab.Flood{
				Frames: 250_000, From: prefix(forgedNetwork), Right: 1, Port: 80, FirstSource: 32768, LastSource: 61000,
				Answers: []lab.Answer{lab.SYNACK},
			}); err != nil {
				t.Errorf("flood: %v", err)
			}
		}()
	}
	over := errors.New("everything has been looked at")
	c.Hooks.Progress = func(p Progress) {
		if p.Rows > 1 && p.Received == p.Frames+p.Lost {
			cancel(over)
		}
	}
	r, err := Run(ctx, c)
	if !errors.Is(err, over) {
		t.Fatalf("scan ended by reason of %q: %v", r.Reason, err)
	}
	t.Logf("%d frames received, %d lost, %d looked at", r.Received, r.Lost, r.Frames)
	if r.Lost == 0 || r.Received != r.Frames+r.Lost || r.Passed != late {
		t.Errorf("%d frames received, %d lost, %d looked at, %d answers; want some lost and %d", r.Received, r.Lost, r.Frames, r.Passed, late)
	}
	eachOnce(t, "hosts found", rows.count(row.first), addrsOf(prefix("10.12.0.0/18")))
	checkReport(t, r, c)
}

// awaitAnswers waits until the hosts of the world have sent that many SYN-ACKs.
func awaitAnswers(t *testing.T, net *lab.Net, n uint64) {
	for t.Context().Err() == nil {
		st, err := net.Stats(t.Context())
		if err != nil {
			t.Error(err)
			return
		}
		if st.Responder.Sent.SYNACK >= n {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// isClosed says whether a channel that carries nothing is closed.
func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

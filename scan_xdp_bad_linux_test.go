package zmap

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	ebpflink "github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"

	"github.com/zmap-go/zmap/internal/engine"
	"github.com/zmap-go/zmap/lab"
	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/probe"
	"github.com/zmap-go/zmap/sink"
)

// badNetwork is a crowd that takes two seconds to ask at badRate, which is fast enough for XDP to be chosen.
const (
	badNetwork = "10.96.0.0/12"
	badTargets = 1 << 20
	badRate    = 500_000
)

// badDay starts a crowd, every member of which answers, and returns a scan of it over XDP.
func badDay(t *testing.T) (*lab.Net, Config, *table) {
	t.Helper()
	net := startWorld(t, lab.World{Crowd: &lab.Crowd{Prefix: prefix(badNetwork), Share: 0.01}})
	c, rows := synScan(badNetwork)
	c.Rate, c.Link = badRate, "xdp"
	return net, c, rows
}

// crowdStats returns what the crowd has seen.
func crowdStats(t *testing.T, net *lab.Net) lab.CrowdStats {
	t.Helper()
	s, err := net.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s.Crowd
}

// runLost scans until the link is lost, which must come as an error with those words, soon, and with exact figures.
func runLost(t *testing.T, net *lab.Net, c Config, words string) *Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r, err := Run(ctx, c)
	if r.Reason != engine.LinkLost || err == nil || !strings.Contains(err.Error(), words) {
		t.Errorf("scan ended by reason of %q, error %v; want %q and %q", r.Reason, err, engine.LinkLost, words)
	}
	if r.Rows == 0 || r.Targets == 0 || r.Targets >= badTargets || r.Lost != 0 {
		t.Errorf("%d rows from %d targets, %d answers lost; want some from less than %d, and none", r.Rows, r.Targets, r.Lost, badTargets)
	}
	checkReport(t, r, c)
	if n := crowdStats(t, net).SYNs; n != r.Sent {
		t.Errorf("%d probes sent by our count, %d arrived", r.Sent, n)
	}
	return r
}

func TestXDPLinkLost(t *testing.T) {
	for _, c := range []struct {
		name  string
		do    func(net *lab.Net) error
		is    error
		words string
	}{
		{"switched off", (*lab.Net).LinkDown, link.ErrDown, "interface scan0 is switched off (ip link set scan0 up)"},
		{"detached", func(net *lab.Net) error { return detach(net.Link().Index) }, nil, "our XDP program was detached by somebody"},
	} {
		t.Run(c.name, func(t *testing.T) {
			net, cfg, rows := badDay(t)
			cfg.LinkWait = -1
			rows.onRow = func(n int) {
				if n == 500 {
					if err := c.do(net); err != nil {
						t.Error(err)
					}
				}
			}
			runLost(t, net, cfg, c.words)
		})
	}
}

// detach takes the XDP program off an interface, as bpftool link detach does.
func detach(index int) error {
	it := new(ebpflink.Iterator)
	defer it.Close()
	for it.Next() {
		info, err := it.Link.Info()
		if err != nil {
			continue // it has gone meanwhile
		}
		if x := info.XDP(); x != nil && int(x.Ifindex) == index {
			return it.Link.Detach()
		}
	}
	return errors.Join(errors.New("no XDP program is there"), it.Err())
}

// TestXDPCarrierLost pulls the plug for a moment: what is refused meanwhile is counted, and the scan goes on.
func TestXDPCarrierLost(t *testing.T) {
	net, c, rows := badDay(t)
	c.Retries = 2
	plug := func(state string) {
		p, err := net.Start(t.Context(), lab.Program{Args: []string{"ip", "link", "set", "net0", state}})
		if err != nil {
			t.Error(err)
			return
		}
		<-p.Done()
	}
	var once sync.WaitGroup
	rows.onRow = func(n int) {
		if n == 500 {
			once.Go(func() {
				plug("down")
				time.Sleep(200 * time.Millisecond)
				plug("up")
			})
		}
	}
	r := run(t, c)
	once.Wait()
	const ring = 256 // frames that the end of a cable holds for its host, and throws away when it goes down
	if r.Reason != engine.WalkDone || r.Refused == 0 || r.Sent+r.Refused != badTargets {
		t.Errorf("%v; %d sent and %d refused of %d", r.Reason, r.Sent, r.Refused, badTargets)
	}
	if n := crowdStats(t, net).SYNs; n > r.Sent || n < r.Sent-ring {
		t.Errorf("%d probes sent by our count, %d arrived", r.Sent, n)
	}
	if hosts := crowdStats(t, net).Answered; r.SuccessUnique > hosts || r.SuccessUnique < hosts*99/100 { // answers are lost with the plug
		t.Errorf("%d hosts of %d found", r.SuccessUnique, hosts)
	}
}

// TestXDPSendFailures makes the interface's packets shorter than the probes.
func TestXDPSendFailures(t *testing.T) {
	_, c, _ := badDay(t)
	c.Hooks.Start = func(plan *Plan, _ *Control) {
		if l, err := netlink.LinkByName(plan.Path.Interface); err != nil || netlink.LinkSetMTU(l, 576) != nil {
			t.Errorf("set MTU: %v", err)
		}
	}
	var err error
	c.Ports = ""
	if c.Probe, err = probe.New("icmp_echoscan", probe.Args{Text: "text:" + strings.Repeat("x", 1000)}); err != nil {
		t.Fatal(err)
	}
	most := uint64(50)
	c.MaxSendFailures = &most
	r, err := Run(t.Context(), c)
	if r.Reason != engine.SendFailures || err == nil || r.Refused <= most || r.Sent != 0 {
		t.Errorf("%q, error %v, %d refused, %d sent; want too many send failures and none sent", r.Reason, err, r.Refused, r.Sent)
	}
	checkReport(t, r, c)
}

// TestXDPTwoScans has two at once on one interface: the second one leaves the first one's program alone, and finds its hosts
// with a socket.
func TestXDPTwoScans(t *testing.T) {
	net, first, firstRows := badDay(t)
	crowd := lab.Crowd{Prefix: prefix("10.96.0.0/16"), Share: 0.01}
	second, secondRows := synScan(crowd.Prefix.String())
	second.Rate = Unlimited
	var other sync.WaitGroup
	first.Hooks.Start = func(*Plan, *Control) {
		other.Go(func() {
			r := run(t, second)
			if want := "socket, because not xdp: attach to scan0: an XDP program of somebody else is there, and stays"; r.Why != want {
				t.Errorf("the second scan: %q, want %q", r.Why, want)
			}
			eachOnce(t, "hosts of the second scan", secondRows.count(row.first), members(&crowd))
		})
	}
	r := run(t, first)
	other.Wait()
	if r.Link != "xdp" || r.Lost != 0 || r.Refused != 0 {
		t.Errorf("the first scan: link %s, %d answers lost, %d probes refused", r.Link, r.Lost, r.Refused)
	}
	eachOnce(t, "hosts of the first scan", firstRows.count(row.first), members(&lab.Crowd{Prefix: prefix(badNetwork), Share: 0.01}))
	if n := crowdStats(t, net).SYNs; n != badTargets+1<<16 {
		t.Errorf("%d SYNs arrived, want %d", n, badTargets+1<<16)
	}
}

// A stall is an output that takes nothing more from some byte on, until it is let go.
type stall struct {
	bytes.Buffer
	after   int
	stalled chan struct{} // closed when it begins
	letGo   chan struct{}
	once    sync.Once
}

func newStall(after int) *stall {
	return &stall{after: after, stalled: make(chan struct{}), letGo: make(chan struct{})}
}

func (s *stall) Write(b []byte) (int, error) {
	if s.Len() > s.after {
		s.once.Do(func() { close(s.stalled) })
		<-s.letGo
	}
	return s.Buffer.Write(b)
}

// TestXDPWaitsForTheOutput stops the output while every host of a large crowd answers as fast as it can be asked: the senders
// wait, and no answer is lost.
func TestXDPWaitsForTheOutput(t *testing.T) {
	crowd := &lab.Crowd{Prefix: prefix("10.96.0.0/13"), Share: 1}
	startWorld(t, lab.World{Crowd: crowd})
	out := newStall(100_000)
	c, _ := synScan(crowd.Prefix.String())
	c.Rate, c.Link, c.RST, c.Outputs = Unlimited, "xdp", link.RSTReset, to(sink.NewCSV(out, sink.Options{Fields: "saddr"}))
	c.Cooldown = 3 * time.Second
	var sent atomic.Uint64
	c.Hooks.Progress = func(p Progress) { sent.Store(p.Sent) } // once a second
	var meanwhile uint64
	go func() {
		<-out.stalled
		time.Sleep(2500 * time.Millisecond)
		meanwhile = sent.Load()
		close(out.letGo)
	}()
	r := run(t, c)
	if meanwhile == 0 || meanwhile >= 1<<19 {
		t.Errorf("%d probes were sent when nobody had taken a row for seconds: want some, and not all", meanwhile)
	}
	if n := strings.Count(out.String(), "\n") - 1; n != 1<<19 || r.Lost != 0 || r.Sent != 1<<19 || r.SuccessUnique != 1<<19 {
		t.Errorf("%d rows, %d answers lost, %d probes sent, %d hosts; want %d, 0, %[5]d and %[5]d", n, r.Lost, r.Sent, r.SuccessUnique, 1<<19)
	}
}

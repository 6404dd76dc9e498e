package zmap

import (
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zmap-go/zmap/lab"
)

// TestOutage takes the interface down in the middle of a scan, and up again, for each link that waits: every target is asked once, and what
// is counted as sent has arrived.
func TestOutage(t *testing.T) {
	for _, link := range []string{"socket", "ring", "xdp"} {
		t.Run(link, func(t *testing.T) {
			const hosts = "10.13.0.0/20"
			net := startWorld(t, lab.World{
				Ports: []uint16{80}, Tally: true, Crowd: &lab.Crowd{Prefix: prefix("10.255.0.0/16")}, Hosts: []lab.Hosts{{Prefix: prefix(hosts), Kind: lab.Kernel}},
			})
			c, rows := synScan(hosts)
			c.Link, c.Rate, c.Senders, c.Cooldown = link, 4000, 2, time.Second
			var said strings.Builder
			var mu sync.Mutex
			c.Log = slog.New(slog.NewTextHandler(lockedWriter{&said, &mu}, nil))
			var down sync.WaitGroup
			rows.onRow = func(n int) {
				if n != 1000 {
					return
				}
				down.Go(func() {
					if err := net.LinkDown(); err != nil {
						t.Error(err)
					}
					time.Sleep(700 * time.Millisecond)
					if err := net.LinkUp(); err != nil {
						t.Error(err)
					}
				})
			}
			r := run(t, c)
			down.Wait()
			n := tally(t, net).SYNs
			lost := 4096 - len(rows.count(row.first)) // answers on their way when the interface went down
			if n != 4096 || r.Sent != 4096 || r.Targets != 4096 || lost > 40 {
				t.Errorf("%d SYNs arrived, %d sent to %d targets, %d answers lost; want 4096 and few", n, r.Sent, r.Targets, lost)
			}
			if d := r.SendEnd.Sub(r.SendStart); d < 1500*time.Millisecond || d > 5*time.Second {
				t.Errorf("sent for %v, want a second and the outage", d)
			}
			mu.Lock()
			defer mu.Unlock()
			if text := said.String(); strings.Count(text, "the scan waits until it is up again") != 1 || strings.Count(text, "the scan goes on") != 1 {
				t.Errorf("the log says:\n%s", text)
			}
		})
	}
}

// TestOutageInCooldown has the scan end when its cooldown does, though the interface is still down.
func TestOutageInCooldown(t *testing.T) {
	net, c, rows := stopScan(t)
	c.Networks, c.Cooldown = []string{"10.5.0.0/24"}, 3*time.Second
	down := false
	c.Hooks.Progress = func(p Progress) {
		if p.Sending || down {
			return
		}
		down = true
		if err := net.LinkDown(); err != nil {
			t.Error(err)
		}
	}
	r := run(t, c)
	if d := r.RecvEnd.Sub(r.SendEnd); !down || d > 5*time.Second || len(rows.rows) != 256 || r.Reason != StopWalkDone {
		t.Errorf("down %v, %v: listened for %v and got %d rows, want 3 seconds and 256", down, r.Reason, d, len(rows.rows))
	}
}

// A lockedWriter is a writer of several goroutines.
type lockedWriter struct {
	to *strings.Builder
	mu *sync.Mutex
}

func (w lockedWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to.Write(b)
}

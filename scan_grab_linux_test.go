package zmap

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/internal/netdev"
	"github.com/zmap-go/zmap/lab"
	"github.com/zmap-go/zmap/probe"
	"github.com/zmap-go/zmap/validate"
)

// askName is a module that sends a line, and learns the address that answers and how many bytes followed.
type askName struct{}

type named struct {
	Addr  string `json:"addr"`
	Bytes int    `json:"bytes"`
}

func (askName) Describe() grab.Description { return grab.Description{Name: "name", Port: 4443} }

func (askName) Grab(_ context.Context, s *grab.Session) (any, error) {
	if _, err := fmt.Fprintf(s.Conn, "who are you?\n"); err != nil {
		return nil, err
	}
	r := bufio.NewReader(s.Conn)
	line, err := r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	n, err := io.Copy(io.Discard, r)
	return named{strings.TrimSpace(line), int(n)}, err
}

// tellNames answers askName with the server's address and size bytes, and counts connections.
func tellNames(t *testing.T, net *lab.Net, size int) *atomic.Int64 {
	t.Helper()
	l, err := net.Listen(t.Context(), ":4443")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	var n atomic.Int64
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			n.Add(1)
			go tellName(c, size)
		}
	}()
	return &n
}

func tellName(c net.Conn, size int) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := bufio.NewReader(c).ReadString('\n'); err != nil {
		return
	}
	host, _, _ := net.SplitHostPort(c.LocalAddr().String())
	_, _ = fmt.Fprintln(c, host)
	_, _ = c.Write(make([]byte, size))
}

// grabScan is a quick scan with grabs of the test servers.
func grabScan(networks ...string) (Config, *table) {
	c, rows := synScan(networks...)
	c.Ports, c.Grab = "4443", &Grab{Module: askName{}}
	return c, rows
}

// checkNames fails the test unless each of those hosts has one row, which says that it gave its own address and size bytes.
func checkNames(t *testing.T, rows *table, size int, transport grab.Transport, hosts netip.Prefix) {
	t.Helper()
	good := func(r row) bool {
		var data map[string]struct {
			grab.Grab
			Result named `json:"result"`
		}
		if err := json.Unmarshal(r.get("data").Bytes(), &data); err != nil {
			t.Fatalf("%s: data is %q: %v", r.addr("saddr"), r.get("data").Bytes(), err)
		}
		g := data["name"]
		if g.Status != grab.Success || g.Result.Addr != r.addr("saddr").String() || g.Result.Bytes != size || g.Transport != transport.String() {
			t.Errorf("%s: %+v", r.addr("saddr"), g)
		}
		return true
	}
	eachOnce(t, "hosts with grabs", rows.count(good), addrsOf(hosts))
}

// TestGrabOverTheScansConnection finds 1,024 hosts and speaks with each, over the connection of the one SYN that it got, in every
// way that there is.
func TestGrabOverTheScansConnection(t *testing.T) {
	net, _ := startCrowd(t, lab.Hosts{Prefix: prefix("10.1.0.0/16"), Kind: lab.Kernel})
	const size = 20_000
	served := tellNames(t, net, size)
	before, n := lab.Stats{}, 0
	for _, by := range []string{"xdp", "socket", "raw"} {
		for _, transport := range []grab.Transport{grab.Oneshot, grab.Handover} {
			hosts := prefix(fmt.Sprintf("10.1.%d.0/22", 4*n)) // others each time, for a host remembers connections for a minute
			n++
			t.Run(by+" "+transport.String(), func(t *testing.T) {
				served.Store(0)
				c, rows := grabScan(hosts.String())
				c.Link, c.Grab.Transport = by, transport
				if by == "xdp" {
					// A virtual cable with XDP drops what is more than 256 frames ahead of the kernel (VETH_RING_SIZE in
					// drivers/net/veth.c), which the data of many connections are; SYN-ACKs among it come again after a second.
					c.Cooldown = 3 * time.Second
				}
				r := run(t, c)
				checkNames(t, rows, size, transport, hosts)
				s, err := net.Stats(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				syns, resets := s.Tally.SYNs-before.Tally.SYNs, s.Tally.Resets-before.Tally.Resets
				before = s
				if r.Link != by || r.Transport != transport || syns != 1024 || served.Load() != 1024 {
					t.Errorf("link %s (%s), transport %v, %d SYNs, %d connections served: want 1024 of both", r.Link, r.Why, r.Transport, syns, served.Load())
				}
				if g := r.Grabs; g.Offered != 1024 || g.Done != 1024 || g.Grabs[grab.Success] != 1024 || g.Refused+g.Panics+g.Blocked != 0 {
					t.Errorf("got %+v", g)
				}
				if resets != 0 {
					t.Errorf("%d RSTs were sent, by the kernel if not by us", resets)
				}
			})
		}
	}
}

// TestGrabsAtOnce has scans of the same hosts that run at once, each with a way to keep answers from all others: none takes those of
// another.
func TestGrabsAtOnce(t *testing.T) {
	hosts := prefix("10.1.0.0/25")
	net, _ := startCrowd(t, lab.Hosts{Prefix: hosts, Kind: lab.Kernel})
	tellNames(t, net, 1000)
	type scan struct {
		by        string
		transport grab.Transport
		config    Config
		rows      *table
	}
	scans := []*scan{{by: "xdp", transport: grab.Oneshot}, {by: "socket", transport: grab.Handover}, {by: "socket", transport: grab.Oneshot}}
	ports := make(chan validate.Ports, len(scans))
	var running sync.WaitGroup
	for _, s := range scans {
		s.config, s.rows = grabScan(hosts.String())
		s.config.Link, s.config.Grab.Transport, s.config.Cooldown, s.config.Rate = s.by, s.transport, 3*time.Second, 300
		running.Go(func() {
			r, err := Run(t.Context(), s.config)
			if err != nil {
				t.Errorf("%s, %v: %v", s.by, s.transport, err)
			}
			ports <- r.SourcePorts
		})
	}
	running.Wait()
	close(ports)
	seen := make(map[validate.Ports]bool)
	for p := range ports {
		for o := range seen {
			if p.First <= o.Last && o.First <= p.Last {
				t.Errorf("ports %v and %v", p, o)
			}
		}
		seen[p] = true
	}
	for _, s := range scans {
		checkNames(t, s.rows, 1000, s.transport, hosts)
	}
}

// chatty is askName for a service with which a connection of the kernel's is better.
type chatty struct{ askName }

func (chatty) Describe() grab.Description {
	d := askName{}.Describe()
	d.Transport = grab.Handover
	return d
}

// TestGrabTransports has the module choose, and dials where nothing else can be had.
func TestGrabTransports(t *testing.T) {
	net := startNet(t, lab.Hosts{Prefix: prefix("10.1.0.0/24"), Kind: lab.Kernel})
	tellNames(t, net, 5000)
	for i, test := range []struct {
		module grab.Module
		forced grab.Transport
		want   grab.Transport
	}{
		{askName{}, grab.AnyTransport, grab.Oneshot},
		{chatty{}, grab.AnyTransport, grab.Handover},
		{chatty{}, grab.Oneshot, grab.Oneshot},
		{askName{}, grab.Dial, grab.Dial},
	} {
		hosts := prefix(fmt.Sprintf("10.1.0.%d/26", 64*i)) // others each time, for a host remembers connections for a minute
		c, rows := grabScan(hosts.String())
		c.Link, c.Grab.Module, c.Grab.Transport = "socket", test.module, test.forced
		if r := run(t, c); r.Transport != test.want {
			t.Errorf("transport %v, want %v", r.Transport, test.want)
		}
		checkNames(t, rows, 5000, test.want, hosts)
	}
}

// TestGrabFallsBack has one supplier of connections after the other fail, and says why hosts get a second connection.
func TestGrabFallsBack(t *testing.T) {
	for _, want := range []grab.Transport{grab.Oneshot, grab.Handover, grab.Dial} {
		var log strings.Builder
		s := &setup{Config: Config{Grab: &Grab{Module: askName{}}, Log: slog.New(slog.NewTextHandler(&log, nil))}}
		plan := &Plan{Path: &netdev.Path{}}
		err := s.eachTransport(plan, func() error {
			if plan.Transport != want {
				return errors.New("cannot be had")
			}
			return nil
		})
		if err != nil || plan.Transport != want || (want == grab.Dial) != strings.Contains(log.String(), "by dial: [oneshot: cannot be had handover: cannot be had]") {
			t.Errorf("%v: got %v and %v, and the log has %q", want, plan.Transport, err, log.String())
		}
	}
}

// TestGrabCutShort ends a scan of servers that never say a word: every hit has its row, and no connection is left.
func TestGrabCutShort(t *testing.T) {
	hosts := prefix("10.1.0.0/24")
	net, _ := startCrowd(t, lab.Hosts{Prefix: hosts, Kind: lab.Kernel})
	l, err := net.Listen(t.Context(), ":4443") // the kernel accepts, nobody answers
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, rows := grabScan(hosts.String())
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	r, err := Run(ctx, c)
	if r.Reason != StopInterrupted || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, %v", r.Reason, err)
	}
	if n := r.Grabs.Grabs[grab.UnknownError]; n != 256 || len(rows.rows) != 256 || !strings.Contains(string(rows.rows[0].get("data").Bytes()), "cut short") {
		t.Errorf("%d cut short, %d rows; the first has %s", n, len(rows.rows), rows.rows[0].get("data").Bytes())
	}
	s, err := net.Stats(t.Context())
	if err != nil || s.Tally.Resets < 256 {
		t.Errorf("%d of 256 connections were reset; %v", s.Tally.Resets, err)
	}
}

// TestGrabsThatCannotBe names what is wrong.
func TestGrabsThatCannotBe(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"there is no module": func(c *Config) { c.Grab.Module = nil },
		"smallest-probes":    func(c *Config) { c.Probe, _ = probe.New("tcp_synscan", probe.Args{Text: "linux"}) },
		"negative":           func(c *Config) { c.Grab.InFlight = -1 },
		"0 or more":          func(c *Config) { c.Grab.Rate = -1 },
	} {
		c, _ := grabScan("10.1.0.0/24")
		change(&c)
		var wrong *ConfigError
		if _, err := Run(t.Context(), c); !errors.As(err, &wrong) || wrong.Field != "Grab" || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", want, err)
		}
	}
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zmap-go/zmap"
	"github.com/zmap-go/zmap/citizen"
	"github.com/zmap-go/zmap/lab"
)

func TestMain(m *testing.M) { lab.Main(m) }

// A town is a network of 32 kernels with servers on them.
type town struct {
	now   atomic.Int64 // connections of all servers together
	heard atomic.Int64 // bytes that clients sent
	calls sync.Map     // connections by server
}

// newTown starts servers that do so when somebody has connected.
func newTown(t *testing.T, servers map[uint16]func(net.Conn)) *town {
	t.Helper()
	n, err := lab.New(t.Context(), lab.World{Hosts: []lab.Hosts{{Prefix: netip.MustParsePrefix("10.40.0.32/27"), Kind: lab.Kernel}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	w := new(town)
	for port, serve := range servers {
		l, err := n.Listen(t.Context(), fmt.Sprintf(":%d", port))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				go w.serve(conn, serve)
			}
		}()
	}
	return w
}

// serve counts what the client sends, until that hangs up. The scan's own connections, which it resets, are none.
func (w *town) serve(conn net.Conn, speak func(net.Conn)) {
	defer conn.Close()
	w.now.Add(1)
	calls, _ := w.calls.LoadOrStore(conn.LocalAddr().String(), new(atomic.Int64))
	calls.(*atomic.Int64).Add(1)
	speak(conn)
	n, _ := io.Copy(io.Discard, conn)
	w.heard.Add(n)
	w.now.Add(-1)
}

// scan runs the program's scan with those bounds.
func scan(ctx context.Context, r *reader, ports string) ([]string, error) {
	var out bytes.Buffer
	r.out = &out
	c := config(ports, []string{"10.40.0.0/24"})
	c.AllowSpecial = []citizen.Class{citizen.Private}
	c.Cooldown = 400 * time.Millisecond
	err := r.scan(ctx, c)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	slices.Sort(lines)
	return lines, err
}

// TestBanners reads what servers of several sorts say: one that greets, one that never stops, one that says nothing, and one that
// hangs up.
func TestBanners(t *testing.T) {
	endless := strings.Repeat("\x1b[2J", 100)
	w := newTown(t, map[uint16]func(net.Conn){
		22: func(c net.Conn) { fmt.Fprint(c, "SSH-2.0-lab\r\n") },
		23: func(c net.Conn) {
			for err := error(nil); err == nil; {
				_, err = io.WriteString(c, endless)
			}
		},
		24: func(net.Conn) {},
		25: func(c net.Conn) { c.(*net.TCPConn).CloseWrite() },
	})
	r := &reader{workers: 8, patience: 300 * time.Millisecond, most: 64}
	got, err := scan(t.Context(), r, "22-26")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for a := netip.MustParseAddr("10.40.0.32"); a != netip.MustParseAddr("10.40.0.64"); a = a.Next() {
		want = append(want, fmt.Sprintf("%v:22\t%q", a, "SSH-2.0-lab\r\n"), fmt.Sprintf("%v:23\t%q", a, endless[:64]),
			fmt.Sprintf("%v:24\t%q", a, ""), fmt.Sprintf("%v:25\t%q", a, ""))
	}
	slices.Sort(want)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("lines (-want +got):\n%s", d)
	}
	if w.heard.Load() != 0 {
		t.Errorf("servers were sent %d bytes, want none", w.heard.Load())
	}
	calls := 0
	w.calls.Range(func(at, n any) bool {
		if calls++; n.(*atomic.Int64).Load() != 1 {
			t.Errorf("%v was called %d times", at, n.(*atomic.Int64).Load())
		}
		return true
	})
	if calls != 4*32 {
		t.Errorf("%d servers were called, want %d", calls, 4*32)
	}
}

// TestWorkers calls 32 servers that cost half a second each: eight workers cannot do that in less than two seconds, and one not in
// less than 16.
func TestWorkers(t *testing.T) {
	newTown(t, map[uint16]func(net.Conn){24: func(net.Conn) {}})
	begin := time.Now()
	lines, err := scan(t.Context(), &reader{workers: 8, patience: 500 * time.Millisecond, most: 64}, "24")
	if took := time.Since(begin); err != nil || len(lines) != 32 || took < 2*time.Second || took > 14*time.Second {
		t.Errorf("%d lines after %v, want 32 after 2 s or a little more; error %v", len(lines), took, err)
	}
}

// TestInterrupted ends a scan whose servers say nothing, with much patience left: it returns at once, with all connections closed.
func TestInterrupted(t *testing.T) {
	w := newTown(t, map[uint16]func(net.Conn){24: func(net.Conn) {}})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		for w.now.Load() < 4 && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	begin := time.Now()
	_, err := scan(ctx, &reader{workers: 4, patience: time.Minute, most: 64}, "24")
	var stopped *zmap.StopError
	if !errors.As(err, &stopped) || time.Since(begin) > 20*time.Second {
		t.Errorf("error %v after %v, want that of a scan that was interrupted, soon", err, time.Since(begin))
	}
	for end := time.Now().Add(10 * time.Second); w.now.Load() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d connections are still open", w.now.Load())
		}
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{nil, {"80"}, {"http", "10.40.0.0/24"}, {"80", "10.40.0.0/33"}} {
		if err := run(t.Context(), args, io.Discard); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}

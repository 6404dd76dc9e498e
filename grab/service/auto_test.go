package service

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zmap-go/zmap/grab"
)

// quick are options with which silence does not take long. Servers that are to be heard need time to speak when the machine is busy.
func quick(more ...string) map[string]string {
	args := map[string]string{"wait": "200ms", "reply": "200ms", "pause": "0s"}
	for _, m := range more {
		key, value, _ := strings.Cut(m, "=")
		args[key] = value
	}
	return args
}

// auto has the module talk to a server of the kernel's.
func auto(t *testing.T, s *grab.Session, args map[string]string) (*AutoResult, error) {
	t.Helper()
	m, err := newAuto(args)
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.Grab(t.Context(), s)
	_ = s.Conn.Close()
	if _, jerr := json.Marshal(got); jerr != nil {
		t.Fatal(jerr)
	}
	return got.(*AutoResult), err
}

// TestAutoClasses has servers that are none, each in its way.
func TestAutoClasses(t *testing.T) {
	reset := func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) }
	for name, c := range map[string]struct {
		talk     func(net.Conn)
		class    string
		status   grab.Status
		attempts int
	}{
		"silent":           {func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, classNoData, grab.IOTimeout, 5},
		"resets":           {func(c net.Conn) { _, _ = c.Read(make([]byte, 1)); reset(c) }, classResets, grab.ConnectionClosed, 5},
		"closes":           {func(c net.Conn) { _, _ = c.Read(make([]byte, 4096)) }, classCloses, grab.ConnectionClosed, 5},
		"closes at once":   {func(net.Conn) {}, classAtOnce, grab.ConnectionClosed, 1},
		"speaks of itself": {func(c net.Conn) { _, _ = c.Write([]byte("\x01\x02 hello\r\n")); _, _ = io.Copy(io.Discard, c) }, classUnrecognised, grab.ProtocolError, 1},
		"speaks on data":   {func(c net.Conn) { _, _ = c.Read(make([]byte, 4096)); _, _ = c.Write([]byte("what?")) }, classUnrecognised, grab.ProtocolError, 5},
		"drips": {func(c net.Conn) {
			for i := 0; ; i++ {
				if _, err := c.Write([]byte{'a' + byte(i%26)}); err != nil {
					return
				}
				time.Sleep(5 * time.Millisecond)
			}
		}, classUnrecognised, grab.ProtocolError, 1},
		"endless": {func(c net.Conn) {
			for b := []byte(strings.Repeat("x", 4096)); ; {
				if _, err := c.Write(b); err != nil {
					return
				}
			}
		}, classUnrecognised, grab.ProtocolError, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := session(t, serve(t, c.talk), 10)
			args := quick("grab=false", "order=random", "reply=10s")
			if c.attempts == 1 {
				args["wait"] = "10s" // it does not come to that
			}
			if name == "silent" || name == "drips" {
				args["wait"], args["reply"] = "200ms", "200ms"
			}
			r, err := auto(t, s, args)
			if r.Class != c.class || grab.StatusOf(err) != c.status || r.Attempts != c.attempts || r.Protocol != "" || len(r.Tried) != c.attempts {
				t.Errorf("%+v, %v; want class %s, status %s, %d attempts", r, err, c.class, c.status, c.attempts)
			}
			if (c.class == classUnrecognised) != (r.FirstReply != "" && r.Hex != "") || len(r.Hex) > 2*maxShown {
				t.Errorf("first reply is %q, %q", r.FirstReply, r.Hex)
			}
		})
	}
}

// TestAutoZeroWindow sends nothing into a window that is closed.
func TestAutoZeroWindow(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	s := &grab.Session{Conn: ours, Half: &grab.Half{Window: 0}}
	r, err := auto(t, s, quick())
	if r.Class != classZeroWindow || r.Attempts != 0 || grab.StatusOf(err) != grab.IOTimeout {
		t.Errorf("%+v, %v", r, err)
	}
	s = session(t, serve(t, say(0, []byte("SSH-2.0-x\r\n"))), 0)
	s.Half = &grab.Half{Window: 1}
	if r, err := auto(t, s, quick("wait=10s")); err != nil || r.Protocol != "ssh" || r.By != askWait {
		t.Errorf("with a window: %+v, %v", r, err)
	}
}

// TestAutoOnQuietPorts says nothing where printers and machines listen.
func TestAutoOnQuietPorts(t *testing.T) {
	for port := range quietPorts {
		synctest.Test(t, func(t *testing.T) {
			ours, theirs := net.Pipe()
			heard := make(chan int64)
			go func() { n, _ := io.Copy(io.Discard, theirs); heard <- n }()
			s := &grab.Session{Conn: ours, Target: grab.Target{Port: port}, More: func(context.Context) (net.Conn, error) {
				t.Errorf("port %d: a second connection", port)
				return nil, grab.ErrBudget
			}}
			r, err := auto(t, s, map[string]string{"max": "16"})
			if r.Class != classQuiet || err == nil {
				t.Errorf("port %d: %+v, %v", port, r, err)
			}
			if n := <-heard; n != 0 {
				t.Errorf("port %d was sent %d bytes", port, n)
			}
		})
	}
}

// TestAutoBounds sees that there is no more than was allowed: of handshakes, connections and time.
func TestAutoBounds(t *testing.T) {
	silent := serve(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	r, err := auto(t, session(t, silent, 1), quick("order=random"))
	if r.Attempts != 3 || r.Class != classNoData || !errors.Is(err, grab.ErrBudget) { // wait and HTTP over the first connection, TLS over one more
		t.Errorf("%+v, %v", r, err)
	}
	s := session(t, silent, 9)
	s.More = nil
	if r, _ := auto(t, s, quick()); r.Attempts != 2 {
		t.Errorf("without more connections: %+v", r)
	}
	s = session(t, silent, 9)
	s.More = func(context.Context) (net.Conn, error) { return nil, grab.ErrConnect }
	if r, _ := auto(t, s, quick()); r.Class != classGone {
		t.Errorf("refused the second time: %+v", r)
	}
	m, err := newAuto(map[string]string{"wait": "20s", "grab": "false"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := m.Grab(ctx, session(t, silent, 9)); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 10*time.Second {
		t.Errorf("interrupted: %v after %v", err, time.Since(start))
	}
	if d := m.Describe(); d.Connections != 5+grab.DefaultConnections || !d.ServerFirst {
		t.Errorf("describes itself as %+v", d)
	}
}

// TestAutoGrabs runs the protocol's own module over a further connection, and nests what that says.
func TestAutoGrabs(t *testing.T) {
	postgres := fakePostgres(t, nil)
	mariadb := say(0, recordedMariaDB)
	for name, c := range map[string]struct {
		talk func(net.Conn)
		args map[string]string
		want []string
	}{
		"server first":  {mariadb, quick("wait=10s"), []string{`"protocol":"mysql","by":"wait","attempts":1,"class":"service"`, `"grab":{"status":"success","protocol":"mysql"`, `"server_version":"5.5.5`}},
		"own handshake": {func(c net.Conn) { postgres(c) }, quick("max=9", "reply=10s"), []string{`"protocol":"postgres","by":"postgres"`, `"grab":{"status":"success"`, `"supported_versions":"FATAL`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			talk := c.talk
			if name == "own handshake" {
				talk = func(conn net.Conn) {
					b := make([]byte, 8)
					if _, err := io.ReadFull(conn, b); err != nil || string(b) != string(postgresStart(postgresTLS)) {
						return // as PostgreSQL does
					}
					c.talk(prefixed{conn, &b})
				}
			}
			s := session(t, serve(t, talk), 15)
			r, err := auto(t, s, c.args)
			if err != nil {
				t.Fatal(err)
			}
			b, _ := json.Marshal(r)
			want(t, string(b), c.want...)
		})
	}
	// What the own module fails with is no failure of auto.
	r, err := auto(t, session(t, serve(t, say(0, []byte("\x15\x00\x00\x00\xff\x10\x04#08004Too many conn."))), 2), quick("wait=10s"))
	if err != nil || r.Protocol != "mysql" || r.Grab == nil || r.Grab.Status != grab.ApplicationError {
		t.Errorf("%+v, %v", r, err)
	}
	if r, _ := auto(t, session(t, serve(t, mariadb), 2), quick("grab=false", "wait=10s")); r.Grab != nil || r.Protocol != "mysql" {
		t.Errorf("not asked to grab: %+v", r)
	}
	if r, _ := auto(t, session(t, serve(t, mariadb), 0), quick("wait=10s")); r.Grab != nil || r.Protocol != "mysql" {
		t.Errorf("no connection left: %+v", r)
	}
}

// A prefixed connection has bytes before what is read from it.
type prefixed struct {
	net.Conn
	before *[]byte
}

func (p prefixed) Read(b []byte) (int, error) {
	if len(*p.before) > 0 {
		n := copy(b, *p.before)
		*p.before = (*p.before)[n:]
		return n, nil
	}
	return p.Conn.Read(b)
}

// TestAutoNames hands on the names that the protocol's own module found.
func TestAutoNames(t *testing.T) {
	cfg := serverConfig(t)
	r, err := auto(t, session(t, serveTLS(t, cfg), 5), quick("reply=10s", "order=assigned"))
	if err != nil || r.Protocol != "tls" || r.By != askTLS {
		t.Fatalf("%+v, %v", r, err)
	}
	var n grab.Namer = r
	if names := n.Names(); len(names) != 2 || names[0].Name != "www.example.org" || n.WantsName() {
		t.Errorf("names are %v, wanted %v", names, n.WantsName())
	}
	if n = new(AutoResult); n.Names() != nil || n.WantsName() {
		t.Error("names of nothing")
	}
}

// TestAutoPause waits between a wrong handshake and the right one.
func TestAutoPause(t *testing.T) {
	for _, l := range recordedServers() {
		var pause time.Duration
		switch l.Name {
		case "rabbitmq":
			pause = 5 * time.Second // it had to be asked for HTTP
		case "mariadb":
		default:
			continue
		}
		synctest.Test(t, func(t *testing.T) {
			m, err := newAuto(nil)
			if err != nil {
				t.Fatal(err)
			}
			s, _ := labSession(t, &l, 47123)
			var at []time.Time
			more := s.More
			s.More = func(ctx context.Context) (net.Conn, error) { at = append(at, time.Now()); return more(ctx) }
			start := time.Now()
			got, err := m.Grab(t.Context(), s)
			_ = s.Conn.Close()
			if err != nil || got.(*AutoResult).Grab == nil || len(at) != 1 {
				t.Fatalf("%+v, %v, %v", got, err, at)
			}
			if d := at[0].Sub(start); d < pause || d > pause+4*time.Second {
				t.Errorf("%s: own module after %v, want a pause of %v", l.Name, d, pause)
			}
			synctest.Wait()
		})
	}
}

// TestAutoEveryPort asks two other ports, when nothing was found and only then.
func TestAutoEveryPort(t *testing.T) {
	silent := serve(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	for name, c := range map[string]struct {
		accept int
		class  string
		asked  int
	}{"none": {0, classNoData, 1}, "one": {1, classNoData, 2}, "all": {9, classEveryPort, 2}} {
		s := session(t, silent, 9)
		var asked []netip.AddrPort
		s.Elsewhere = func(_ context.Context, host string, port uint16) (net.Conn, error) {
			asked = append(asked, netip.AddrPortFrom(netip.MustParseAddr(host), port))
			if len(asked) > c.accept {
				return nil, grab.ErrConnect
			}
			ours, _ := net.Pipe()
			return ours, nil
		}
		r, err := auto(t, s, quick("check-ports=true", "max=2"))
		if r.Class != c.class || err == nil || len(asked) != c.asked || len(r.OtherPorts) != min(c.accept, 2) {
			t.Errorf("%s: %+v, %v, asked %v", name, r, err, asked)
		}
		for _, a := range asked {
			if a.Addr() != s.Addr || a.Port() < 20000 || a.Port() == s.Port || quietPorts[a.Port()] {
				t.Errorf("%s: asked %v", name, a)
			}
		}
	}
	s := session(t, serve(t, say(0, []byte("SSH-2.0-x\r\n"))), 9)
	s.Elsewhere = func(context.Context, string, uint16) (net.Conn, error) {
		t.Error("asked, though a service was found")
		return nil, grab.ErrConnect
	}
	if r, err := auto(t, s, quick("check-ports=true", "wait=10s")); err != nil || r.Class != classService {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestAutoOrder holds the orders against the source, and what is special about ports.
func TestAutoOrder(t *testing.T) {
	for _, c := range []struct {
		port  uint16
		order string
		max   int
		want  string
	}{
		{47123, orderAuto, 5, "wait http tls oracle pptp"},
		{47123, orderAssigned, 5, "wait tls http dns pptp"},
		{443, orderAuto, 5, "wait tls http dns pptp"},
		{443, orderRandom, 5, "wait http tls oracle pptp"},
		{5432, orderAuto, 5, "wait postgres tls http dns"},
		{22, orderAuto, 2, "wait tls"},
		{9100, orderAuto, 5, "wait"},
	} {
		if got := strings.Join(autoOrder(c.port, c.order, c.max), " "); got != c.want {
			t.Errorf("port %d, %s: %s, want %s", c.port, c.order, got, c.want)
		}
	}
	all := autoOrder(47123, orderAuto, 100)
	s := &grab.Session{Operator: grab.Operator{URI: "https://x.example/\r\nX: y"}}
	for _, name := range all {
		hello := autoHello(name, s)
		if (len(hello) == 0) != (name == askWait) || len(hello) > 1400 {
			t.Errorf("%s sends %d bytes", name, len(hello))
		}
		if strings.Contains(string(hello), "\nX: y") {
			t.Errorf("%s sends a header that is not ours: %q", name, hello)
		}
		if name != askWait && asked(hello) != name {
			t.Errorf("%s is taken for %s", name, asked(hello))
		}
	}
	slices.Sort(all)
	if n := len(slices.Compact(all)); n != 16 {
		t.Errorf("%d handshakes", n)
	}
}

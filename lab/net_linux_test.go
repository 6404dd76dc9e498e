package lab

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

// bounded is a context that no test outlives.
func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func kernelWorld(ports ...uint16) World {
	return World{Ports: ports, Hosts: []Hosts{{Prefix: netip.MustParsePrefix("10.1.0.0/16"), Kind: Kernel}}}
}

// dial connects with the scanner's own kernel. Closing the connection resets it: one that ends in order would go on sending
// into the next test's Net.
func dial(ctx context.Context, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp4", address)
	if err == nil {
		err = conn.(*net.TCPConn).SetLinger(0)
	}
	return conn, err
}

func TestKernelHostsWithPlainSockets(t *testing.T) {
	n := newWorld(t, kindsWorld())
	for address, want := range map[string]error{
		"10.1.2.3:80":      nil,
		"10.1.255.255:443": nil,
		"10.1.2.3:81":      syscall.ECONNREFUSED,
		"10.2.0.1:80":      syscall.ECONNREFUSED,
		"10.4.0.1:80":      nil,
		"10.6.0.1:80":      syscall.EHOSTUNREACH,
		"10.1.1.1:80":      context.DeadlineExceeded,
		"172.31.0.1:80":    context.DeadlineExceeded,
	} {
		ctx := bounded(t)
		silent := errors.Is(want, context.DeadlineExceeded)
		if silent {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, 200*time.Millisecond)
			defer cancel()
		}
		conn, err := dial(ctx, address)
		var late net.Error // of two sorts, after which timer was first
		right := errors.Is(err, want) || silent && errors.As(err, &late) && late.Timeout()
		if !right {
			t.Errorf("dial %s: %v, want %v", address, err, want)
		}
		if err == nil {
			conn.Close()
		}
	}
	conn, err := dial(bounded(t), "10.1.2.3:80")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.ReadAll(conn); err != nil {
		t.Errorf("a Kernel host does not hang up in order: %v", err)
	}
	if st, err := n.Stats(bounded(t)); err != nil || st.Kernel["Tcp.PassiveOpens"] < 3 {
		t.Errorf("PassiveOpens %d (error %v), want at least 3", st.Kernel["Tcp.PassiveOpens"], err)
	}
}

func TestLinkDescription(t *testing.T) {
	n := newWorld(t, World{Sources: 3})
	l := n.Link()
	iface, err := net.InterfaceByName(l.Interface)
	if err != nil {
		t.Fatal(err)
	}
	if iface.Index != l.Index || iface.HardwareAddr.String() != l.ScannerMAC.String() {
		t.Errorf("interface %+v, want %+v", iface, l)
	}
	addrs, err := netlink.AddrList(mustLink(t), netlink.FAMILY_ALL)
	if err != nil || len(addrs) != 4 {
		t.Fatalf("addresses %v (%v), want 4", addrs, err)
	}
	for i, a := range addrs {
		if want := l.sources(3)[i]; a.IP.String() != want.String() {
			t.Errorf("address %d is %v, want %v", i, a.IP, want)
		}
	}
	routes, err := netlink.RouteGet(net.ParseIP("10.200.1.1"))
	if err != nil || len(routes) != 1 || routes[0].LinkIndex != l.Index || routes[0].Gw.String() != l.Gateway.String() ||
		routes[0].Src.String() != l.Scanner.String() {
		t.Errorf("route %+v (%v), want over %+v", routes, err, l)
	}
}

func mustLink(t *testing.T) netlink.Link {
	t.Helper()
	l, err := lookUp(scannerEnd)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestSourcesGetAnswers: answers find every source address, from Kernel hosts and from the responder.
func TestSourcesGetAnswers(t *testing.T) {
	w := kernelWorld(80)
	w.Sources = maxSources
	w.Hosts = append(w.Hosts, Hosts{Prefix: netip.MustParsePrefix("10.2.0.0/16"), Kind: Refuse})
	n := newWorld(t, w)
	p := newProber(t, n)
	for _, target := range []string{"10.1.0.1", "10.2.0.1"} {
		for _, source := range n.Link().sources(w.Sources) {
			to := p.to(target)
			to.src = toUint(source)
			p.send(t, appendTCP(nil, to, segment{sport: testSport, dport: 80, seq: testSeq, flags: flagSYN}))
		}
		got := p.collect(t, maxSources+1, 5*time.Second)
		answered := make(map[uint32]bool)
		for _, a := range got {
			answered[a.dst] = true
		}
		if len(answered) != maxSources+1 {
			t.Errorf("%s answers %d sources, want %d", target, len(answered), maxSources+1)
		}
	}
}

func TestStatsCountExactly(t *testing.T) {
	n := newWorld(t, kindsWorld())
	p := newProber(t, n)
	const each = 500
	probes := []func(*prober, string) []byte{probeSYN(80), probeSYN(81), probePing, probeUDP, probeReset}
	for _, addr := range []string{"10.1.2.3", "10.4.0.1", "10.7.0.1", "10.8.0.1", "10.9.0.1"} {
		for _, probe := range probes {
			frame := probe(p, addr)
			for range each {
				p.send(t, frame)
			}
		}
	}
	want := ResponderStats{
		Probes: 3 * 4 * each,
		Sent:   Replies{SYNACK: 2 * each, RST: 2 * each, EchoReply: 3 * each, Reply: each, Unreachable: 2 * each},
		Forged: 4 * each,
	}
	st := settledStats(t, n, func(st Stats) bool { return st.Responder == want })
	if st.Responder != want {
		t.Errorf("responder\n got %+v\nwant %+v", st.Responder, want)
	}
	if got := st.Tally; got.SYNs != 2*5*each || got.Pings != 5*each || got.Datagrams != 5*each || got.SYNACKs != 0 {
		t.Errorf("tally %+v, want %d SYNs, %d pings and datagrams", got, 2*5*each, 5*each)
	}
	// The scanner's kernel resets every SYN-ACK, ours and the forged ones.
	if got := st.Tally.Resets; got < 5*each {
		t.Errorf("%d resets, want at least %d", got, 5*each)
	}
	if got := st.Tally.Kernel; got.RST != each || got.EchoReply != each || got.Unreachable != each || got.SYNACK < 1 {
		t.Errorf("the kernel sent %+v, want %d resets, echo replies and errors", got, each)
	}
	if st.Link.In < 25*each || st.Link.InDropped != 0 || st.Link.OutDropped != 0 || st.Link.Out < 11*each {
		t.Errorf("link %+v, want at least %d in, %d out, nothing dropped", st.Link, 25*each, 11*each)
	}
}

// settledStats asks until good is content, for a few seconds.
func settledStats(t *testing.T, n *Net, good func(Stats) bool) Stats {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		st, err := n.Stats(bounded(t))
		if err != nil {
			t.Fatal(err)
		}
		if good(st) || time.Now().After(deadline) {
			return st
		}
	}
}

func TestLinkDownAndUp(t *testing.T) {
	n := newWorld(t, kernelWorld(80))
	connects := func() error {
		conn, err := dial(bounded(t), "10.1.2.3:80")
		if err == nil {
			conn.Close()
		}
		return err
	}
	for range 2 {
		if err := connects(); err != nil {
			t.Fatalf("link up: %v", err)
		}
		if err := n.LinkDown(); err != nil {
			t.Fatal(err)
		}
		if err := connects(); !errors.Is(err, syscall.ENETUNREACH) {
			t.Errorf("link down: %v, want network unreachable", err)
		}
		if err := n.LinkUp(); err != nil {
			t.Fatal(err)
		}
	}
	if err := connects(); err != nil {
		t.Errorf("link up again: %v", err)
	}
}

func TestCloseLeavesNothingAndRepeats(t *testing.T) {
	ctx := bounded(t)
	n, err := New(ctx, kindsWorld())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(ctx, World{}); err == nil || !strings.Contains(err.Error(), "close the other Net") {
		t.Errorf("a second Net: %v", err)
	}
	if _, err := n.Stats(ctx); err != nil {
		t.Errorf("after a second New was refused: %v", err)
	}
	pid := n.internet.cmd.Process.Pid
	for range 3 {
		if err := n.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the Internet's process: %v, want none", err)
	}
	if _, err := netlink.LinkByName(scannerEnd); err == nil {
		t.Errorf("interface %s is still there", scannerEnd)
	}
	if _, err := n.Stats(ctx); err == nil {
		t.Error("Stats of a closed Net")
	}
	if _, err := n.Listen(ctx, ":1"); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Listen on a closed Net: %v", err)
	}
	again, err := New(ctx, World{})
	if err != nil {
		t.Fatalf("another Net after Close: %v", err)
	}
	again.Close()
}

// TestInternetDies: every call on a Net whose Internet is gone says so, and Close still works.
func TestInternetDies(t *testing.T) {
	n := newWorld(t, World{})
	n.internet.kill()
	if _, err := n.Stats(bounded(t)); err == nil || !strings.Contains(err.Error(), "it has ended") {
		t.Errorf("Stats: %v", err)
	}
}

func TestNewMistakes(t *testing.T) {
	if _, err := New(t.Context(), World{Ports: []uint16{0}}); err == nil || !strings.Contains(err.Error(), "port 0") {
		t.Errorf("a bad world: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if n, err := New(ctx, World{}); err == nil {
		n.Close()
		t.Error("New with a cancelled context")
	}
	n := newWorld(t, World{}) // and that left nothing behind
	if _, err := n.Capture(bounded(t), CaptureSpec{Keep: -1}); err == nil {
		t.Error("a capture that keeps -1 frames")
	}
	if _, err := n.Forge(bounded(t), Flood{}); err == nil {
		t.Error("a flood from nowhere")
	}
}

// TestLargeWorlds reports how long a start takes; it asserts only that the worlds work.
func TestLargeWorlds(t *testing.T) {
	sixteens := World{Ports: []uint16{80}}
	for i := range byte(5) {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 50 * i, 0, 0}), 16)
		sixteens.Hosts = append(sixteens.Hosts, Hosts{Prefix: p, Kind: Kernel})
	}
	scattered := World{Ports: []uint16{80}}
	for i := range uint32(20000) {
		p := netip.PrefixFrom(toAddr(10<<24+i*512), 32)
		scattered.Hosts = append(scattered.Hosts, Hosts{Prefix: p, Kind: []Kind{Kernel, Refuse}[i%2]})
	}
	for name, w := range map[string]World{"a /8 with five /16s": sixteens, "20,000 hosts": scattered} {
		begin := time.Now()
		n := newWorld(t, w)
		t.Logf("%s: ready after %v", name, time.Since(begin))
		p := newProber(t, n)
		last := w.Hosts[len(w.Hosts)-1]
		for _, h := range []Hosts{w.Hosts[0], last} {
			p.send(t, probeSYN(80)(p, h.Prefix.Addr().String()))
			got := p.collect(t, 1, 2*time.Second)
			if len(got) != 1 || (got[0].tcp.flags&flagRST != 0) != (h.Kind == Refuse) {
				t.Errorf("%s: %v gets %+v", name, h, got)
			}
		}
		n.Close()
	}
}

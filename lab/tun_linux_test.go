package lab

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

// TestTun talks to the hosts behind a tun interface with plain sockets. It is gone after Close.
func TestTun(t *testing.T) {
	p := netip.MustParsePrefix
	tun, err := OpenTun("tun7", 900, netip.MustParseAddr("10.70.0.1"), World{Ports: []uint16{80}, Hosts: []Hosts{
		{Prefix: p("10.71.0.0/25"), Kind: Kernel},
		{Prefix: p("10.71.0.128/25"), Kind: Silent},
		{Prefix: p("10.71.1.0/24"), Kind: Late, Delay: 300 * time.Millisecond},
	}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := lookUp(tun.Name())
	if err != nil || l.Attrs().MTU != 900 || l.Attrs().EncapType != "none" {
		t.Errorf("interface %+v, error %v, want one with MTU 900 and no link layer", l, err)
	}
	for address, want := range map[string]error{
		"10.71.0.1:80":   nil,
		"10.71.0.1:81":   syscall.ECONNREFUSED,
		"10.71.0.200:80": context.DeadlineExceeded,
	} {
		ctx := bounded(t)
		if errors.Is(want, context.DeadlineExceeded) {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, 100*time.Millisecond)
			defer cancel()
		}
		conn, err := dial(ctx, address)
		var late net.Error // of two sorts, after which timer was first
		silent := errors.Is(want, context.DeadlineExceeded) && errors.As(err, &late) && late.Timeout()
		if !errors.Is(err, want) && !silent {
			t.Errorf("dial %s: %v, want %v", address, err, want)
		}
		if err == nil {
			conn.Close()
		}
	}
	start := time.Now()
	conn, err := dial(bounded(t), "10.71.1.9:80")
	if d := time.Since(start); err != nil || d < 300*time.Millisecond {
		t.Errorf("dial of a late host: %v after %v, want none after 300 ms", err, d)
	} else {
		conn.Close()
	}
	if err := tun.Close(); err != nil {
		t.Error(err)
	}
	if _, err := netlink.LinkByName(tun.Name()); err == nil {
		t.Error("the interface is there after Close")
	}
}

// TestDetour sees to it that what leaves by one interface comes back by the other.
func TestDetour(t *testing.T) {
	w := kernelWorld(80)
	w.Detour = true
	w.Hosts = append(w.Hosts, Hosts{Prefix: netip.MustParsePrefix("10.2.0.0/24"), Kind: Refuse})
	n := newWorld(t, w)
	detour := n.Link().Detour
	conn, err := dial(bounded(t), "10.1.0.1:80")
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	// ARP is no business of the detour: a request and an answer come in by the first interface.
	straight, back := received(t, scannerEnd), received(t, detour)
	if straight > 2 || back == 0 {
		t.Errorf("%d frames came in by the interface that probes leave by, %d by the detour; want at most 2, and some", straight, back)
	}
	// The responder's answers are for the other interface, so the kernel takes no notice of them.
	ctx, cancel := context.WithTimeout(bounded(t), 100*time.Millisecond)
	defer cancel()
	if conn, err := dial(ctx, "10.2.0.1:80"); err == nil {
		conn.Close()
		t.Error("the kernel takes notice of an answer that came to another's hardware address")
	}
	if n := received(t, scannerEnd); n != straight || received(t, detour) <= back {
		t.Errorf("then %d frames by the first and %d by the detour; want %d, and more than %d", n, received(t, detour), straight, back)
	}
}

// received is the number of frames that came in by an interface.
func received(t *testing.T, name string) uint64 {
	t.Helper()
	l, err := lookUp(name)
	if err != nil {
		t.Fatal(err)
	}
	return l.Attrs().Statistics.RxPackets
}

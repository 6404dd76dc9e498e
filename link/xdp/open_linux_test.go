//go:build amd64 || arm64

package xdp

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/zmap-go/zmap/lab/wire"
	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/link/afpacket"
)

// fallback opens a link with the first engine that works, which must be the socket, and returns the line that says why.
func fallback(t *testing.T, cfg link.Config) string {
	t.Helper()
	l, err := link.Open(t.Context(), cfg, link.Auto, Engine{}, afpacket.Engine{})
	if err != nil {
		t.Error(err)
		return ""
	}
	defer l.Close()
	if l.Name != "socket" || !strings.HasPrefix(l.Why, "socket, because not xdp: ") || strings.Contains(l.Why, "\n") {
		t.Errorf("link %q because %q: want a socket, and why in one line", l.Name, l.Why)
	}
	t.Log(l.Why)
	return l.Why
}

// Each of these must fail with the words that tell the user what to do, release what it took, and leave the turn to sockets
// where they would work.
func TestOpenSaysWhatIsWrong(t *testing.T) {
	many := link.Filter{TCP: link.TCPAll}
	for i := range 9 {
		many.Ports = append(many.Ports, link.PortRange{First: uint16(i), Last: uint16(i), RST: link.RSTReset})
	}
	for _, c := range []struct {
		name   string
		change func(*link.Config)
		before func(t *testing.T, p wire.Wire)
		want   string
		is     error
		falls  bool
	}{
		{"no such interface", func(c *link.Config) { c.Interface = "nosuch0" }, nil, "look up interface nosuch0", nil, false},
		{"loopback", func(c *link.Config) { c.Interface = "lo" }, nil, "not Ethernet", errors.ErrUnsupported, false},
		{"no link header", func(c *link.Config) { c.Ether = false }, nil, "without an Ethernet header", errors.ErrUnsupported, false},
		{"filter", func(c *link.Config) { c.Filter.Ports = []link.PortRange{{First: 2, Last: 1}} }, nil, "2-1", nil, false},
		{"policies", func(c *link.Config) { c.Filter = many }, nil, "at most 8", nil, false},
		{"other interface", func(c *link.Config) { c.Receive = "lo" }, nil, "another interface", errors.ErrUnsupported, true},
		{"slow", func(c *link.Config) { c.Rate = leastRate - 1 }, nil, "below 200000 packets a second", link.ErrNeedless, true},
		{"peer that does not listen", nil, nil, "has neither an XDP program nor GRO (ethtool -K PEER gro on)", nil, true},
		{"program of somebody else", nil, func(t *testing.T, p wire.Wire) {
			occupy(t, p.B)
			attach(t, p.A, xdpPass)
		}, "an XDP program of somebody else is there, and stays", nil, true},
		{"another scan", nil, func(t *testing.T, p wire.Wire) {
			occupy(t, p.B)
			wire.Open(t, Engine{}, p.A, link.Config{Ether: true})
		}, "an XDP program of somebody else is there, and stays", nil, true},
		{"program of somebody else, without a link, behind the driver", nil, func(t *testing.T, p wire.Wire) {
			occupy(t, p.B)
			prog := always(t, xdpPass)
			must(t, netlink.LinkSetXdpFdWithFlags(p.A, prog.FD(), unix.XDP_FLAGS_SKB_MODE))
		}, "an XDP program of somebody else is there, and stays", nil, true},
		{"disconnected", nil, func(t *testing.T, p wire.Wire) {
			must(t, netlink.LinkSetDown(p.B))
			wire.Await(t, p.A, false)
		}, "not connected", link.ErrDown, false},
		{"down", nil, func(t *testing.T, p wire.Wire) { must(t, netlink.LinkSetDown(p.A)) }, "ip link set ", link.ErrDown, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPair(t, 1500)
			cfg := link.Config{Interface: p.A.Attrs().Name, Ether: true, Filter: link.Filter{TCP: link.TCPAll}, Retries: 2}
			if c.change != nil {
				c.change(&cfg)
			}
			if c.before != nil {
				c.before(t, p)
			}
			before, files := programOn(t, p.A), openFiles(t)
			l, err := Engine{}.Open(t.Context(), cfg)
			if err == nil || l != nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got link %v, error %v, want no link and an error with %q", l, err, c.want)
			}
			if c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("error %v is not %v", err, c.is)
			}
			if c.falls {
				if why := fallback(t, cfg); !strings.Contains(why, c.want) {
					t.Errorf("%q does not say %q", why, c.want)
				}
			}
			if after := programOn(t, p.A); after != before {
				t.Errorf("there is another XDP program on the interface: %+v, and %+v before", after, before)
			}
			if n := openFiles(t); n != files {
				t.Errorf("%d files open, %d before", n, files)
			}
		})
	}
}

// programOn says which XDP program is on an interface, and how it is attached.
func programOn(t *testing.T, end netlink.Link) netlink.LinkXdp {
	t.Helper()
	x := wire.Find(t, end.Attrs().Name).Attrs().Xdp
	if x == nil {
		return netlink.LinkXdp{}
	}
	return *x
}

// TestLongPackets has an interface whose packets are too long for a program in its driver: it goes behind the driver, from where
// the tap works as well.
func TestLongPackets(t *testing.T) {
	p := newPair(t, 9000)
	gatherSegments(t, p.B)
	ear := eavesdrop(t, p.B)
	l := wire.Open(t, Engine{}, p.A, link.Config{Ether: true, Filter: link.Filter{UDP: true}})
	if x := programOn(t, p.A); x.AttachMode != nl.XDP_ATTACHED_SKB {
		t.Errorf("the program is attached in mode %d, want %d", x.AttachMode, nl.XDP_ATTACHED_SKB)
	}
	frames := numbered(rand.New(rand.NewPCG(1, 1)), 30, 1514, 1514)
	must(t, submit(t, l.TX[0], frames))
	ear.expect(t, frames)
	other, err := link.Open(t.Context(), link.Config{Interface: p.B.Attrs().Name, Ether: true}, "", afpacket.Engine{})
	must(t, err)
	defer other.Close()
	must(t, submit(t, other.TX[0], frames))
	n, err := l.RX[0].Poll(patience, func(*link.Frame) {})
	must(t, err)
	if n == 0 || l.RX[0].Lost() != 0 {
		t.Errorf("%d frames received, %d lost", n, l.RX[0].Lost())
	}
}

// TestSilent words the reasons that drivers give which are not here.
func TestSilent(t *testing.T) {
	tooLong := errors.New("MTU too large")
	for _, c := range []struct {
		behind error
		want   string
	}{
		{nil, "lo does not send for XDP (no such device or address): its driver is unknown"},
		{tooLong, "lo does not send for XDP (no such device or address): its driver unknown does not take the program: MTU too large"},
	} {
		core := core{dev: &device{name: "lo"}, behind: c.behind}
		if err := core.silent(unix.ENXIO); err.Error() != c.want {
			t.Errorf("got %q, want %q", err, c.want)
		}
	}
}

// TestCheck leaves nothing behind.
func TestCheck(t *testing.T) {
	p := newPair(t, 1500)
	cfg := link.Config{Interface: p.A.Attrs().Name, Ether: true, Filter: link.Filter{TCP: link.TCPAll}, RingBytes: 1 << 20, Batch: 64}
	if _, err := (Engine{}).Check(t.Context(), cfg); err != nil { // the library opens something for good
		t.Fatal(err)
	}
	files, frames := openFiles(t), wire.Find(t, p.B.Attrs().Name).Attrs().Statistics.RxPackets
	memory, err := Engine{}.Check(t.Context(), cfg)
	must(t, err)
	if memory < 1<<20 || memory > 8<<20 {
		t.Errorf("a link with a buffer of 1 MiB takes %d bytes", memory)
	}
	if n := openFiles(t); n != files {
		t.Errorf("%d files open, %d before", n, files)
	}
	if x := programOn(t, p.A); x.Attached {
		t.Error("a program is on the interface")
	}
	if n := wire.Find(t, p.B.Attrs().Name).Attrs().Statistics.RxPackets; n != frames {
		t.Errorf("%d frames arrived at the other end", n-frames)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (Engine{}).Check(ctx, cfg); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want %v", err, context.Canceled)
	}
	if _, err := (Engine{}).Open(ctx, cfg); !errors.Is(err, context.Canceled) {
		t.Errorf("open: got error %v, want %v", err, context.Canceled)
	}
}

// dropped runs f on a thread that has all capabilities but those.
func dropped(t *testing.T, lacks []uint, f func()) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var data [2]unix.CapUserData
		err := unix.Capget(&hdr, &data[0])
		for _, n := range lacks {
			data[n/32].Effective &^= 1 << (n % 32)
			data[n/32].Permitted &^= 1 << (n % 32)
		}
		if err == nil {
			err = unix.Capset(&hdr, &data[0])
		}
		if err == nil {
			f()
		}
		done <- err
	}()
	must(t, <-done)
}

// TestWithoutCapabilities must say which one is missing, and leave the turn to sockets, which need another one.
func TestWithoutCapabilities(t *testing.T) {
	needBPF(t)
	for _, c := range []struct {
		lacks []uint
		want  string
	}{
		{[]uint{unix.CAP_BPF, unix.CAP_SYS_ADMIN}, "CAP_BPF missing"},
		{[]uint{unix.CAP_PERFMON, unix.CAP_SYS_ADMIN}, "CAP_PERFMON missing"},
		{[]uint{unix.CAP_NET_ADMIN, unix.CAP_SYS_ADMIN}, "CAP_NET_ADMIN missing"},
		{[]uint{unix.CAP_NET_ADMIN, unix.CAP_BPF, unix.CAP_PERFMON, unix.CAP_SYS_ADMIN}, "CAP_NET_ADMIN, CAP_PERFMON, CAP_BPF missing"},
	} {
		t.Run(c.want, func(t *testing.T) {
			if !again(t, func(*syscall.SysProcAttr) {}) { // here the library remembers what it once could do
				return
			}
			p := newPair(t, 1500)
			cfg := link.Config{Interface: p.A.Attrs().Name, Ether: true, Filter: link.Filter{TCP: link.TCPAll}}
			dropped(t, c.lacks, func() {
				_, err := Engine{}.Open(t.Context(), cfg)
				if !errors.Is(err, os.ErrPermission) || !strings.Contains(fmt.Sprint(err), ": "+c.want+": run as root (sudo)") {
					t.Errorf("open: got error %v", err)
				}
				if _, checked := (Engine{}).Check(t.Context(), cfg); !errors.Is(checked, os.ErrPermission) {
					t.Errorf("check: got error %v", checked)
				}
				fallback(t, cfg)
			})
		})
	}
}

// TestUserNamespace is root of a namespace of its own, as in a container without privileges.
func TestUserNamespace(t *testing.T) {
	if !again(t, func(a *syscall.SysProcAttr) {
		a.Cloneflags |= syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET
		ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		a.UidMappings, a.GidMappings = ids, ids
	}) {
		return
	}
	p := wire.Lay(t, wire.Plan{})
	cfg := link.Config{Interface: p.A.Attrs().Name, Ether: true, Filter: link.Filter{TCP: link.TCPAll}}
	_, err := Engine{}.Open(t.Context(), cfg)
	if !errors.Is(err, os.ErrPermission) || !strings.Contains(fmt.Sprint(err), "user namespace") {
		t.Errorf("open: got error %v", err)
	}
	fallback(t, cfg)
}

//go:build amd64 || arm64

package xdp

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	ebpflink "github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/zmap-go/zmap/lab"
	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/link/linktest"
)

// A pair is the two ends of a veth wire that a test made itself. Nothing in this package's tests sends anywhere else.
type pair struct {
	a, b netlink.Link
}

// newPair makes a wire in the namespace that lab.Main entered. It skips the test where there is no BPF to have one for.
func newPair(t testing.TB, mtu int) pair {
	t.Helper()
	needBPF(t)
	return newWire(t, mtu)
}

// needBPF skips the test where programs cannot be loaded.
func needBPF(t testing.TB) {
	t.Helper()
	if err := lab.MayLoad(); err != nil {
		t.Skip(err)
	}
}

// newWire makes a wire anywhere.
func newWire(t testing.TB, mtu int) pair {
	t.Helper()
	n := rand.Uint32() // so that no test meets an interface of another
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = fmt.Sprintf("xa%08x", n), mtu
	attrs.HardwareAddr = net.HardwareAddr{2, 0, 0, 0, 0, 1}
	veth := netlink.NewVeth(attrs)
	veth.PeerName, veth.PeerMTU = fmt.Sprintf("xb%08x", n), uint32(mtu)
	veth.PeerHardwareAddr = net.HardwareAddr{2, 0, 0, 0, 0, 2}
	must(t, netlink.LinkAdd(veth))
	t.Cleanup(func() { _ = netlink.LinkDel(veth) })
	p := pair{a: find(t, attrs.Name), b: find(t, veth.PeerName)}
	for _, l := range []netlink.Link{p.a, p.b} {
		// A silent interface: no address, so no router solicitations either.
		_ = os.WriteFile("/proc/sys/net/ipv6/conf/"+l.Attrs().Name+"/disable_ipv6", []byte("1"), 0)
		must(t, netlink.LinkSetUp(l))
	}
	waitRunning(t, p.a, true)
	waitRunning(t, p.b, true)
	return p
}

// waitRunning waits for the kernel to notice that the wire is connected, or is not, which it does in its own time.
func waitRunning(t testing.TB, l netlink.Link, want bool) {
	t.Helper()
	for range 400 {
		if (find(t, l.Attrs().Name).Attrs().RawFlags&unix.IFF_RUNNING != 0) == want {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("interface %s: running is not %v", l.Attrs().Name, want)
}

func find(t testing.TB, name string) netlink.Link {
	t.Helper()
	l, err := netlink.LinkByName(name)
	must(t, err)
	return l
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open opens a link on one end.
func open(t testing.TB, end netlink.Link, cfg link.Config) *link.Link {
	t.Helper()
	cfg.Interface, cfg.Index = end.Attrs().Name, end.Attrs().Index
	l, err := Engine{}.Open(t.Context(), cfg)
	must(t, err)
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// always loads a program that has one verdict for everything.
func always(t testing.TB, verdict int32) *ebpf.Program {
	t.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.XDP, License: "Apache-2.0", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, verdict), asm.Return()},
	})
	must(t, err)
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// attach attaches a program to an end that has one verdict for everything, and returns a function that detaches it.
func attach(t testing.TB, end netlink.Link, verdict int32) func() {
	t.Helper()
	l, err := ebpflink.AttachXDP(ebpflink.XDPOptions{Program: always(t, verdict), Interface: end.Attrs().Index})
	must(t, err)
	undo := sync.OnceFunc(func() { _ = l.Close() })
	t.Cleanup(undo)
	return undo
}

// occupy has an end take what the other end sends for XDP, and leave it to the kernel.
func occupy(t testing.TB, end netlink.Link) func() {
	t.Helper()
	return attach(t, end, xdpPass)
}

// block has an end take what the other end sends for XDP, and throw it away.
func block(t testing.TB, end netlink.Link) {
	t.Helper()
	attach(t, end, xdpDrop)
}

// bed opens a link at each end of a wire of its own.
func bed(t *testing.T, cfg link.Config, mtu int) linktest.Bed {
	t.Helper()
	p := newPair(t, mtu)
	undo := occupy(t, p.a)
	b := open(t, p.b, cfg)
	undo()
	a := open(t, p.a, cfg)
	return linktest.Bed{TX: a.TX[0], RX: b.RX[0], Cut: func() {
		must(t, netlink.LinkSetDown(p.a))
		must(t, netlink.LinkSetDown(p.b))
	}, Blink: func() {
		must(t, netlink.LinkSetDown(p.a))
		must(t, netlink.LinkSetUp(p.a))
		waitRunning(t, p.a, true)
		waitRunning(t, p.b, true)
	}}
}

func TestConformance(t *testing.T) { linktest.Conformance(t, bed) }

func TestSoak(t *testing.T) { linktest.Soak(t, bed) }

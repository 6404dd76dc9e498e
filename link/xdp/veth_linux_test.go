//go:build amd64 || arm64

package xdp

import (
	"sync"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	ebpflink "github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"

	"github.com/zmap-go/zmap/lab"
	"github.com/zmap-go/zmap/lab/wire"
	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/link/linktest"
)

// newPair makes a wire. It skips the test where there is no BPF to have one for.
func newPair(t testing.TB, mtu int) wire.Wire {
	t.Helper()
	needBPF(t)
	return wire.Lay(t, wire.Plan{MTU: mtu})
}

// needBPF skips the test where programs cannot be loaded.
func needBPF(t testing.TB) {
	t.Helper()
	if err := lab.MayLoad(); err != nil {
		t.Skip(err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
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
	undo := occupy(t, p.A)
	b := wire.Open(t, Engine{}, p.B, cfg)
	undo()
	a := wire.Open(t, Engine{}, p.A, cfg)
	return linktest.Bed{TX: a.TX[0], RX: b.RX[0], Cut: func() { p.Cut(t) }, Blink: func() { p.Blink(t) }}
}

func TestConformance(t *testing.T) { linktest.Conformance(t, bed) }

func TestSoak(t *testing.T) { linktest.Soak(t, bed) }

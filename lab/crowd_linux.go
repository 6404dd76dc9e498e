package lab

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

//go:generate go run github.com/cilium/ebpf/cmd/bpf2go -target bpfel,bpfeb -go-package lab -cflags "-O2 -g -Wall -Werror -mcpu=v3 -idirafter /usr/include/x86_64-linux-gnu -idirafter /usr/include/aarch64-linux-gnu" -no-global-types crowd bpf/crowd.c

// A crowdProgram is a running Crowd. It ends with the process.
type crowdProgram struct {
	maps   *ebpf.Collection
	at     link.Link
	stamps int
}

// openCrowd attaches the program to the interface with that index. What loss says gets lost is the program's to lose, too: an
// interface has one such program.
func openCrowd(c *Crowd, index int, loss *lossProgram) (*crowdProgram, error) {
	spec, err := loadCrowd()
	if err != nil {
		return nil, fmt.Errorf("read the crowd's program: %w", err)
	}
	mask := binary.BigEndian.Uint32(net.CIDRMask(c.Prefix.Bits(), 32))
	for name, v := range map[string]any{
		"network": toUint(c.Prefix.Addr()), "mask": mask, "threshold": shareOf(c.Share), "stamps": uint32(c.Stamps),
		"reply": [maxReply]byte(append(slices.Clone(c.Reply), make([]byte, maxReply-len(c.Reply))...)), "reply_len": uint32(len(c.Reply)),
		"reply_sum": sumOf(c.Reply), "hang_up": boolean(c.HangUp), "ipv6": boolean(c.IPv6),
	} {
		if err := spec.Variables[name].Set(v); err != nil {
			return nil, fmt.Errorf("set %s of the crowd's program: %w", name, err)
		}
	}
	spec.Maps["times"].MaxEntries = uint32(max(c.Stamps, 1))
	if loss != nil {
		if err := loss.loss.set(spec); err != nil {
			return nil, err
		}
	}
	maps, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{MapReplacements: loss.shared()})
	if err != nil {
		return nil, fmt.Errorf("load the crowd's program: %w", err)
	}
	at, err := link.AttachXDP(link.XDPOptions{Program: maps.Programs["crowd"], Interface: index, Flags: link.XDPDriverMode})
	if err != nil {
		maps.Close()
		return nil, fmt.Errorf("attach the crowd's program: %w", err)
	}
	if len(c.Reply) > 0 {
		if err := attachFilter(index, netlink.HANDLE_MIN_INGRESS, maps.Programs["speak"], "speak"); err != nil {
			_ = at.Close()
			maps.Close()
			return nil, err
		}
	}
	return &crowdProgram{maps, at, c.Stamps}, nil
}

// sumOf is the part of a checksum (RFC 1071) that b has in memory order, not folded.
func sumOf(b []byte) (sum uint32) {
	for len(b) > 1 {
		sum += uint32(binary.NativeEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) > 0 {
		sum += uint32(binary.NativeEndian.Uint16([]byte{b[0], 0}))
	}
	return sum
}

func boolean(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}

// HearCrowd lets the scanner's interface take what a Crowd sends, which vanishes where no XDP program listens: it attaches one
// that passes everything on. Scanners that attach a program of their own need it not, and cannot have it. The caller ends
// it with the function that is returned.
func (n *Net) HearCrowd() (end func() error, err error) {
	p, err := loadPass()
	if err != nil {
		return nil, err
	}
	at, err := link.AttachXDP(link.XDPOptions{Program: p, Interface: n.link.Index, Flags: link.XDPDriverMode})
	if err != nil {
		_ = p.Close()
		return nil, fmt.Errorf("attach a program that passes frames: %w", err)
	}
	return func() error { return errors.Join(at.Close(), p.Close()) }, nil
}

// loadPass loads an XDP program that passes everything on.
func loadPass() (*ebpf.Program, error) {
	const pass = 2 // XDP_PASS
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.XDP, License: "Apache-2.0", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, pass), asm.Return()},
	})
	if err != nil {
		return nil, fmt.Errorf("load a program that passes frames: %w", err)
	}
	return p, nil
}

// MayLoad returns an error where BPF programs, a Crowd among them, cannot be loaded: user namespaces, in which a lab is without
// root, have no right to.
func MayLoad() error {
	p, err := loadPass()
	if err != nil {
		return fmt.Errorf("no BPF here: %w", err)
	}
	return p.Close()
}

// stats adds up the counts of all processors.
func (p *crowdProgram) stats() (sum CrowdStats, err error) {
	var each []struct{ SYNs, Answered, Resets, Others uint64 } // struct counts of bpf/crowd.c
	if err := p.maps.Maps["tally"].Lookup(uint32(0), &each); err != nil {
		return sum, fmt.Errorf("read the crowd's counts: %w", err)
	}
	for _, e := range each {
		sum.SYNs += e.SYNs
		sum.Answered += e.Answered
		sum.Resets += e.Resets
		sum.Others += e.Others
	}
	return sum, nil
}

// Arrivals describes the SYNs to the crowd since the last call, or since New, as a Capture would: the first World.Crowd.Stamps
// of them; the others are Lost. Its times count as those of Uptime do. Nothing should be on its way meanwhile.
func (n *Net) Arrivals(ctx context.Context, window time.Duration) (Captured, error) {
	var out Captured
	err := n.control.call(ctx, opArrivals, window, &out)
	return out, err
}

// Uptime is the present as Net.Arrivals counts time, from the start of the machine (CLOCK_MONOTONIC, clock_gettime(2)).
func Uptime() (time.Time, error) {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return time.Time{}, fmt.Errorf("read the time since the start of the machine: %w", err)
	}
	return time.Unix(0, now.Nano()), nil
}

func (in *internet) arrivals(_ context.Context, window time.Duration) (any, error) {
	if in.crowd == nil || in.crowd.stamps == 0 {
		return nil, errors.New("there is no crowd with time stamps (World.Crowd.Stamps)")
	}
	at, all, err := in.crowd.takeTimes()
	if err != nil {
		return nil, err
	}
	out := Captured{Frames: all, Lost: all - uint64(len(at))}
	out.summarise(at, window)
	return out, nil
}

// takeTimes returns the time stamps and the number of SYNs since the last call.
func (p *crowdProgram) takeTimes() (at []int64, all uint64, err error) {
	stamped, times := p.maps.Maps["stamped"], p.maps.Maps["times"]
	if err := stamped.Lookup(uint32(0), &all); err != nil {
		return nil, 0, fmt.Errorf("count the crowd's time stamps: %w", err)
	}
	memory, err := times.Memory()
	if err != nil {
		return nil, 0, fmt.Errorf("read the crowd's time stamps: %w", err)
	}
	text := make([]byte, 8*min(all, uint64(p.stamps)))
	if _, err := memory.ReadAt(text, 0); err != nil {
		return nil, 0, fmt.Errorf("read the crowd's time stamps: %w", err)
	}
	if err := stamped.Put(uint32(0), uint64(0)); err != nil {
		return nil, 0, fmt.Errorf("clear the crowd's time stamps: %w", err)
	}
	at = make([]int64, len(text)/8)
	for i := range at {
		at[i] = int64(binary.NativeEndian.Uint64(text[8*i:]))
	}
	return at, all, nil
}

package lab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
)

//go:generate go run github.com/cilium/ebpf/cmd/bpf2go -target bpfel,bpfeb -go-package lab -cflags "-O2 -g -Wall -Werror -mcpu=v3 -idirafter /usr/include/x86_64-linux-gnu -idirafter /usr/include/aarch64-linux-gnu" -no-global-types crowd bpf/crowd.c

// A crowdProgram is a running Crowd. It ends with the process.
type crowdProgram struct {
	maps *ebpf.Collection
	at   link.Link
}

// openCrowd attaches the program to the interface with that index.
func openCrowd(c *Crowd, index int) (*crowdProgram, error) {
	spec, err := loadCrowd()
	if err != nil {
		return nil, fmt.Errorf("read the crowd's program: %w", err)
	}
	mask := binary.BigEndian.Uint32(net.CIDRMask(c.Prefix.Bits(), 32))
	for name, v := range map[string]any{"network": toUint(c.Prefix.Addr()), "mask": mask, "threshold": c.threshold()} {
		if err := spec.Variables[name].Set(v); err != nil {
			return nil, fmt.Errorf("set %s of the crowd's program: %w", name, err)
		}
	}
	maps, err := ebpf.NewCollection(spec)
	if err != nil {
		return nil, fmt.Errorf("load the crowd's program: %w", err)
	}
	at, err := link.AttachXDP(link.XDPOptions{Program: maps.Programs["crowd"], Interface: index, Flags: link.XDPDriverMode})
	if err != nil {
		maps.Close()
		return nil, fmt.Errorf("attach the crowd's program: %w", err)
	}
	return &crowdProgram{maps, at}, nil
}

// HearCrowd lets the scanner's interface take what a Crowd sends, which vanishes where no XDP program listens: it attaches one
// that passes everything on. Scanners that attach a program of their own need it not, and cannot have it. The caller ends
// it with the function that is returned.
func (n *Net) HearCrowd() (end func() error, err error) {
	const pass = 2 // XDP_PASS
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.XDP, License: "Apache-2.0", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, pass), asm.Return()},
	})
	if err != nil {
		return nil, fmt.Errorf("load a program that passes frames: %w", err)
	}
	at, err := link.AttachXDP(link.XDPOptions{Program: p, Interface: n.link.Index, Flags: link.XDPDriverMode})
	if err != nil {
		_ = p.Close()
		return nil, fmt.Errorf("attach a program that passes frames: %w", err)
	}
	return func() error { return errors.Join(at.Close(), p.Close()) }, nil
}

// stats adds up the counts of all processors.
func (p *crowdProgram) stats() (sum CrowdStats, err error) {
	var each []CrowdStats
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

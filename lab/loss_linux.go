package lab

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

//go:generate go run github.com/cilium/ebpf/cmd/bpf2go -target bpfel,bpfeb -go-package lab -cflags "-O2 -g -Wall -Werror -mcpu=v3 -idirafter /usr/include/x86_64-linux-gnu -idirafter /usr/include/aarch64-linux-gnu" -no-global-types loss bpf/loss.c

// A lossProgram is a running Loss. It ends with the process, or with the interfaces.
//
//	net0 ── XDP: arrive, or the crowd's own program ──> packet sockets, kernel
//	net0, net1 <── clsact: leave <── kernel, packet sockets that do not bypass it
type lossProgram struct {
	loss Loss
	maps *ebpf.Collection
	at   link.Link // of arrive; nil beside a crowd
}

// openLoss loads the programs and attaches nothing.
func openLoss(l Loss) (*lossProgram, error) {
	spec, err := loadLoss()
	if err != nil {
		return nil, fmt.Errorf("read the program that loses packets: %w", err)
	}
	if err := l.set(spec); err != nil {
		return nil, err
	}
	maps, err := ebpf.NewCollection(spec)
	if err != nil {
		return nil, fmt.Errorf("load the program that loses packets: %w", err)
	}
	return &lossProgram{loss: l, maps: maps}, nil
}

// set tells a program that includes bpf/loss.h what to lose.
func (l Loss) set(spec *ebpf.CollectionSpec) error {
	for name, v := range map[string]uint64{"loss_in": shareOf(l.In), "loss_out": shareOf(l.Out), "loss_seed": l.Seed} {
		if err := spec.Variables[name].Set(v); err != nil {
			return fmt.Errorf("set %s of the program that loses packets: %w", name, err)
		}
	}
	return nil
}

// shared are the maps that a program which includes bpf/loss.h has in common with this one.
func (p *lossProgram) shared() map[string]*ebpf.Map {
	if p == nil {
		return nil
	}
	return map[string]*ebpf.Map{"fates": p.maps.Maps["fates"], "kinds": p.maps.Maps["kinds"]}
}

// arrive loses what comes in by an interface.
func (p *lossProgram) arrive(index int) (err error) {
	p.at, err = link.AttachXDP(link.XDPOptions{Program: p.maps.Programs["arrive"], Interface: index, Flags: link.XDPDriverMode})
	if err != nil {
		return fmt.Errorf("attach the program that loses what arrives: %w", err)
	}
	return nil
}

// leave loses what goes out by an interface.
func (p *lossProgram) leave(index int) error {
	return attachFilter(index, netlink.HANDLE_MIN_EGRESS, p.maps.Programs["leave"], "leave")
}

// attachFilter has traffic control run a program on what comes in by an interface, or goes out.
func attachFilter(index int, parent uint32, p *ebpf.Program, name string) error {
	err := netlink.QdiscAdd(&netlink.Clsact{QdiscAttrs: netlink.QdiscAttrs{
		LinkIndex: index, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT,
	}})
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("make room for the program %s: %w", name, err)
	}
	if err := netlink.FilterAdd(&netlink.BpfFilter{
		FilterAttrs: netlink.FilterAttrs{LinkIndex: index, Parent: parent, Handle: 1, Priority: 1, Protocol: unix.ETH_P_ALL},
		Fd:          p.FD(), Name: name, DirectAction: true,
	}); err != nil {
		return fmt.Errorf("attach the program %s: %w", name, err)
	}
	return nil
}

// stats adds up the counts of all processors.
func (p *lossProgram) stats() (LossStats, error) {
	var sums [2]struct{ packets, lost uint64 }
	for way := range sums {
		var each []struct{ Packets, Lost uint64 } // struct fates of bpf/loss.h
		if err := p.maps.Maps["fates"].Lookup(uint32(way), &each); err != nil {
			return LossStats{}, fmt.Errorf("read the counts of lost packets: %w", err)
		}
		for _, e := range each {
			sums[way].packets += e.Packets
			sums[way].lost += e.Lost
		}
	}
	return LossStats{In: sums[0].packets, InLost: sums[0].lost, Out: sums[1].packets, OutLost: sums[1].lost}, nil
}

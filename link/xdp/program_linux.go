//go:build amd64 || arm64

package xdp

import (
	"errors"
	"fmt"
	"math/bits"
	"net/netip"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/zmap-go/zmap/link"
)

// Names in bpf/*.h.
const (
	programScan    = "scan"
	programVerdict = "verdict"
	programUnsent  = "unsent"
	programWatch   = "leaving"
	mapUsedPorts   = "used_ports"
)

// largest is LARGE of bpf/tap.h: the most that is copied of a frame.
const largest = 2032

// maxPolicies is MAX_POLICIES of bpf/policy.h.
const maxPolicies = 8

// A policy is struct policy of bpf/tap.h.
type policy struct {
	First, Last uint16
	What        uint32
}

// A program is the loaded program and its maps.
type program struct {
	*ebpf.Collection
	rings []*ebpf.Map // one for each receive queue
}

// Close frees all of it that is not attached or mapped.
func (p *program) Close() {
	for _, r := range p.rings {
		_ = r.Close()
	}
	p.Collection.Close()
}

// load returns the program and its maps, made for this link. The caller closes it. w may be nil.
func load(cfg *link.Config, dev *device, w *watch) (*program, error) {
	spec, err := loadScan()
	if err != nil {
		return nil, fmt.Errorf("read program: %w", err)
	}
	senders := cfg.Senders + 1 // and the one of the control queue
	frameLen, room := frameSizes(cfg)
	slotLen := (room + 7) &^ 7 // whole words
	rings := uint32(cfg.Receivers)
	constants := map[string]any{
		"out_index": uint32(dev.index), "batch": uint32(cfg.Batch), "count": uint32(senders),
		"frame_len": uint32(frameLen), "slot_len": uint32(slotLen), "watched": flag(w != nil), "receivers": rings,
	}
	if err := filterConstants(constants, &cfg.Filter); err != nil {
		return nil, err
	}
	for name, v := range constants {
		if err := spec.Variables[name].Set(v); err != nil {
			return nil, fmt.Errorf("set constant %s of the program: %w", name, err)
		}
	}
	spec.Maps["senders"].MaxEntries = uint32(senders)
	spec.Maps["descriptors"].MaxEntries = uint32(senders * cfg.Batch)
	spec.Maps["slots"].MaxEntries = uint32(senders * cfg.Batch)
	spec.Maps["slots"].ValueSize, spec.Maps["slots"].Value = uint32(slotLen), nil
	spec.Maps["tallies"].MaxEntries, spec.Maps["rings"].MaxEntries = rings, rings
	spec.Maps["rings"].InnerMap.MaxEntries = uint32(ringSize(cfg.RingBytes))
	var opts ebpf.CollectionOptions
	if w != nil {
		opts.MapReplacements = map[string]*ebpf.Map{mapUsedPorts: w.maps.Maps[mapUsedPorts]}
	}
	c, err := ebpf.NewCollectionWithOptions(spec, opts)
	if err != nil {
		return nil, refused("load program", err)
	}
	p := &program{Collection: c}
	if err := errors.Join(p.makeRings(spec.Maps["rings"].InnerMap, cfg.Receivers), fillLocals(c.Maps["locals"], &cfg.Filter)); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// makeRings makes n ring buffers for answers, and tells the program.
func (p *program) makeRings(spec *ebpf.MapSpec, n int) error {
	for i := range n {
		r, err := ebpf.NewMap(spec)
		if err != nil {
			return refused(fmt.Sprintf("make ring buffer of %d bytes", spec.MaxEntries), err)
		}
		p.rings = append(p.rings, r)
		if err := p.Maps["rings"].Put(uint32(i), r); err != nil {
			return refused("give ring buffer to the program", err)
		}
	}
	return nil
}

// memory returns how many bytes the maps take.
func (p *program) memory() (bytes uint64) {
	add := func(m *ebpf.Map) {
		if info, _ := m.Info(); info != nil { // what it does not say is a few pages
			size, _ := info.Memlock()
			bytes += size
		}
	}
	for _, m := range p.Maps {
		add(m)
	}
	for _, m := range p.rings {
		add(m)
	}
	return bytes
}

// frameSizes returns the length that the kernel makes frames with, which most probes should have, and the room in a slot.
// Without a word from the caller any frame may come.
func frameSizes(cfg *link.Config) (frameLen, room int) {
	if cfg.FrameLen == 0 {
		return shortest, link.MaxFrame
	}
	return max(cfg.FrameLen, etherLen), max(cfg.FrameLen, cfg.Longest, shortest)
}

// shortest is Ethernet's shortest frame without its check sequence: what the frame has that proves a link.
const shortest = 60

// ringSize is the size of the tap's ring buffer: a power of two and a whole number of pages.
func ringSize(n int) int { return 1 << bits.Len(uint(max(n, unix.Getpagesize())-1)) }

// filterConstants sets the tap's constants to what f wants.
func filterConstants(c map[string]any, f *link.Filter) error {
	c["snap"] = uint32(largest)
	if f.Snap > 0 {
		c["snap"] = uint32(min(f.Snap, largest))
	}
	c["want_tcp"], c["want_udp"] = uint32(f.TCP), flag(f.UDP)
	c["want_echo"], c["want_errors"] = flag(f.Echo), flag(f.Errors)
	c["any_local"], c["one_local"] = flag(len(f.Local) == 0), flag(len(f.Local) == 1)
	if len(f.Local) == 1 {
		c["local"] = addressBytes(f.Local[0])
	}
	var ports [65536 / 8]byte // bit p%64 of the p/64-th word, the low byte first: bit p%8 of byte p/8
	ranges := f.Ports
	if len(ranges) == 0 {
		ranges = []link.PortRange{{First: 0, Last: 65535}}
	}
	var policies [maxPolicies]policy
	n := 0
	for _, r := range ranges {
		for p := int(r.First); p <= int(r.Last); p++ {
			ports[p/8] |= 1 << (p % 8)
		}
		if r.RST == link.RSTPass {
			continue
		}
		if n == maxPolicies {
			return fmt.Errorf("%d port ranges with an RST policy: at most %d are possible", len(f.Ports), maxPolicies)
		}
		policies[n] = policy{r.First, r.Last, uint32(r.RST)}
		n++
	}
	c["ports"], c["policies"], c["policy_count"] = ports, policies, uint32(n)
	return nil
}

// flag is a truth value of the program.
func flag(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}

// addressBytes is an address as struct address of bpf/tap.h has it.
func addressBytes(a netip.Addr) [16]byte { return a.Unmap().As16() }

// fillLocals enters our addresses where they are too many for a constant.
func fillLocals(m *ebpf.Map, f *link.Filter) error {
	if len(f.Local) < 2 {
		return nil
	}
	if len(f.Local) > int(m.MaxEntries()) {
		return fmt.Errorf("%d source addresses: at most %d are possible", len(f.Local), m.MaxEntries())
	}
	for _, a := range f.Local {
		if err := m.Put(addressBytes(a), uint8(1)); err != nil {
			return fmt.Errorf("enter source address %s: %w", a, err)
		}
	}
	return nil
}

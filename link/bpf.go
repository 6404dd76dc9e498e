package link

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/net/bpf"
)

// maxProgram is the most instructions that the kernel takes (BPF_MAXINSNS in linux/bpf_common.h), less some that an engine
// may put before them.
const maxProgram = 4096 - 16

// wholeFrame is the return value that means: keep all of the frame.
const wholeFrame = 0x40000

// Scratch words of the program.
const (
	scratchNet   = 0 // offset of the IP header
	scratchL4    = 1 // offset of the transport header
	scratchProto = 2 // protocol of what is at X
	scratchWord  = 3 // one word, to be compared
)

// Assemble compiles f to classic BPF for frames that start with an Ethernet header if ether is true, else with an IP
// header. The program returns the number of bytes to keep, 0 for frames that are not wanted, and agrees with
// [Filter.Match] on every frame.
//
// A packet socket sees a frame after the kernel took off its first VLAN tag, so a tag in band there is the second or third one.
func (f *Filter) Assemble(ether bool) ([]bpf.RawInstruction, error) {
	if err := f.Validate(); err != nil {
		return nil, err
	}
	c := newCompiler(f)
	program := c.compile(ether)
	if len(program) > maxProgram {
		return nil, fmt.Errorf("capture filter needs %d instructions and the kernel takes %d: give fewer source addresses or port ranges",
			len(program), maxProgram)
	}
	raw, err := bpf.Assemble(program)
	if err != nil {
		return nil, fmt.Errorf("assemble capture filter: %w", err)
	}
	return raw, nil
}

// A compiler turns one filter into one program, in this order:
//
//	link header -> IPv4 or IPv6 header, destination -> (extension headers) -> ICMP, UDP, TCP -> ports -> verdict
//
// X holds the offset of the header that is looked at. Jumps go forward only, so each part comes after those that use it.
type compiler struct {
	assembler
	f                *Filter
	v4               []span      // local IPv4 addresses
	v6               [][4]uint32 // local IPv6 addresses, sorted
	tcp, udp         label
	accept, reject   label
	icmp4, icmp6     label
	want4, want6     bool // frames of the version can be wanted at all
	wantTCP, wantAny bool
}

func newCompiler(f *Filter) *compiler {
	c := &compiler{f: f, wantTCP: f.TCP != TCPNone}
	for _, a := range f.Local {
		a = a.Unmap()
		if a.Is4() {
			b := a.As4()
			v := binary.BigEndian.Uint32(b[:])
			c.v4 = append(c.v4, span{v, v})
		} else {
			c.v6 = append(c.v6, words(a))
		}
	}
	c.v4 = merge(c.v4)
	slices.SortFunc(c.v6, func(a, b [4]uint32) int { return slices.Compare(a[:], b[:]) })
	c.v6 = slices.Compact(c.v6)
	c.wantAny = c.wantTCP || f.UDP || f.Echo || f.Errors
	c.want4 = c.wantAny && (len(f.Local) == 0 || len(c.v4) > 0)
	c.want6 = c.wantAny && (len(f.Local) == 0 || len(c.v6) > 0)
	c.tcp, c.udp = c.label(), c.label()
	c.icmp4, c.icmp6 = c.label(), c.label()
	c.accept, c.reject = c.label(), c.label()
	return c
}

// words returns an IPv6 address as four numbers.
func words(a netip.Addr) [4]uint32 {
	b := a.As16()
	var w [4]uint32
	for i := range w {
		w[i] = binary.BigEndian.Uint32(b[4*i:])
	}
	return w
}

func (c *compiler) compile(ether bool) []bpf.Instruction {
	ipv4, ipv6 := c.label(), c.label()
	if ether {
		c.etherHeader(ipv4, ipv6)
	} else {
		c.emit(bpf.LoadConstant{Dst: bpf.RegX, Val: 0}, bpf.LoadAbsolute{Off: 0, Size: 1},
			bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 4})
		c.dispatch(ipv4, 4, ipv6, 6)
	}
	if c.want4 {
		c.place(ipv4)
		c.header4()
	}
	if c.want6 {
		c.place(ipv6)
		c.header6()
	}
	if c.wantAny {
		c.transport()
	}
	keep := uint32(wholeFrame)
	if c.f.Snap > 0 {
		keep = uint32(min(c.f.Snap, wholeFrame))
	}
	c.place(c.accept)
	c.emit(bpf.RetConstant{Val: keep})
	c.place(c.reject)
	c.emit(bpf.RetConstant{Val: 0})
	return c.program()
}

// etherHeader leaves the offset of the IP header in X.
func (c *compiler) etherHeader(ipv4, ipv6 label) {
	known := c.label()
	c.emit(bpf.LoadConstant{Dst: bpf.RegX, Val: etherLen}, bpf.LoadAbsolute{Off: etherLen - 2, Size: 2})
	for i := range uint32(maxVLANs) {
		tagged := c.label()
		c.when(bpf.JumpEqual, typeVLAN, tagged)
		c.when(bpf.JumpNotEqual, typeQinQ, known)
		c.place(tagged)
		ip := etherLen + (i+1)*vlanLen
		c.emit(bpf.LoadConstant{Dst: bpf.RegX, Val: ip}, bpf.LoadAbsolute{Off: ip - 2, Size: 2})
	}
	c.place(known)
	c.dispatch(ipv4, typeIPv4, ipv6, typeIPv6)
}

// dispatch goes to the header of the version that A names.
func (c *compiler) dispatch(ipv4 label, is4 uint32, ipv6 label, is6 uint32) {
	if c.want4 {
		c.when(bpf.JumpEqual, is4, ipv4)
	}
	if c.want6 {
		c.when(bpf.JumpEqual, is6, ipv6)
	}
	c.jump(c.reject)
}

// version rejects what does not carry the version nibble that it should.
func (c *compiler) version(v uint32) {
	c.emit(bpf.StoreScratch{Src: bpf.RegX, N: scratchNet}, bpf.LoadIndirect{Off: 0, Size: 1},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xf0})
	c.when(bpf.JumpNotEqual, v<<4, c.reject)
}

func (c *compiler) header4() {
	c.version(4)
	c.emit(bpf.LoadIndirect{Off: 0, Size: 1}, bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0x0f})
	c.when(bpf.JumpLessThan, 5, c.reject)
	c.emit(bpf.LoadIndirect{Off: 6, Size: 2})
	c.when(bpf.JumpBitsSet, 0x1fff, c.reject)
	if len(c.v4) > 0 {
		ours := c.label()
		c.emit(bpf.LoadIndirect{Off: 16, Size: 4})
		c.member(c.v4, ours, c.reject)
		c.place(ours)
	}
	c.emit(
		bpf.LoadIndirect{Off: 9, Size: 1}, bpf.StoreScratch{Src: bpf.RegA, N: scratchProto},
		bpf.LoadIndirect{Off: 0, Size: 1}, bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0x0f},
		bpf.ALUOpConstant{Op: bpf.ALUOpShiftLeft, Val: 2}, bpf.ALUOpX{Op: bpf.ALUOpAdd}, bpf.TAX{},
		bpf.LoadScratch{Dst: bpf.RegA, N: scratchProto},
	)
	c.protocol(protoICMP4, c.icmp4)
	c.jump(c.reject)
}

func (c *compiler) header6() {
	c.version(6)
	if len(c.v6) > 0 {
		ours := c.label()
		c.address6(c.v6, 0, ours)
		c.place(ours)
	}
	c.emit(bpf.LoadIndirect{Off: 6, Size: 1}, bpf.StoreScratch{Src: bpf.RegA, N: scratchProto}, bpf.TXA{},
		bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: 40}, bpf.TAX{})
	for range extMax {
		c.extension()
	}
	c.emit(bpf.LoadScratch{Dst: bpf.RegA, N: scratchProto})
	c.protocol(protoICMP6, c.icmp6)
	c.jump(c.reject)
}

// extension goes to the transport protocol, or moves X behind one extension header and falls through.
func (c *compiler) extension() {
	options, next := c.label(), c.label()
	c.emit(bpf.LoadScratch{Dst: bpf.RegA, N: scratchProto})
	c.protocol(protoICMP6, c.icmp6)
	c.when(bpf.JumpEqual, extHopByHop, options)
	c.when(bpf.JumpEqual, extRouting, options)
	c.when(bpf.JumpEqual, extOptions, options)
	c.when(bpf.JumpNotEqual, extFragment, c.reject)
	c.emit(bpf.LoadIndirect{Off: 2, Size: 2})
	c.when(bpf.JumpBitsSet, 0xfff8, c.reject)
	c.emit(bpf.LoadIndirect{Off: 0, Size: 1}, bpf.StoreScratch{Src: bpf.RegA, N: scratchProto},
		bpf.LoadConstant{Dst: bpf.RegA, Val: 8})
	c.jump(next)
	c.place(options)
	c.emit(bpf.LoadIndirect{Off: 0, Size: 1}, bpf.StoreScratch{Src: bpf.RegA, N: scratchProto},
		bpf.LoadIndirect{Off: 1, Size: 1}, bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: 1},
		bpf.ALUOpConstant{Op: bpf.ALUOpShiftLeft, Val: 3})
	c.place(next)
	c.emit(bpf.ALUOpX{Op: bpf.ALUOpAdd}, bpf.TAX{})
}

// address6 goes to ours if the destination is one of the addresses, which are sorted and agree in the words before w;
// else to reject. It branches word by word, so addresses of one prefix share the tests of the prefix.
func (c *compiler) address6(addrs [][4]uint32, w int, ours label) {
	c.emit(bpf.LoadIndirect{Off: uint32(24 + 4*w), Size: 4})
	if w == 3 {
		spans := make([]span, len(addrs))
		for i, a := range addrs {
			spans[i] = span{a[3], a[3]}
		}
		c.member(merge(spans), ours, c.reject)
		return
	}
	var values []uint32
	var groups [][][4]uint32
	for _, a := range addrs {
		if n := len(values); n == 0 || values[n-1] != a[w] {
			values, groups = append(values, a[w]), append(groups, nil)
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], a)
	}
	if len(values) == 1 {
		c.when(bpf.JumpNotEqual, values[0], c.reject)
		c.address6(addrs, w+1, ours)
		return
	}
	to := make([]label, len(values))
	for i := range to {
		to[i] = c.label()
	}
	c.branch(values, to, c.reject)
	for i, g := range groups {
		c.place(to[i])
		c.address6(g, w+1, ours)
	}
}

// protocol goes to the transport protocol in A if it is wanted, else falls through. X is the offset of its header.
func (c *compiler) protocol(icmp uint32, to label) {
	if c.wantTCP {
		c.when(bpf.JumpEqual, protoTCP, c.tcp)
	}
	if c.f.UDP {
		c.when(bpf.JumpEqual, protoUDP, c.udp)
	}
	if c.f.Echo || c.f.Errors {
		c.when(bpf.JumpEqual, icmp, to)
	}
}

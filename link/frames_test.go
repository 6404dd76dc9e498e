package link

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
)

// A frameSpec says what is in a test frame. Fields that make no sense for its protocol are not looked at.
type frameSpec struct {
	src, dst netip.Addr // both of one version
	proto    byte
	port     uint16 // destination port
	flags    byte   // of TCP
	kind     byte   // of ICMP
	quoted   netip.Addr
	options  int    // IPv4: words of options
	ext      []byte // IPv6: kinds of extension headers
	fragment uint16 // the field with the offset, as on the wire
	tags     []uint16
	pad      int
}

// bytes builds the frame; lengths and checksums are left zero, for a filter looks at neither.
func (s *frameSpec) bytes(ether bool) []byte {
	var b []byte
	if ether {
		b = append(b, "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02"...)
		for _, tag := range s.tags {
			b = binary.BigEndian.AppendUint16(b, tag)
			b = append(b, 0x20, 7)
		}
		if s.dst.Is4() {
			b = append(b, 0x08, 0x00)
		} else {
			b = append(b, 0x86, 0xdd)
		}
	}
	if s.dst.Is4() {
		b = s.ipv4(b)
	} else {
		b = s.ipv6(b)
	}
	return append(s.transport(b), make([]byte, s.pad)...)
}

func (s *frameSpec) ipv4(b []byte) []byte {
	h := make([]byte, 20+4*s.options)
	h[0] = 0x40 | byte(5+s.options)
	binary.BigEndian.PutUint16(h[6:], s.fragment)
	h[9] = s.proto
	copy(h[12:], s.src.AsSlice())
	copy(h[16:], s.dst.AsSlice())
	return append(b, h...)
}

func (s *frameSpec) ipv6(b []byte) []byte {
	h := make([]byte, 40)
	h[0] = 0x60
	copy(h[8:], s.src.AsSlice())
	copy(h[24:], s.dst.AsSlice())
	next := append(append([]byte(nil), s.ext...), s.proto)
	h[6] = next[0]
	for i, kind := range s.ext {
		x := make([]byte, 8)
		if kind == extFragment {
			binary.BigEndian.PutUint16(x[2:], s.fragment)
		} else {
			x = make([]byte, 8*(1+i%3))
			x[1] = byte(i % 3)
		}
		x[0] = next[i+1]
		h = append(h, x...)
	}
	return append(b, h...)
}

func (s *frameSpec) transport(b []byte) []byte {
	switch s.proto {
	case protoTCP:
		h := make([]byte, 20)
		binary.BigEndian.PutUint16(h[2:], s.port)
		h[12], h[13] = 0x50, s.flags
		return append(b, h...)
	case protoUDP:
		h := make([]byte, 8)
		binary.BigEndian.PutUint16(h[2:], s.port)
		return append(b, h...)
	}
	b = append(b, s.kind, 0, 0, 0, 0, 0, 0, 0)
	if !s.quoted.IsValid() {
		return b
	}
	inner := frameSpec{src: s.quoted, dst: s.src, proto: protoTCP}
	return append(b, inner.bytes(false)...)
}

// randomFilter makes a filter over few enough addresses and ports for random frames to hit.
func randomFilter(r *rand.Rand) *Filter {
	f := &Filter{
		TCP: []TCPMatch{TCPNone, TCPAnswers, TCPAnswers, TCPAll}[r.IntN(4)],
		UDP: r.IntN(3) > 0, Echo: r.IntN(3) > 0, Errors: r.IntN(3) > 0,
		Snap: []int{0, 0, 96, 1500}[r.IntN(4)],
	}
	sizes := []int{0, 1, 1, 2, 3, 20, 60}
	for range sizes[r.IntN(len(sizes))] {
		f.Local = append(f.Local, randomAddr(r, r.IntN(2) == 0))
	}
	for range sizes[r.IntN(len(sizes))] {
		first := uint16(r.IntN(1 << 16))
		last := uint16(min(int(first)+r.IntN(300), 1<<16-1))
		f.Ports = append(f.Ports, PortRange{first, last})
	}
	return f
}

// randomAddr comes from a small set, so that two of them are often the same or neighbours; some differ in any word.
func randomAddr(r *rand.Rand, v4 bool) netip.Addr {
	n := uint64(r.IntN(40))
	switch {
	case v4 && r.IntN(8) == 0:
		return netip.AddrFrom16(addr4(0x0a000000 + uint32(n)).As16()) // the same, as ::ffff:a.b.c.d
	case v4:
		return addr4(0x0a000000 + uint32(n)<<(8*r.IntN(3)))
	case r.IntN(2) == 0:
		return addr6(0x2001_0db8_0000_0000, n)
	}
	return addr6(0x2001_0db8_0000_0000+n%3<<(32*(n%2)), n<<(32*r.Uint64N(2)))
}

// pick returns an address of the wanted version: most often one of ours.
func pick(r *rand.Rand, f *Filter, v4 bool) netip.Addr {
	for range 6 {
		if len(f.Local) == 0 || r.IntN(6) == 0 {
			break
		}
		if a := f.Local[r.IntN(len(f.Local))].Unmap(); a.Is4() == v4 {
			return a
		}
	}
	return randomAddr(r, v4).Unmap()
}

// randomFrame makes a frame that f might want, with some of everything that it should not.
func randomFrame(r *rand.Rand, f *Filter, ether bool) []byte {
	v4 := r.IntN(2) == 0
	s := frameSpec{
		src: randomAddr(r, v4).Unmap(), dst: pick(r, f, v4), port: uint16(r.IntN(1 << 16)),
		flags: byte(r.IntN(64)), kind: byte(r.IntN(14)), pad: r.IntN(3) * 13,
	}
	s.proto = []byte{protoTCP, protoTCP, protoUDP, protoUDP, protoICMP4, protoICMP6, byte(r.IntN(256))}[r.IntN(7)]
	if len(f.Ports) > 0 && r.IntN(6) > 0 {
		p := f.Ports[r.IntN(len(f.Ports))]
		s.port = p.First + uint16(r.IntN(int(p.Last-p.First)+1))
	}
	if r.IntN(2) == 0 {
		s.flags = []byte{0x12, 0x04, 0x14, 0x52, 0x02, 0x10, 0x11}[r.IntN(7)]
	}
	if r.IntN(4) == 0 {
		s.kind = echoReply6
	}
	switch r.IntN(4) {
	case 0:
		s.quoted = pick(r, f, v4)
	case 1, 2:
		s.quoted = s.dst
	}
	if r.IntN(4) == 0 {
		s.options = r.IntN(11)
	}
	if r.IntN(3) == 0 {
		for range r.IntN(6) {
			s.ext = append(s.ext, []byte{extHopByHop, extRouting, extOptions, extFragment}[r.IntN(4)])
		}
	}
	if r.IntN(4) == 0 {
		s.fragment = []uint16{0x2000, 0x4000, 0x0001, 0x0008, 0x00b9, 0x0007}[r.IntN(6)]
	}
	for range []int{0, 0, 0, 0, 1, 1, 2}[r.IntN(7)] {
		s.tags = append(s.tags, []uint16{typeVLAN, typeQinQ}[r.IntN(2)])
	}
	return spoil(r, s.bytes(ether))
}

// spoil changes a few bits or cuts the frame, sometimes.
func spoil(r *rand.Rand, b []byte) []byte {
	switch r.IntN(8) {
	case 0:
		return b[:r.IntN(len(b)+1)]
	case 1, 2:
		for range 1 + r.IntN(3) {
			b[r.IntN(min(len(b), 60))] ^= 1 << r.IntN(8)
		}
	}
	return b
}

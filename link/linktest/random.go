package linktest

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"

	"github.com/zmap-go/zmap/link"
)

// EtherTypes and protocol numbers of test frames.
const (
	TypeVLAN = 0x8100 // IEEE 802.1Q
	TypeQinQ = 0x88a8 // IEEE 802.1ad

	ProtoICMP4 = 1
	ProtoTCP   = 6
	ProtoUDP   = 17
	ProtoICMP6 = 58

	ExtHopByHop = 0
	ExtRouting  = 43
	ExtFragment = 44
	ExtOptions  = 60
)

// A Spec says what is in a test frame. Fields that make no sense for its protocol are not looked at.
type Spec struct {
	Src, Dst netip.Addr // both of one version
	Proto    byte
	Port     uint16     // destination port
	Flags    byte       // of TCP
	Kind     byte       // type of ICMP
	Quoted   netip.Addr // source of the packet that an ICMP error quotes; not valid means none
	Options  int        // IPv4: words of options
	Ext      []byte     // IPv6: kinds of extension headers
	Fragment uint16     // the field with the offset, as on the wire
	Tags     []uint16   // EtherTypes of VLAN tags
	Pad      int        // bytes behind it all
}

// Frame builds the frame, with an Ethernet header or without; lengths and checksums are left zero, for a filter looks at neither.
func (s *Spec) Frame(ether bool) []byte {
	var b []byte
	if ether {
		b = append(b, "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02"...)
		for _, tag := range s.Tags {
			b = binary.BigEndian.AppendUint16(b, tag)
			b = append(b, 0x20, 7)
		}
		if s.Dst.Is4() {
			b = append(b, 0x08, 0x00)
		} else {
			b = append(b, 0x86, 0xdd)
		}
	}
	if s.Dst.Is4() {
		b = s.ipv4(b)
	} else {
		b = s.ipv6(b)
	}
	return append(s.transport(b), make([]byte, s.Pad)...)
}

func (s *Spec) ipv4(b []byte) []byte {
	h := make([]byte, 20+4*s.Options)
	h[0] = 0x40 | byte(5+s.Options)
	binary.BigEndian.PutUint16(h[6:], s.Fragment)
	h[9] = s.Proto
	copy(h[12:], s.Src.AsSlice())
	copy(h[16:], s.Dst.AsSlice())
	return append(b, h...)
}

func (s *Spec) ipv6(b []byte) []byte {
	h := make([]byte, 40)
	h[0] = 0x60
	copy(h[8:], s.Src.AsSlice())
	copy(h[24:], s.Dst.AsSlice())
	next := append(append([]byte(nil), s.Ext...), s.Proto)
	h[6] = next[0]
	for i, kind := range s.Ext {
		x := make([]byte, 8)
		if kind == ExtFragment {
			binary.BigEndian.PutUint16(x[2:], s.Fragment)
		} else {
			x = make([]byte, 8*(1+i%3))
			x[1] = byte(i % 3)
		}
		x[0] = next[i+1]
		h = append(h, x...)
	}
	return append(b, h...)
}

func (s *Spec) transport(b []byte) []byte {
	switch s.Proto {
	case ProtoTCP:
		h := make([]byte, 20)
		binary.BigEndian.PutUint16(h[2:], s.Port)
		h[12], h[13] = 0x50, s.Flags
		return append(b, h...)
	case ProtoUDP:
		h := make([]byte, 8)
		binary.BigEndian.PutUint16(h[2:], s.Port)
		return append(b, h...)
	}
	b = append(b, s.Kind, 0, 0, 0, 0, 0, 0, 0)
	if !s.Quoted.IsValid() {
		return b
	}
	inner := Spec{Src: s.Quoted, Dst: s.Src, Proto: ProtoTCP}
	return append(b, inner.Frame(false)...)
}

// RandomFilter returns a filter over few enough addresses and ports for random frames to hit.
func RandomFilter(r *rand.Rand) *link.Filter {
	f := &link.Filter{
		TCP: []link.TCPMatch{link.TCPNone, link.TCPAnswers, link.TCPAnswers, link.TCPAll}[r.IntN(4)],
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
		f.Ports = append(f.Ports, link.PortRange{First: first, Last: last})
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
func pick(r *rand.Rand, f *link.Filter, v4 bool) netip.Addr {
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

// RandomFrame returns a frame that f might want, with some of everything that it should not.
func RandomFrame(r *rand.Rand, f *link.Filter, ether bool) []byte {
	v4 := r.IntN(2) == 0
	s := Spec{
		Src: randomAddr(r, v4).Unmap(), Dst: pick(r, f, v4), Port: uint16(r.IntN(1 << 16)),
		Flags: byte(r.IntN(64)), Kind: byte(r.IntN(14)), Pad: r.IntN(3) * 13,
	}
	s.Proto = []byte{ProtoTCP, ProtoTCP, ProtoUDP, ProtoUDP, ProtoICMP4, ProtoICMP6, byte(r.IntN(256))}[r.IntN(7)]
	if len(f.Ports) > 0 && r.IntN(6) > 0 {
		p := f.Ports[r.IntN(len(f.Ports))]
		s.Port = p.First + uint16(r.IntN(int(p.Last-p.First)+1))
	}
	if r.IntN(2) == 0 {
		s.Flags = []byte{0x12, 0x04, 0x14, 0x52, 0x02, 0x10, 0x11}[r.IntN(7)]
	}
	if r.IntN(4) == 0 {
		s.Kind = 129
	}
	switch r.IntN(4) {
	case 0:
		s.Quoted = pick(r, f, v4)
	case 1, 2:
		s.Quoted = s.Dst
	}
	if r.IntN(4) == 0 {
		s.Options = r.IntN(11)
	}
	if r.IntN(3) == 0 {
		for range r.IntN(6) {
			s.Ext = append(s.Ext, []byte{ExtHopByHop, ExtRouting, ExtOptions, ExtFragment}[r.IntN(4)])
		}
	}
	if r.IntN(4) == 0 {
		s.Fragment = []uint16{0x2000, 0x4000, 0x0001, 0x0008, 0x00b9, 0x0007}[r.IntN(6)]
	}
	for range []int{0, 0, 0, 0, 0, 1, 1, 2, 2, 3}[r.IntN(10)] {
		s.Tags = append(s.Tags, []uint16{TypeVLAN, TypeQinQ}[r.IntN(2)])
	}
	return spoil(r, s.Frame(ether))
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

// addr4 and addr6 make addresses of numbers.
func addr4(v uint32) netip.Addr {
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, v)))
}

func addr6(hi, lo uint64) netip.Addr {
	return netip.AddrFrom16([16]byte(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, hi), lo)))
}

package packet

import (
	"bytes"
	"net/netip"
	"testing"
)

// Patching a template must give, byte for byte, the packet that is built from scratch.

func TestPatchIPv4(t *testing.T) {
	r := testRand(t)
	for range 5000 {
		f := IPv4Fields{TOS: uint8(r.Uint32()), TotalLen: r.IntN(1500), ID: u16(r), TTL: uint8(r.Uint32()), Proto: ProtoTCP, Src: randAddr4(r), Dst: randAddr4(r)}
		got := f.Encode(make([]byte, IPv4Len))
		base := got.BaseSum()
		for range 3 { // a slot is patched again and again, over its last use
			f.ID, f.Dst = u16(r), randAddr4(r)
			if r.IntN(8) == 0 {
				f.ID = 0xffff
				f.Dst = netip.AddrFrom4([4]byte{0xff, 0xff, 0xff, 0xff})
			}
			got.Patch(base, f.ID, f.Dst)
			if want := f.Encode(make([]byte, IPv4Len)); !bytes.Equal(got, want) {
				t.Fatalf("%+v:\n got %x\nwant %x", f, []byte(got), []byte(want))
			}
			if !got.ChecksumOK() || slowSum(got, 0) != 0xffff {
				t.Fatalf("%+v: checksum of %x is wrong", f, []byte(got))
			}
		}
	}
}

func TestPatchIPv4WithOptions(t *testing.T) {
	r := testRand(t)
	for range 500 {
		b := IPv4(randBytes(r, 60))
		b[0] = 4<<4 | byte(5+r.IntN(11))
		base := b.BaseSum()
		b.Patch(base, u16(r), randAddr4(r))
		if !b.ChecksumOK() || slowSum(b[:b.HeaderLen()], 0) != 0xffff {
			t.Fatalf("checksum of %x is wrong", []byte(b))
		}
	}
}

func TestPatchTCP(t *testing.T) {
	r := testRand(t)
	for i := range 4000 {
		e := randEnds(r, i%2 == 1)
		f := TCPFields{Flags: SYN, Window: 65535, Urgent: u16(r), Options: randBytes(r, 4*r.IntN(11))}
		n := f.Len() + r.IntN(9) // with a payload, also of odd length
		payload := randBytes(r, n-f.Len())
		got := f.Encode(make([]byte, n))
		copy(got[f.Len():], payload)
		base := got.BaseSum(PseudoHeader(e.src, netip.Addr{}, ProtoTCP, n))
		for range 3 {
			f.SrcPort, f.DstPort, f.Seq, f.Ack = u16(r), u16(r), r.Uint32(), r.Uint32()
			got.SetAck(f.Ack)
			got.Patch(base.AddAddr(e.dst).Add32(f.Ack), f.SrcPort, f.DstPort, f.Seq)
			want := f.Encode(make([]byte, n))
			copy(want[f.Len():], payload)
			want.FillChecksum(PseudoHeader(e.src, e.dst, ProtoTCP, n))
			if !bytes.Equal(got, want) || !got.ChecksumOK(PseudoHeader(e.src, e.dst, ProtoTCP, n)) {
				t.Fatalf("%+v %v to %v:\n got %x\nwant %x", f, e.src, e.dst, []byte(got), []byte(want))
			}
		}
	}
}

func TestPatchUDP(t *testing.T) {
	r := testRand(t)
	for i := range 4000 {
		e := randEnds(r, i%2 == 1)
		n := UDPLen + r.IntN(40)
		pseudo := PseudoHeader(e.src, e.dst, ProtoUDP, n)
		f := UDPFields{Length: n}
		got := f.Encode(randBytes(r, n))
		base := got.BaseSum(PseudoHeader(e.src, netip.Addr{}, ProtoUDP, n))
		f.SrcPort, f.DstPort = u16(r), u16(r)
		got.Patch(base.AddAddr(e.dst), f.SrcPort, f.DstPort)
		want := f.Encode(bytes.Clone(got))
		want.FillChecksum(pseudo)
		if !bytes.Equal(got, want) || got.Checksum() == 0 || Checksum(got, pseudo) != 0 {
			t.Fatalf("%+v %v to %v:\n got %x\nwant %x", f, e.src, e.dst, []byte(got), []byte(want))
		}
	}
}

// A UDP checksum that comes out as 0 must be sent as 0xffff: 0 says that there is none (RFC 768).
func TestUDPChecksumIsNeverZero(t *testing.T) {
	f := UDPFields{SrcPort: 1, DstPort: 2, Length: 8}
	b := f.Encode(make([]byte, 8))
	b.FillChecksum(0)
	src := f.SrcPort + b.Checksum() // now the words sum to 0xffff, their checksum to 0
	b.Patch(b.BaseSum(0), src, f.DstPort)
	if b.Checksum() != 0xffff || !b.ChecksumOK(0) {
		t.Errorf("Patch: got checksum %#04x, want 0xffff", b.Checksum())
	}
	b.FillChecksum(0)
	if b.Checksum() != 0xffff {
		t.Errorf("FillChecksum: got checksum %#04x, want 0xffff", b.Checksum())
	}
	b.SetChecksum(0x1234)
	if b.ChecksumOK(0) {
		t.Error("ChecksumOK accepts a wrong checksum")
	}
	b.SetChecksum(0)
	if !b.ChecksumOK(0) {
		t.Error("ChecksumOK refuses a datagram without a checksum")
	}
}

func TestPatchICMP(t *testing.T) {
	r := testRand(t)
	for i := range 4000 {
		v6 := i%2 == 1
		e := randEnds(r, v6)
		n := ICMPLen + r.IntN(1400)
		f := ICMPFields{Type: ICMPv4Echo}
		var base, full Sum
		if v6 {
			f.Type = ICMPv6Echo
			base = PseudoHeader(e.src, netip.Addr{}, ProtoICMPv6, n)
			full = PseudoHeader(e.src, e.dst, ProtoICMPv6, n)
		}
		got := f.Encode(randBytes(r, n))
		sum := got.BaseSum(base)
		if v6 {
			sum = sum.AddAddr(e.dst)
		}
		f.Ident, f.Seq = u16(r), u16(r)
		got.Patch(sum, f.Ident, f.Seq)
		want := f.Encode(bytes.Clone(got))
		want.FillChecksum(full)
		if !bytes.Equal(got, want) || !got.ChecksumOK(full) || got.Ident() != f.Ident || got.Seq() != f.Seq {
			t.Fatalf("%+v %v to %v:\n got %x\nwant %x", f, e.src, e.dst, []byte(got), []byte(want))
		}
	}
}

func TestSetters(t *testing.T) {
	a, c := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("198.51.100.7")
	ip := IPv4Fields{Src: c, Dst: a}.Encode(make([]byte, IPv4Len))
	ip.SetSrc(a)
	ip.SetDst(c)
	ip.SetTTL(64)
	ip.SetTotalLen(40)
	ip.SetID(9)
	ip.FillChecksum()
	want := IPv4Fields{TotalLen: 40, ID: 9, TTL: 64, Src: a, Dst: c}.Encode(make([]byte, IPv4Len))
	if !bytes.Equal(ip, want) {
		t.Errorf("ipv4: got %x, want %x", []byte(ip), []byte(want))
	}
	a6, c6 := netip.MustParseAddr("2001:db8::1%eth0"), netip.MustParseAddr("2001:db8::2")
	ip6 := IPv6Fields{Src: c6, Dst: c6}.Encode(make([]byte, IPv6Len))
	ip6.SetSrc(a6)
	ip6.SetPayloadLen(7)
	ip6.SetHopLimit(3)
	want6 := IPv6Fields{PayloadLen: 7, HopLimit: 3, Src: a6.WithZone(""), Dst: c6}.Encode(make([]byte, IPv6Len))
	if !bytes.Equal(ip6, want6) {
		t.Errorf("ipv6: got %x, want %x", []byte(ip6), []byte(want6))
	}
	tcp := TCPFields{}.Encode(make([]byte, TCPLen))
	tcp.SetSrcPort(1)
	tcp.SetDstPort(2)
	tcp.SetSeq(3)
	tcp.SetAck(4)
	tcp.SetFlags(SYN | ACK)
	tcp.SetWindow(5)
	wantTCP := TCPFields{SrcPort: 1, DstPort: 2, Seq: 3, Ack: 4, Flags: SYN | ACK, Window: 5}.Encode(make([]byte, TCPLen))
	if !bytes.Equal(tcp, wantTCP) {
		t.Errorf("tcp: got %x, want %x", []byte(tcp), []byte(wantTCP))
	}
	udp := UDPFields{}.Encode(make([]byte, UDPLen))
	udp.SetSrcPort(1)
	udp.SetDstPort(2)
	udp.SetLength(3)
	if want := (UDPFields{SrcPort: 1, DstPort: 2, Length: 3}).Encode(make([]byte, UDPLen)); !bytes.Equal(udp, want) {
		t.Errorf("udp: got %x, want %x", []byte(udp), []byte(want))
	}
	icmp := ICMPFields{Type: 8}.Encode(make([]byte, ICMPLen))
	icmp.SetIdent(1)
	icmp.SetSeq(2)
	if want := (ICMPFields{Type: 8, Ident: 1, Seq: 2}).Encode(make([]byte, ICMPLen)); !bytes.Equal(icmp, want) {
		t.Errorf("icmp: got %x, want %x", []byte(icmp), []byte(want))
	}
}

func TestPatchDoesNotAllocate(t *testing.T) {
	frame := make([]byte, 66)
	src, dst := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("8.8.8.8")
	ip := IPv4Fields{TotalLen: 52, TTL: 255, Proto: ProtoTCP, Src: src, Dst: dst}.Encode(frame[EthernetLen:])
	tcp := TCPFields{Flags: SYN}.Encode(frame[EthernetLen+IPv4Len:])
	ipBase, tcpBase := ip.BaseSum(), tcp.BaseSum(PseudoHeader(src, netip.Addr{}, ProtoTCP, 32))
	if n := testing.AllocsPerRun(100, func() {
		ip.Patch(ipBase, 7, dst)
		tcp.Patch(tcpBase.AddAddr(dst), 1, 2, 3)
		UDP(tcp).Patch(tcpBase, 1, 2)
		ICMP(tcp).Patch(tcpBase, 1, 2)
	}); n != 0 {
		t.Errorf("patching allocates %v times, want 0", n)
	}
}

func BenchmarkPatch(b *testing.B) {
	src, dst := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("8.8.8.8")
	b.Run("syn-ipv4", func(b *testing.B) {
		frame := make([]byte, 66)
		ip := IPv4Fields{TotalLen: 52, TTL: 255, Proto: ProtoTCP, Src: src, Dst: dst}.Encode(frame[EthernetLen:])
		tcp := TCPFields{Flags: SYN, Options: make([]byte, 12)}.Encode(frame[EthernetLen+IPv4Len:])
		ipBase, tcpBase := ip.BaseSum(), tcp.BaseSum(PseudoHeader(src, netip.Addr{}, ProtoTCP, 32))
		b.ReportAllocs()
		var i uint32
		for b.Loop() {
			i++
			ip.Patch(ipBase, uint16(i), dst)
			tcp.Patch(tcpBase.AddAddr(dst), uint16(i), 80, i)
		}
	})
	b.Run("echo-ipv4", func(b *testing.B) {
		frame := make([]byte, 62)
		ip := IPv4Fields{TotalLen: 48, TTL: 255, Proto: ProtoICMP, Src: src, Dst: dst}.Encode(frame[EthernetLen:])
		icmp := ICMPFields{Type: ICMPv4Echo}.Encode(frame[EthernetLen+IPv4Len:])
		ipBase, icmpBase := ip.BaseSum(), icmp.BaseSum(0)
		b.ReportAllocs()
		var i uint16
		for b.Loop() {
			i++
			ip.Patch(ipBase, i, dst)
			icmp.Patch(icmpBase, i, i)
		}
	})
}

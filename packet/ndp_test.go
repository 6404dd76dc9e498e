package packet

import (
	"bytes"
	"net"
	"net/netip"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// TestNeighborSolicit reads a solicitation with another library.
func TestNeighborSolicit(t *testing.T) {
	s := NeighborSolicit{SenderMAC: MAC{2, 0, 0, 1, 2, 3}, SenderIP: netip.MustParseAddr("fe80::5"), TargetIP: netip.MustParseAddr("2001:db8::12:3456")}
	b := make([]byte, 128)
	n := s.EncodeFrame(b)
	g := gopacket.NewPacket(b[:n], layers.LayerTypeEthernet, gopacket.Default)
	ip, ns := g.NetworkLayer().(*layers.IPv6), g.Layer(layers.LayerTypeICMPv6NeighborSolicitation).(*layers.ICMPv6NeighborSolicitation)
	eth := g.LinkLayer().(*layers.Ethernet)
	if g.ErrorLayer() != nil || ip.DstIP.String() != "ff02::1:ff12:3456" || ip.HopLimit != 255 || eth.DstMAC.String() != "33:33:ff:12:34:56" {
		t.Errorf("error %v, header %+v, %+v", g.ErrorLayer(), ip, eth)
	}
	if ns.TargetAddress.String() != "2001:db8::12:3456" || len(ns.Options) != 1 || ns.Options[0].Type != layers.ICMPv6OptSourceAddress || !bytes.Equal(ns.Options[0].Data, s.SenderMAC[:]) {
		t.Errorf("solicitation %+v", ns)
	}
	if !ICMP(b[EthernetLen+IPv6Len : n]).ChecksumOK(PseudoHeader(s.SenderIP, netip.MustParseAddr("ff02::1:ff12:3456"), ProtoICMPv6, n-EthernetLen-IPv6Len)) {
		t.Error("the checksum is wrong")
	}
}

// advert makes an advertisement with another library.
func advert(t testing.TB, flags uint8, hops uint8, options layers.ICMPv6Options) []byte {
	t.Helper()
	eth := &layers.Ethernet{SrcMAC: net.HardwareAddr{2, 0, 0, 9, 9, 9}, DstMAC: net.HardwareAddr{2, 0, 0, 1, 2, 3}, EthernetType: layers.EthernetTypeIPv6}
	ip := &layers.IPv6{Version: 6, NextHeader: layers.IPProtocolICMPv6, HopLimit: hops, SrcIP: net.ParseIP("fe80::9"), DstIP: net.ParseIP("fe80::5")}
	icmp := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(layers.ICMPv6TypeNeighborAdvertisement, 0)}
	if err := icmp.SetNetworkLayerForChecksum(ip); err != nil {
		t.Fatal(err)
	}
	na := &layers.ICMPv6NeighborAdvertisement{Flags: flags, TargetAddress: net.ParseIP("2001:db8::12:3456"), Options: options}
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, eth, ip, icmp, na); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestParseNeighborAdvert(t *testing.T) {
	link := layers.ICMPv6Options{{Type: layers.ICMPv6OptTargetAddress, Data: []byte{2, 0, 0, 7, 7, 7}}}
	a, ok := ParseNeighborAdvert(advert(t, 0x60, 255, link))
	want := NeighborAdvert{
		Dst: netip.MustParseAddr("fe80::5"), DstMAC: MAC{2, 0, 0, 1, 2, 3}, TargetIP: netip.MustParseAddr("2001:db8::12:3456"), TargetMAC: MAC{2, 0, 0, 7, 7, 7}, Solicited: true,
	}
	if !ok || a != want {
		t.Errorf("got %+v, %v, want %+v", a, ok, want)
	}
	if a, ok = ParseNeighborAdvert(advert(t, 0x20, 255, nil)); !ok || a.Solicited || a.TargetMAC != (MAC{2, 0, 0, 9, 9, 9}) {
		t.Errorf("without option: %+v, %v", a, ok)
	}
	if _, ok = ParseNeighborAdvert(advert(t, 0x60, 64, link)); ok {
		t.Error("one from behind a router was believed")
	}
	frame := advert(t, 0x60, 255, link)
	for i := range len(frame) {
		if _, ok := ParseNeighborAdvert(frame[:i]); ok {
			t.Errorf("the first %d bytes were believed", i)
		}
		if i < EthernetLen {
			continue
		}
		bad := bytes.Clone(frame)
		bad[i] ^= 0x10
		if _, ok := ParseNeighborAdvert(bad); ok && i != EthernetLen && i != EthernetLen+1 && i != EthernetLen+2 && i != EthernetLen+3 {
			t.Errorf("a flipped bit in byte %d was believed", i)
		}
	}
}

func FuzzParseNeighborAdvert(f *testing.F) {
	f.Add(advert(f, 0x60, 255, layers.ICMPv6Options{{Type: layers.ICMPv6OptTargetAddress, Data: []byte{2, 0, 0, 7, 7, 7}}}))
	f.Fuzz(func(t *testing.T, frame []byte) {
		if a, ok := ParseNeighborAdvert(frame); ok && !a.TargetIP.Is6() {
			t.Errorf("%+v of %x", a, frame)
		}
	})
}

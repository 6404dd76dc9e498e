package packet

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

func gopacketARP(t testing.TB, dst MAC, f ARPFields) []byte {
	t.Helper()
	return serialize(t,
		&layers.Ethernet{SrcMAC: f.SenderMAC[:], DstMAC: dst[:], EthernetType: layers.EthernetTypeARP},
		&layers.ARP{
			AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6, ProtAddressSize: 4,
			Operation: uint16(f.Op), SourceHwAddress: f.SenderMAC[:], SourceProtAddress: f.SenderIP.AsSlice(),
			DstHwAddress: f.TargetMAC[:], DstProtAddress: f.TargetIP.AsSlice(),
		})
}

func TestARPAgainstGopacket(t *testing.T) {
	r := testRand(t)
	for range 500 {
		ask := ARPFields{Op: ARPRequest, SenderMAC: MAC(randBytes(r, 6)), SenderIP: randAddr4(r), TargetIP: randAddr4(r)}
		frame := make([]byte, ARPFrameLen)
		n := ask.EncodeFrame(frame)
		if want := gopacketARP(t, BroadcastMAC(), ask)[:ARPFrameLen]; !bytes.Equal(frame[:n], want) {
			t.Fatalf("request %+v:\n got %x\nwant %x", ask, frame[:n], want)
		}
		got, ok := ParseARP(append(frame, make([]byte, 18)...)) // padded to 60 bytes, as it arrives
		if !ok {
			t.Fatalf("ParseARP refuses %x", frame)
		}
		owner := MAC(randBytes(r, 6))
		answer := got.Reply(owner)
		want := ARPFields{Op: ARPReply, SenderMAC: owner, SenderIP: ask.TargetIP, TargetMAC: ask.SenderMAC, TargetIP: ask.SenderIP}
		if diff := cmp.Diff(want, answer, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
			t.Fatalf("reply to %+v (-want +got):\n%s", ask, diff)
		}
		n = answer.EncodeFrame(frame)
		if want := gopacketARP(t, ask.SenderMAC, answer)[:ARPFrameLen]; !bytes.Equal(frame[:n], want) {
			t.Fatalf("reply %+v:\n got %x\nwant %x", answer, frame[:n], want)
		}
	}
}

func FuzzARP(f *testing.F) {
	seed := ARPFields{Op: ARPReply, SenderMAC: MAC{2, 1}, SenderIP: netip.MustParseAddr("192.0.2.1"), TargetIP: netip.MustParseAddr("192.0.2.2")}
	frame := make([]byte, 60)
	seed.EncodeFrame(frame)
	f.Add(frame)
	f.Add(frame[:ARPFrameLen])
	f.Add(frame[:ARPFrameLen-1])
	wrong := bytes.Clone(frame)
	wrong[19] = 16
	f.Add(wrong)
	f.Fuzz(func(t *testing.T, frame []byte) {
		got, ok := ParseARP(frame)
		pkt := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.NoCopy)
		ref, _ := pkt.Layer(layers.LayerTypeARP).(*layers.ARP)
		want := ref != nil && len(pkt.Layers()) > 1 && pkt.Layers()[1] == gopacket.Layer(ref) &&
			ref.AddrType == 1 && ref.Protocol == 0x0800 && ref.HwAddressSize == 6 && ref.ProtAddressSize == 4
		if ok != want {
			t.Fatalf("ParseARP(%x): got %v, want %v", frame, ok, want)
		}
		if !ok {
			return
		}
		if !inside(got, frame) || len(got) != ARPLen {
			t.Fatalf("ParseARP(%x): %x is not in it", frame, []byte(got))
		}
		fields := ARPFields{Op: got.Op(), SenderMAC: got.SenderMAC(), SenderIP: got.SenderIP(), TargetMAC: got.TargetMAC(), TargetIP: got.TargetIP()}
		again := fields.Encode(make([]byte, ARPLen))
		if !bytes.Equal(again, got) {
			t.Fatalf("encoding what was parsed: got %x, want %x", []byte(again), []byte(got))
		}
		if uint16(got.Op()) != ref.Operation || !bytes.Equal(fields.SenderIP.AsSlice(), ref.SourceProtAddress) ||
			!bytes.Equal(fields.SenderMAC[:], ref.SourceHwAddress) || !bytes.Equal(fields.TargetMAC[:], ref.DstHwAddress) ||
			!bytes.Equal(fields.TargetIP.AsSlice(), ref.DstProtAddress) {
			t.Fatalf("ParseARP(%x): got %+v, want %+v", frame, fields, ref)
		}
	})
}

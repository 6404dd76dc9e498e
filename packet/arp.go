package packet

import (
	"encoding/binary"
	"net/netip"
)

// ARPLen is the length of an ARP packet for IPv4 over Ethernet, in bytes.
const ARPLen = 28

// ARPFrameLen is the length of an Ethernet frame with an ARP packet, before the driver pads it to 60 bytes.
const ARPFrameLen = EthernetLen + ARPLen

// An ARPOp is what an ARP packet does.
type ARPOp uint16

// The ARP operations.
const (
	ARPRequest ARPOp = 1
	ARPReply   ARPOp = 2
)

// ARP is an ARP packet for IPv4 over Ethernet (RFC 826):
//
//	0      2      4   5   6    8            14          18           24          28
//	+------+------+---+---+----+------------+-----------+------------+-----------+
//	|hw  1 |0x0800| 6 | 4 | op | sender MAC | sender IP | target MAC | target IP |
//	+------+------+---+---+----+------------+-----------+------------+-----------+
type ARP []byte

// ParseARP returns the ARP packet that an untagged Ethernet frame carries, and false if it carries none, or one that is
// cut short or not about IPv4 over Ethernet.
func ParseARP(frame []byte) (ARP, bool) {
	if len(frame) < ARPFrameLen || Ethernet(frame).Type() != EtherTypeARP {
		return nil, false
	}
	b := frame[EthernetLen:ARPFrameLen:ARPFrameLen]
	if binary.BigEndian.Uint64(b)>>16 != arpPrefix {
		return nil, false
	}
	return ARP(b), true
}

// arpPrefix is the first six bytes of every ARP packet for IPv4 over Ethernet: hardware, protocol, and their lengths.
const arpPrefix = 0x0001_0800_06_04

// Op returns the operation.
func (b ARP) Op() ARPOp { return ARPOp(binary.BigEndian.Uint16(b[6:8])) }

// SenderMAC returns the sender's hardware address.
func (b ARP) SenderMAC() MAC { return MAC(b[8:14]) }

// SenderIP returns the sender's IPv4 address.
func (b ARP) SenderIP() netip.Addr { return netip.AddrFrom4([4]byte(b[14:18])) }

// TargetMAC returns the target's hardware address; in a request it means nothing.
func (b ARP) TargetMAC() MAC { return MAC(b[18:24]) }

// TargetIP returns the target's IPv4 address.
func (b ARP) TargetIP() netip.Addr { return netip.AddrFrom4([4]byte(b[24:28])) }

// Reply returns the answer to the request b: that its target IP is at m.
func (b ARP) Reply(m MAC) ARPFields {
	return ARPFields{
		Op:        ARPReply,
		SenderMAC: m, SenderIP: b.TargetIP(),
		TargetMAC: b.SenderMAC(), TargetIP: b.SenderIP(),
	}
}

// ARPFields is an ARP packet to be written. The addresses must be IPv4. In a request TargetMAC is left zero.
type ARPFields struct {
	Op        ARPOp
	SenderMAC MAC
	SenderIP  netip.Addr
	TargetMAC MAC
	TargetIP  netip.Addr
}

// Encode writes the packet to the first 28 bytes of b, panics if there are fewer, and returns them as a view.
func (f ARPFields) Encode(b []byte) ARP {
	h := ARP(b[:ARPLen])
	binary.BigEndian.PutUint64(h[0:8], arpPrefix<<16|uint64(f.Op))
	*(*MAC)(h[8:14]) = f.SenderMAC
	*(*[4]byte)(h[14:18]) = f.SenderIP.As4()
	*(*MAC)(h[18:24]) = f.TargetMAC
	*(*[4]byte)(h[24:28]) = f.TargetIP.As4()
	return h
}

// EncodeFrame writes an Ethernet frame with the packet to the first 42 bytes of b, panics if there are fewer, and returns
// its length. It goes from SenderMAC to TargetMAC, or to everyone if that is zero.
func (f ARPFields) EncodeFrame(b []byte) int {
	dst := f.TargetMAC
	if dst.IsZero() {
		dst = BroadcastMAC()
	}
	f.Encode(b[EthernetLen:])
	EthernetFields{Dst: dst, Src: f.SenderMAC, Type: EtherTypeARP}.Encode(b)
	return ARPFrameLen
}

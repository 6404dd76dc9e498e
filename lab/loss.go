package lab

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
)

// A Loss is the share of the IPv4 packets on the cable that get lost on either way; the zero Loss loses none. ARP is spared,
// and so are frames that [Net.LinkDown] keeps from leaving.
//
// The nth packet of a kind has the same fate in every run with the same seed, whatever else is on the cable. Packets are of the
// same kind if they go the same way, to or from the same address and port of the Internet, by the same protocol, and have the
// same TCP flags or ICMP type: the fate of the second SYN to a port depends neither on its source port nor on when it comes.
// The last 2^18 kinds are remembered; of others the next packet counts as the first again. What a kernel sends as one large
// segment is one packet.
//
// Lost packets are gone for captures and for all counts of the Internet's end but Stats.Loss, and those who sent them do not
// know. It takes the right to load BPF programs: see [MayLoad].
type Loss struct {
	In, Out float64 // shares of what comes from the scanner and of what goes to it, 0 to 1
	Seed    uint64
}

// LossStats count the packets that World.Loss was asked about. A way that loses nothing is not counted.
type LossStats struct {
	In, InLost   uint64 // from the scanner, and how many of them were lost
	Out, OutLost uint64 // to the scanner, and how many of them were lost
}

func (l Loss) validate() error {
	var errs []error
	for way, share := range map[string]float64{"in": l.In, "out": l.Out} {
		if math.IsNaN(share) || share < 0 || share > 1 {
			errs = append(errs, fmt.Errorf("world: loss: share %v of what goes %s is not from 0 to 1", share, way))
		}
	}
	return errors.Join(errs...)
}

// any says whether there is something to lose.
func (l Loss) any() bool { return l.In > 0 || l.Out > 0 }

// A packetKind is what packets with one sequence of fates have in common.
type packetKind struct {
	out    bool // to the scanner
	host   netip.Addr
	port   uint16
	proto  uint8
	detail uint8 // flags of TCP, type of ICMP
}

// loses says whether the nth packet of a kind gets lost, counted from 0. It is lost of bpf/loss.h.
func (l Loss) loses(k packetKind, n uint32) bool {
	share, direction := l.In, uint64(0)
	if k.out {
		share, direction = l.Out, 1
	}
	word := uint64(toUint(k.host))<<32 | uint64(k.port)<<16 | uint64(k.proto)<<8 | uint64(k.detail)
	kind := mix64(mix64(word) + direction)
	return mix64(kind+mix64(mix64(l.Seed)+uint64(n)))>>32 < shareOf(share)
}

// mix64 is the function of the same name in bpf/loss.h: the finalizer of SplitMix64 (Steele, Lea, Flood, "Fast Splittable
// Pseudorandom Number Generators", 2014).
func mix64(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// shareOf is a share in 2^32nds.
func shareOf(share float64) uint64 { return uint64(share * (1 << 32)) }

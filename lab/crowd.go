package lab

import (
	"fmt"
	"math"
	"net/netip"
)

// A Crowd is a network of hosts that a BPF program plays at the speed of the link: Share of its addresses answer a SYN to
// any port with a SYN-ACK, the others nothing. It hears nothing but TCP, and drops what is no SYN.
//
// A crowd makes the Internet's end of the link take frames that are sent past the kernel's stack, also with a Share of 0.
//
// A crowd that has a Reply talks: it answers every segment with at least 16 bytes of data by the reply, whatever they say, acknowledges
// others, and ends connections. It keeps no state: what a host knows stands in the segment that it answers. Loss is not asked about
// such a crowd's answers.
//
// It may be any network, also all of 0.0.0.0/0: the Internet's kernel, which would refuse some addresses, sees nothing of it. The
// scanner's does, and drops answers of those without a word.
type Crowd struct {
	Prefix netip.Prefix
	Share  float64 // 0 to 1
	// IPv6 has every SYN of IPv6 counted among those to the crowd, and dropped: for measuring how fast they come.
	IPv6 bool
	// Stamps is how many SYNs get a time stamp, in the driver: see Net.Arrivals. Capture would cost more than the SYNs do.
	Stamps int
	// Reply is what hosts say when somebody says something: at most 1448 bytes, one segment. Empty means that they say nothing.
	Reply []byte
	// HangUp says that they close the connection behind the reply.
	HangUp bool
}

// maxReply is MAX_REPLY of bpf/crowd.c: what fits into a segment beside options.
const maxReply = 1448

// CrowdStats count what the program saw and did.
type CrowdStats struct {
	SYNs     uint64 // to addresses of the crowd
	Answered uint64 // SYN-ACKs to them
	Refused  uint64 // of what the Internet's end sent, SYN-ACKs most of all, what the cable had no room for
	Resets   uint64 // segments with RST to the crowd
	Others   uint64 // other segments to it
}

func (c *Crowd) validate() error {
	switch {
	case !c.Prefix.IsValid() || !c.Prefix.Addr().Is4() || c.Prefix != c.Prefix.Masked():
		return fmt.Errorf("world: crowd: %v is no IPv4 network", c.Prefix)
	case math.IsNaN(c.Share) || c.Share < 0 || c.Share > 1:
		return fmt.Errorf("world: crowd: share %v is not from 0 to 1", c.Share)
	case len(c.Reply) > maxReply:
		return fmt.Errorf("world: crowd: a reply of %d bytes: must be at most %d", len(c.Reply), maxReply)
	case c.Stamps < 0 || c.Stamps > maxTimes:
		return fmt.Errorf("world: crowd: %d time stamps: must be 0 to %d", c.Stamps, maxTimes)
	}
	return nil
}

// Has says whether addr is a host of the crowd. It follows from the address, so it is the same in every run.
func (c *Crowd) Has(addr netip.Addr) bool {
	return c.Prefix.Contains(addr) && uint64(mix(toUint(addr))) < shareOf(c.Share)
}

// mix is the function of the same name in bpf/crowd.c: the finalizer of MurmurHash3 (Austin Appleby, public domain).
func mix(x uint32) uint32 {
	x ^= x >> 16
	x *= 0x85ebca6b
	x ^= x >> 13
	x *= 0xc2b2ae35
	return x ^ x>>16
}

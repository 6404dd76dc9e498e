package lab

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"
)

// A Flood is a burst of forged answers to probes that may or may not have been sent, from the Internet to the scanner. None
// of them carries what a scanner's keyed tag would have put there: acknowledgement numbers, echo identifiers and quoted
// sequence numbers are random, so that one in 2^32 would be right by chance.
type Flood struct {
	// Frames is how many to send.
	Frames int
	// Answers are the kinds to send in turn: SYNACK, RST, EchoReply, Reply (an empty UDP datagram) or Unreachable (an ICMP
	// error of type 3 or 11 that quotes a made-up SYN). Nil means SYNACK, RST, EchoReply and Unreachable.
	Answers []Answer
	// From contains the addresses that the answers claim to come from, drawn at random.
	From netip.Prefix
	// Port is the port that the scanner probes, and FirstSource to LastSource are the ports it probes from.
	Port                    uint16
	FirstSource, LastSource uint16
	// Right is the share of frames (0 to 1) with these very ports, right in all but the tag. The others have random ports.
	Right float64
	// Rate is the number of frames a second; 0 means as fast as possible.
	Rate int
	// Seed makes the frames reproducible.
	Seed uint64
}

// A Flooded tells what a Flood has sent.
type Flooded struct {
	// Sent is the number of frames that the kernel took, Refused of those that it did not.
	Sent, Refused uint64
	// Right is how many of all had the right ports.
	Right uint64
	// By counts all frames by kind.
	By map[Answer]uint64
	// Elapsed is how long it took.
	Elapsed time.Duration
}

func (f Flood) validate() error {
	for _, a := range f.Answers {
		switch a {
		case SYNACK, RST, EchoReply, Reply, Unreachable:
		default:
			return fmt.Errorf("flood: %v cannot be forged", a)
		}
	}
	switch {
	case f.Frames < 0 || f.Rate < 0:
		return errors.New("flood: a negative number of frames")
	case !f.From.IsValid() || !f.From.Addr().Is4():
		return errors.New("flood: From is not an IPv4 prefix")
	case f.Right < 0 || f.Right > 1:
		return fmt.Errorf("flood: share %v of right ports: must be 0 to 1", f.Right)
	case f.Right > 0 && (f.Port == 0 || f.FirstSource == 0 || f.FirstSource > f.LastSource):
		return fmt.Errorf("flood: port %d and source ports %d to %d: must be given, in ascending order", f.Port, f.FirstSource, f.LastSource)
	}
	return nil
}

// A forger makes the frames of a Flood, one after the other.
type forger struct {
	flood  Flood
	kinds  []Answer
	link   Link
	from   span
	random *rand.Rand
	made   int
	done   Flooded
}

func newForger(f Flood, l Link) *forger {
	kinds := f.Answers
	if len(kinds) == 0 {
		kinds = []Answer{SYNACK, RST, EchoReply, Unreachable}
	}
	return &forger{
		flood: f, kinds: kinds, link: l, from: prefixSpan(f.From.Masked()),
		random: rand.New(rand.NewPCG(f.Seed, 0x5eed)),
		done:   Flooded{By: make(map[Answer]uint64)},
	}
}

// appendNext appends the next frame.
func (f *forger) appendNext(b []byte) []byte {
	kind := f.kinds[f.made%len(f.kinds)]
	f.made++
	f.done.By[kind]++
	host := f.address()
	port, source := f.ports()
	p := path{fromMAC: mac(f.link.GatewayMAC), toMAC: mac(f.link.ScannerMAC), src: host, dst: toUint(f.link.Scanner)}
	s := segment{sport: port, dport: source, seq: f.random.Uint32(), ack: f.random.Uint32()}
	switch kind {
	case SYNACK:
		s.flags = flagSYN | flagACK
		return appendTCP(b, p, s)
	case RST:
		s.flags = flagRST | flagACK
		return appendTCP(b, p, s)
	case EchoReply:
		m := message{typ: icmpEchoReply, id: uint16(f.random.Uint32()), seq: uint16(f.random.Uint32())}
		return appendICMP(b, p, m, make([]byte, 20))
	case Reply:
		return appendUDP(b, p, port, source, nil)
	default:
		return f.appendUnreachable(b, p, s)
	}
}

// appendUnreachable appends an ICMP error from some router about a SYN to p.src.
func (f *forger) appendUnreachable(b []byte, p path, s segment) []byte {
	s.sport, s.dport, s.flags, s.ack = s.dport, s.sport, flagSYN, 0
	quoted := appendTCP(nil, p.back(), s)[etherLen:]
	p.src = f.address()
	m := message{typ: icmpUnreachable, code: uint8(f.random.UintN(16))}
	if f.random.UintN(2) == 0 {
		m = message{typ: 11, code: 0}
	}
	return appendICMP(b, p, m, quoted)
}

// ports returns a port of the host and one of the scanner, right or random.
func (f *forger) ports() (port, source uint16) {
	if f.random.Float64() < f.flood.Right {
		f.done.Right++
		return f.flood.Port, f.flood.FirstSource + uint16(f.random.UintN(uint(f.flood.LastSource-f.flood.FirstSource)+1))
	}
	return uint16(1 + f.random.UintN(65535)), uint16(1 + f.random.UintN(65535))
}

func (f *forger) address() uint32 {
	return f.from.first + uint32(f.random.Uint64N(uint64(f.from.last-f.from.first)+1))
}

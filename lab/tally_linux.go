package lab

import (
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// A tallier counts packets with packet sockets that nobody reads: a socket's statistics count every frame that passes its
// filter, whether there was room for it or not (packet(7), PACKET_STATISTICS).
type tallier struct {
	mu      sync.Mutex // guards counts, and keeps two readers from resetting the same statistics
	sockets [tallies]int
	counts  [tallies]uint64
}

// A tallyRule describes frames: the direction, the protocol, and bits of one transport byte.
type tallyRule struct {
	direction  uint32 // PACKET_HOST or PACKET_OUTGOING
	proto      uint32
	at         uint32 // offset in the transport header
	mask, want uint32
}

// Indexes of the rules.
const (
	tallySYN = iota
	tallySYNACK
	tallyReset
	tallyPing
	tallyDatagram
	tallyKernelSYNACK
	tallyKernelRST
	tallyKernelEchoReply
	tallyKernelDatagram
	tallyKernelUnreachable
	tallies
)

// packetType is the offset at which a filter finds the direction of a packet: SKF_AD_OFF + SKF_AD_PKTTYPE (linux/filter.h).
const packetType = 0xfffff000 + 4

// tcpFlagsAt is the offset of the flags in a TCP header.
const tcpFlagsAt = 13

func tallyRules() [tallies]tallyRule {
	const in, out = unix.PACKET_HOST, unix.PACKET_OUTGOING
	const connect = flagSYN | flagACK | flagRST
	return [tallies]tallyRule{
		tallySYN:               {in, protoTCP, tcpFlagsAt, connect, flagSYN},
		tallySYNACK:            {in, protoTCP, tcpFlagsAt, connect, flagSYN | flagACK},
		tallyReset:             {in, protoTCP, tcpFlagsAt, flagRST, flagRST},
		tallyPing:              {in, protoICMP, 0, 0xff, icmpEcho},
		tallyDatagram:          {in, protoUDP, 0, 0, 0},
		tallyKernelSYNACK:      {out, protoTCP, tcpFlagsAt, connect, flagSYN | flagACK},
		tallyKernelRST:         {out, protoTCP, tcpFlagsAt, flagRST, flagRST},
		tallyKernelEchoReply:   {out, protoICMP, 0, 0xff, icmpEchoReply},
		tallyKernelDatagram:    {out, protoUDP, 0, 0, 0},
		tallyKernelUnreachable: {out, protoICMP, 0, 0xff, icmpUnreachable},
	}
}

// filter returns the rule as a program.
func (r tallyRule) filter() []unix.SockFilter {
	const drop = 11 // index of the last instruction
	at := func(i uint8) uint8 { return drop - i - 1 }
	return []unix.SockFilter{
		load(unix.BPF_H, 12),
		jump(unix.BPF_JEQ, unix.ETH_P_IP, 0, at(1)),
		load(unix.BPF_W, packetType),
		jump(unix.BPF_JEQ, r.direction, 0, at(3)),
		load(unix.BPF_B, etherLen+9),
		jump(unix.BPF_JEQ, r.proto, 0, at(5)),
		{Code: unix.BPF_LDX | unix.BPF_B | unix.BPF_MSH, K: etherLen}, // X = length of the IP header
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_IND, K: etherLen + r.at},
		{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: r.mask},
		jump(unix.BPF_JEQ, r.want, 0, at(9)),
		verdict(1),
		verdict(0),
	}
}

// openTally begins to count on the interface with that index.
func openTally(index int) (*tallier, error) {
	t := new(tallier)
	for i, rule := range tallyRules() {
		fd, err := packetSocket(index, rule.filter(), func(fd int) error {
			return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 0) // the kernel's minimum
		})
		if err != nil {
			return nil, fmt.Errorf("count packets: %w", err)
		}
		t.sockets[i] = fd
	}
	return t, nil
}

// read returns the counts so far.
func (t *tallier) read() (Tally, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, fd := range t.sockets {
		st, err := unix.GetsockoptTpacketStats(fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
		if err != nil {
			return Tally{}, fmt.Errorf("read packet statistics: %w", err)
		}
		t.counts[i] += uint64(st.Packets) // drops included
	}
	c := &t.counts
	return Tally{
		SYNs: c[tallySYN], SYNACKs: c[tallySYNACK], Resets: c[tallyReset], Pings: c[tallyPing], Datagrams: c[tallyDatagram],
		Kernel: Replies{
			SYNACK: c[tallyKernelSYNACK], RST: c[tallyKernelRST], EchoReply: c[tallyKernelEchoReply],
			Reply: c[tallyKernelDatagram], Unreachable: c[tallyKernelUnreachable],
		},
	}, nil
}

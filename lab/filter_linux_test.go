package lab

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// run interprets a filter as the kernel does, for the instructions that the lab uses.
func run(t *testing.T, prog []unix.SockFilter, frame []byte, direction uint32) uint32 {
	t.Helper()
	var a, x uint32
	for pc := 0; pc < len(prog); pc++ {
		i := prog[pc]
		taken := false
		switch i.Code {
		case unix.BPF_LD | unix.BPF_ABS | unix.BPF_H, unix.BPF_LD | unix.BPF_ABS | unix.BPF_W, unix.BPF_LD | unix.BPF_ABS | unix.BPF_B,
			unix.BPF_LD | unix.BPF_IND | unix.BPF_B:
			if i.K == packetType {
				a = direction
				continue
			}
			at, n := int(i.K), map[uint16]int{unix.BPF_B: 1, unix.BPF_H: 2, unix.BPF_W: 4}[i.Code&0x18]
			if i.Code&0xe0 == unix.BPF_IND {
				at += int(x)
			}
			if at+n > len(frame) {
				return 0
			}
			a = binary.BigEndian.Uint32(append(make([]byte, 4-n), frame[at:at+n]...))
			continue
		case unix.BPF_LDX | unix.BPF_MSH | unix.BPF_B:
			x = uint32(frame[i.K]&15) * 4
			continue
		case unix.BPF_ALU | unix.BPF_AND | unix.BPF_K:
			a &= i.K
			continue
		case unix.BPF_JMP | unix.BPF_JA:
			pc += int(i.K)
			continue
		case unix.BPF_RET | unix.BPF_K:
			return i.K
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:
			taken = a == i.K
		case unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K:
			taken = a >= i.K
		case unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K:
			taken = a&i.K != 0
		default:
			t.Fatalf("instruction %d: unknown code %#x", pc, i.Code)
		}
		if taken {
			pc += int(i.Jt)
		} else {
			pc += int(i.Jf)
		}
	}
	t.Fatal("the program runs off its end")
	return 0
}

func TestFilterTowardsSpans(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 5))
	for _, n := range []int{0, 1, 2, 3, 10, 100, maxRanges} {
		var all []span
		var edges []uint32
		at := uint32(1000)
		for range n {
			s := span{first: at, last: at + random.Uint32N(3)}
			all = append(all, s)
			edges = append(edges, s.first-1, s.first, s.last, s.last+1)
			at = s.last + 1 + random.Uint32N(1<<20)*random.Uint32N(2) // neighbours half of the time
		}
		prog := towards(all)
		if len(prog) > 4096 {
			t.Errorf("%d ranges: %d instructions, more than the kernel takes", n, len(prog))
		}
		for range 2000 {
			edges = append(edges, random.Uint32())
		}
		for _, u := range edges {
			_, want := find(all, u)
			frame := appendUDP(nil, path{src: 1, dst: u}, 1, 2, nil)
			if got := run(t, prog, frame, 0); (got != 0) != want {
				t.Fatalf("%d ranges: the verdict on %v is %d, want passed %v; spans %v", n, toAddr(u), got, want, all)
			}
		}
	}
}

func TestFilterTowardsTooManySpans(t *testing.T) {
	var all []span
	for i := range uint32(maxRanges + 1) {
		all = append(all, span{first: i * 10, last: i*10 + 1})
	}
	prog := towards(all)
	frame := appendUDP(nil, path{dst: 5}, 1, 2, nil)
	if run(t, prog, frame, 0) == 0 {
		t.Error("an IPv4 frame is dropped")
	}
	if binary.BigEndian.PutUint16(frame[12:], unix.ETH_P_ARP); run(t, prog, frame, 0) != 0 {
		t.Error("an ARP frame passes")
	}
}

// TestFilterFitsKernel loads the largest filter into a socket: the kernel checks its jumps, its length and its memory.
func TestFilterFitsKernel(t *testing.T) {
	lo, err := lookUp("lo")
	if err != nil {
		t.Fatal(err)
	}
	var all []span
	for i := range uint32(maxRanges) {
		all = append(all, span{first: i * 10, last: i*10 + 1})
	}
	programs := [][]unix.SockFilter{towards(all), Probes.filter(), Everything.filter()}
	for _, r := range tallyRules() {
		programs = append(programs, r.filter())
	}
	for i, prog := range programs {
		fd, err := packetSocket(lo.Attrs().Index, prog, func(int) error { return nil })
		if err != nil {
			t.Errorf("program %d with %d instructions: %v", i, len(prog), err)
			continue
		}
		unix.Close(fd)
	}
}

// TestTallyRules compares the programs with the parser: every frame counts under at most the one rule it belongs to.
func TestTallyRules(t *testing.T) {
	p := path{src: toUint(netip.MustParseAddr("10.0.0.1")), dst: 2}
	tcp := func(flags uint8) []byte { return appendTCP(nil, p, segment{flags: flags}) }
	const none = -1
	for _, c := range []struct {
		name    string
		frame   []byte
		in, out int
	}{
		{"SYN", tcp(flagSYN), tallySYN, none},
		{"SYN with ECN bits", tcp(flagSYN | 0xc0), tallySYN, none},
		{"SYN-ACK", tcp(flagSYN | flagACK), tallySYNACK, tallyKernelSYNACK},
		{"RST", tcp(flagRST), tallyReset, tallyKernelRST},
		{"RST-ACK", tcp(flagRST | flagACK), tallyReset, tallyKernelRST},
		{"ACK", tcp(flagACK), none, none},
		{"echo", appendICMP(nil, p, message{typ: icmpEcho}, nil), tallyPing, none},
		{"echo reply", appendICMP(nil, p, message{typ: icmpEchoReply}, nil), none, tallyKernelEchoReply},
		{"unreachable", appendICMP(nil, p, message{typ: icmpUnreachable}, nil), none, tallyKernelUnreachable},
		{"datagram", appendUDP(nil, p, 1, 2, nil), tallyDatagram, tallyKernelDatagram},
		{"ARP", append(make([]byte, 12), 8, 6, 0, 1), none, none},
	} {
		for i, rule := range tallyRules() {
			for direction, want := range map[uint32]int{unix.PACKET_HOST: c.in, unix.PACKET_OUTGOING: c.out, unix.PACKET_OTHERHOST: none} {
				if got := run(t, rule.filter(), c.frame, direction) != 0; got != (i == want) {
					t.Errorf("%s in direction %d under rule %d: %v, want %v", c.name, direction, i, got, i == want)
				}
			}
		}
	}
}

func TestSelections(t *testing.T) {
	p := path{src: 1, dst: 2}
	arp := append(make([]byte, 12), 8, 6, 0, 1)
	for _, c := range []struct {
		name  string
		frame []byte
		probe bool
	}{
		{"SYN", appendTCP(nil, p, segment{flags: flagSYN}), true},
		{"SYN-ACK", appendTCP(nil, p, segment{flags: flagSYN | flagACK}), true},
		{"RST", appendTCP(nil, p, segment{flags: flagRST}), false},
		{"RST-ACK", appendTCP(nil, p, segment{flags: flagRST | flagACK}), false},
		{"ping", appendICMP(nil, p, message{typ: icmpEcho}, []byte{0, 0, 0, 0, 0, flagRST}), true},
		{"datagram", appendUDP(nil, p, 1, 2, []byte{0, 0, 0, 0, 0, flagRST}), true},
		{"ARP", arp, false},
	} {
		if got := run(t, Probes.filter(), c.frame, 0) != 0; got != c.probe {
			t.Errorf("%s is among the probes: %v", c.name, got)
		}
		if run(t, Everything.filter(), c.frame, 0) == 0 {
			t.Errorf("%s is not among everything", c.name)
		}
	}
}

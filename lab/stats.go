package lab

import (
	"fmt"
	"strconv"
	"strings"
)

// Stats is what the Internet's end has seen and done since New.
type Stats struct {
	// Link counts frames of every sort, ARP and resets included.
	Link LinkStats
	// Responder tells about the hosts of all kinds but Silent and Kernel.
	Responder ResponderStats
	// Tally counts packets by kind in the Internet's kernel, only if World.Tally is set.
	Tally Tally
	// Crowd tells about World.Crowd.
	Crowd CrowdStats
	// Loss tells about World.Loss.
	Loss LossStats
	// Kernel holds the Internet's network counters by the names in /proc/net/snmp and /proc/net/netstat, such as
	// "Tcp.OutRsts", "Icmp.InEchos" or "TcpExt.ListenDrops".
	Kernel map[string]int64
}

// LinkStats are the interfaces' own counters.
type LinkStats struct {
	// In is the number of frames that came from the scanner, InDropped of those lost on the way in.
	In, InDropped uint64
	// Out is the number of frames that went to the scanner, OutDropped of those lost on the way.
	Out, OutDropped uint64
}

// Replies counts packets to the scanner by kind.
type Replies struct {
	SYNACK, RST, EchoReply, Reply, Unreachable uint64
}

// ResponderStats count the work of the responder. Its answers have left when they are counted, unless Refused.
type ResponderStats struct {
	// Probes is the number of SYNs, pings and datagrams for the responder's hosts that reached it.
	Probes uint64
	// Sent counts valid answers: two for each probe of a Twice host.
	Sent Replies
	// Forged is the number of answers of ForgeOnly hosts.
	Forged uint64
	// Waiting is the number of answers that are not due yet.
	Waiting uint64
	// Lost is the number of frames for the responder that its ring had no room for: probes without an answer, if not 0.
	Lost uint64
	// Refused is the number of answers that the kernel did not take: they are counted in Sent and never left.
	Refused uint64
}

// A Tally counts IPv4 packets by kind. It is exact: the kernel counts, and nobody has to keep up.
type Tally struct {
	// From the scanner: segments with SYN but not ACK, SYN and ACK, RST; echo requests; UDP datagrams.
	SYNs, SYNACKs, Resets, Pings, Datagrams uint64
	// Kernel counts what the Internet's kernel sent to the scanner, that is, the answers of Kernel hosts. The responder's and
	// Forge's packets are not among them. A kernel repeats a SYN-ACK to a peer that neither completes the handshake nor
	// refuses it.
	Kernel Replies
}

// parseCounters reads the tables of /proc/net/snmp and /proc/net/netstat: a line of names, then a line of values, each
// beginning with the same word.
func parseCounters(text string, into map[string]int64) error {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if len(lines)%2 != 0 {
		return fmt.Errorf("read network counters: %d lines, want pairs", len(lines))
	}
	for i := 0; i < len(lines); i += 2 {
		names, values := strings.Fields(lines[i]), strings.Fields(lines[i+1])
		if len(names) == 0 || len(names) != len(values) || names[0] != values[0] {
			return fmt.Errorf("read network counters: %q does not belong to %q", lines[i+1], lines[i])
		}
		for j := 1; j < len(names); j++ {
			v, err := strconv.ParseInt(values[j], 10, 64)
			if err != nil {
				return fmt.Errorf("read network counter %s: %w", names[j], err)
			}
			into[strings.TrimSuffix(names[0], ":")+"."+names[j]] = v
		}
	}
	return nil
}

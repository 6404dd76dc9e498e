package plan

import (
	"errors"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// A Packet is what a line of somebody's log says of a packet. Numbers that it does not have are -1.
type Packet struct {
	Src, Dst         netip.Addr
	SrcPort, DstPort int
	Seq              int64 // of TCP
	ICMPID, ICMPSeq  int
	TCP, UDP, ICMP   bool // the protocol, if it is named
}

var errNoPacket = errors.New("no packet in it: a firewall's log (SRC=... DST=... SPT=... DPT=... SEQ=...), tcpdump's text, " +
	"or SOURCE,PORT,DESTINATION,PORT[,SEQ] is wanted")

// What tcpdump prints, such as: IP 192.0.2.1.40000 > 198.51.100.7.80: Flags [S], seq 12345, win 65535.
var (
	tcpdumpWay  = regexp.MustCompile(`\bIP6? (\S+) > (\S+): (.*)`)
	tcpdumpSeq  = regexp.MustCompile(`\bseq (\d+)`)
	tcpdumpEcho = regexp.MustCompile(`\bICMP6?, echo request, id (\d+), seq (\d+)|ICMP echo request, id (\d+), seq (\d+)`)
)

// maxLine is how much of a line is looked at.
const maxLine = 4096

// ParsePacket reads a line.
func ParsePacket(line string) (Packet, error) {
	line = line[:min(len(line), maxLine)]
	p := Packet{SrcPort: -1, DstPort: -1, Seq: -1, ICMPID: -1, ICMPSeq: -1}
	var ok bool
	switch {
	case strings.Contains(line, "SRC="):
		ok = p.firewall(line)
	case tcpdumpWay.MatchString(line):
		ok = p.tcpdump(tcpdumpWay.FindStringSubmatch(line))
	default:
		ok = p.list(strings.Split(strings.TrimSpace(line), ","))
	}
	if !ok || !p.Src.IsValid() || !p.Dst.IsValid() {
		return p, errNoPacket
	}
	p.Src, p.Dst = p.Src.Unmap().WithZone(""), p.Dst.Unmap().WithZone("")
	return p, nil
}

// firewall reads what the kernel's firewall logs (net/netfilter/nf_log_syslog.c): of an ICMP packet the second ID is the message's.
func (p *Packet) firewall(line string) bool {
	ok := true
	for word := range strings.FieldsSeq(line) {
		key, value, found := strings.Cut(word, "=")
		if !found {
			continue
		}
		switch key {
		case "SRC":
			p.Src, ok = address(value, ok)
		case "DST":
			p.Dst, ok = address(value, ok)
		case "PROTO":
			p.TCP, p.UDP, p.ICMP = value == "TCP", value == "UDP", strings.HasPrefix(value, "ICMP")
		case "SPT":
			p.SrcPort, ok = number16(value, ok)
		case "DPT":
			p.DstPort, ok = number16(value, ok)
		case "ID":
			if p.ICMP {
				p.ICMPID, ok = number16(value, ok)
			}
		case "SEQ":
			if p.ICMP {
				p.ICMPSeq, ok = number16(value, ok)
			} else {
				p.Seq, ok = number32(value, ok)
			}
		}
	}
	return ok
}

func (p *Packet) tcpdump(parts []string) bool {
	from, to, rest := parts[1], parts[2], parts[3]
	ok := true
	if m := tcpdumpEcho.FindStringSubmatch(rest); m != nil {
		p.ICMP = true
		p.Src, ok = address(from, ok)
		p.Dst, ok = address(to, ok)
		p.ICMPID, ok = number16(m[1]+m[3], ok)
		p.ICMPSeq, ok = number16(m[2]+m[4], ok)
		return ok
	}
	p.Src, p.SrcPort, ok = dotted(from, ok)
	p.Dst, p.DstPort, ok = dotted(to, ok)
	if m := tcpdumpSeq.FindStringSubmatch(rest); m != nil && strings.HasPrefix(rest, "Flags") {
		p.TCP = true
		p.Seq, ok = number32(m[1], ok)
	}
	return ok
}

// list reads SOURCE,PORT,DESTINATION,PORT[,SEQ].
func (p *Packet) list(parts []string) bool {
	if len(parts) < 4 || len(parts) > 5 {
		return false
	}
	ok := true
	p.Src, ok = address(parts[0], ok)
	p.SrcPort, ok = number16(parts[1], ok)
	p.Dst, ok = address(parts[2], ok)
	p.DstPort, ok = number16(parts[3], ok)
	if len(parts) == 5 {
		p.TCP = true
		p.Seq, ok = number32(parts[4], ok)
	}
	return ok
}

// The readers return false once something was wrong.

func address(s string, ok bool) (netip.Addr, bool) {
	a, err := netip.ParseAddr(strings.TrimSpace(s))
	return a, ok && err == nil
}

// dotted reads an address with its port behind the last dot.
func dotted(s string, ok bool) (netip.Addr, int, bool) {
	i := strings.LastIndexByte(s, '.')
	if i < 0 {
		return netip.Addr{}, -1, false
	}
	a, ok := address(s[:i], ok)
	port, ok := number16(s[i+1:], ok)
	return a, port, ok
}

func number16(s string, ok bool) (int, bool) {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 16)
	return int(n), ok && err == nil
}

func number32(s string, ok bool) (int64, bool) {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 32)
	return int64(n), ok && err == nil
}

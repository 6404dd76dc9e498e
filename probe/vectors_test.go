package probe

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/zmap-go/zmap/internal/vectors"
	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/validate"
)

var update = flag.Bool("update", false, "write the golden vectors anew")

// A frameVector is a golden frame with what it was made from.
type frameVector struct {
	*vectors.Vector
	probe Probe
	route Route
	shot  Shot
	at    time.Time
	seed  uint64
}

// TestFrameVectors makes the golden frames anew. Whatever they are, gopacket must read in them what their head says.
func TestFrameVectors(t *testing.T) {
	wanted := map[string]bool{}
	for _, m := range Modules() {
		wanted[m.Name] = true
	}
	for _, p := range Payloads() {
		wanted["udp name:"+p.Name] = true
	}
	for _, l := range tcpLayouts {
		wanted["tcp_synscan "+l.name] = true
	}
	for _, kind := range udpKinds {
		wanted["udp "+kind+":"] = true
	}
	for _, v := range vectors.Files(t, "frame") {
		f := readFrameVector(t, v)
		frame := f.frame(t)
		f.judge(t, frame)
		f.route.Ether = false
		f.route.Random = seeded(f.seed)
		if bare := f.frame(t); !bytes.Equal(bare, frame[packet.EthernetLen:]) {
			t.Errorf("%s: without Ethernet it is %x", v.Name, bare)
		}
		got := v.Clone()
		got.Body = commented(frame)
		v.Check(t, got, *update)
		args, _, _ := strings.Cut(v.Get("args"), ",")
		kind, _, _ := strings.Cut(args, ":")
		for _, name := range []string{"", " " + args, " " + kind + ":"} {
			delete(wanted, v.Get("module")+name)
		}
	}
	for name := range wanted {
		t.Errorf("there is no golden frame of %s", name)
	}
}

// readFrameVector reads the head of a vector.
func readFrameVector(t *testing.T, v *vectors.Vector) frameVector {
	t.Helper()
	f := frameVector{Vector: v, route: Route{Ether: true, Hops: make([]packet.MAC, 1)}}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
	}
	args := v.Get("args")
	if content := v.Get("file"); content != "" {
		path := filepath.Join(t.TempDir(), "file")
		check(os.WriteFile(path, []byte(content), 0o600))
		args = strings.ReplaceAll(args, "FILE", path)
	}
	var err error
	f.probe, err = New(v.Get("module"), Args{Text: args})
	check(err)
	f.route.SourceMAC, err = packet.ParseMAC(v.Get("source-mac"))
	check(err)
	f.route.Hops[0], err = packet.ParseMAC(v.Get("gateway-mac"))
	check(err)
	f.route.Ports, err = validate.ParsePorts(v.Get("source-ports"))
	check(err)
	ttl, err := strconv.ParseUint(v.Get("ttl"), 10, 8)
	check(err)
	f.route.TTL = uint8(ttl)
	f.shot.Src, err = netip.ParseAddr(v.Get("source-ip"))
	check(err)
	f.at, err = time.Parse(time.RFC3339Nano, v.Get("time"))
	check(err)
	f.route.Unix = uint32(f.at.Unix())
	f.shot.Try, err = strconv.Atoi(v.Get("try"))
	check(err)
	f.seed, err = strconv.ParseUint(v.Get("seed"), 10, 64)
	check(err)
	f.route.Random = seeded(f.seed)
	if !f.probe.Describe().Ports {
		f.shot.Addr, err = netip.ParseAddr(v.Get("target"))
	} else {
		var to netip.AddrPort
		to, err = netip.ParseAddrPort(v.Get("target"))
		f.shot.Addr, f.shot.Port = to.Addr(), to.Port()
	}
	check(err)
	f.shot.Tag = f.tag(t)
	return f
}

// tag returns the tag that the vector has, or the one that follows from its key, by a computation that shares no code with the
// one under test.
func (f *frameVector) tag(t *testing.T) validate.Tag {
	t.Helper()
	name := "key"
	if f.Get("tag") != "" {
		name = "tag"
	}
	b, err := hex.DecodeString(f.Get(name))
	if err != nil || len(b) != 16 {
		t.Fatalf("%s: %s has %d bytes, want 16: %v", f.Name, name, len(b), err)
	}
	if name == "tag" {
		return validate.Tag(b)
	}
	return validate.Tag(slowTag(validate.Key(b), f.shot.Src.AsSlice(), f.shot.Addr.AsSlice(), f.shot.Port))
}

// frame makes the frame.
func (f *frameVector) frame(t *testing.T) []byte {
	t.Helper()
	e, b := f.probe.NewEncoder(f.route), make([]byte, link.MaxFrame)
	if timed, ok := e.(*templateEncoder); ok {
		timed.now = func() time.Time { return f.at }
	}
	e.Template(uint32(1+f.shot.Try), b)
	b = b[:e.Patch(b, &f.shot)]
	if s, ok := e.(Stamper); ok {
		s.Stamp(b, f.at.UnixNano())
	}
	return b
}

// judge has gopacket read the frame and compares all that the module does not choose itself.
func (f *frameVector) judge(t *testing.T, frame []byte) {
	t.Helper()
	p := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default)
	if e := p.ErrorLayer(); e != nil {
		t.Errorf("%s: gopacket cannot read it: %v", f.Name, e.Error())
	}
	tag, sport := f.shot.Tag, f.sport()
	rest := len(frame)
	var below gopacket.NetworkLayer
	for i, l := range p.Layers() {
		if s, ok := l.(interface {
			SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
		}); ok {
			if err := s.SetNetworkLayerForChecksum(below); err != nil {
				t.Fatal(err)
			}
		}
		if c, ok := l.(gopacket.LayerWithChecksum); ok {
			if err, sum := c.VerifyChecksum(); err != nil || !sum.Valid {
				t.Errorf("%s: checksum of %v: %+v: %v", f.Name, l.LayerType(), sum, err)
			}
		}
		below, _ = l.(gopacket.NetworkLayer)
		inner := i > 1 && p.Layers()[i-1].LayerType() == layers.LayerTypeIPv4
		var wrong string
		switch l := l.(type) {
		case *layers.Ethernet:
			wrong = differ(l.SrcMAC.String(), f.Get("source-mac"), l.DstMAC.String(), f.Get("gateway-mac"), l.EthernetType, layers.EthernetTypeIPv4)
		case *layers.IPv4:
			from, to, ttl := f.shot.Src.String(), f.shot.Addr.String(), f.route.TTL
			if f.Get("module") == "ipip" {
				ttl = 255
			}
			if inner {
				from, to = to, from
			}
			wrong = differ(l.SrcIP.String(), from, l.DstIP.String(), to, l.TTL, ttl, int(l.Length), rest, l.Id, tag.IPID(), l.TOS, uint8(0),
				l.Flags, layers.IPv4Flag(0), l.FragOffset, uint16(0), len(l.Options), 0)
		case *layers.TCP:
			wrong = differ(uint16(l.SrcPort), sport, uint16(l.DstPort), f.shot.Port, l.Seq, tag.Seq(), l.SYN, true, l.Window, uint16(65535),
				l.Urgent, uint16(0), l.RST || l.FIN || l.PSH || l.URG || l.ECE || l.CWR || l.NS, false, len(l.Payload), 0)
			if f.Get("module") == "tcp_synackscan" {
				wrong += differ(l.ACK, true, l.Ack, tag.Ack())
			} else {
				wrong += differ(l.ACK, false, l.Ack, uint32(0))
			}
		case *layers.UDP:
			wrong = differ(uint16(l.SrcPort), sport, uint16(l.DstPort), f.shot.Port, int(l.Length), rest, l.Checksum, uint16(0))
		case *layers.DNS:
			if f.Get("module") == "dns" {
				wrong = differ(l.ID, tag.DNSID(), l.QR, false, len(l.Questions), 1, len(l.Answers)+len(l.Authorities), 0, l.OpCode, layers.DNSOpCodeQuery)
			}
		case *layers.ICMPv4:
			wrong = differ(l.TypeCode.String(), "EchoRequest", l.Id, tag.ICMPID(), l.Seq, tag.ICMPSeq())
		}
		if wrong != "" {
			t.Errorf("%s: %v: %s", f.Name, l.LayerType(), wrong)
		}
		rest -= len(l.LayerContents())
	}
	want := []gopacket.LayerType{layers.LayerTypeEthernet, layers.LayerTypeIPv4}
	switch m := f.Get("module"); {
	case m == "ipip":
		want = append(want, layers.LayerTypeIPv4, layers.LayerTypeUDP)
	case strings.HasPrefix(m, "tcp"):
		want = append(want, layers.LayerTypeTCP)
	case strings.HasPrefix(m, "icmp"):
		want = append(want, layers.LayerTypeICMPv4)
	default:
		want = append(want, layers.LayerTypeUDP)
	}
	for i, l := range want {
		if i >= len(p.Layers()) || p.Layers()[i].LayerType() != l {
			t.Errorf("%s: its layers are %v, want %v", f.Name, p, want)
			return
		}
	}
}

// sport returns the source port of the probe.
func (f *frameVector) sport() uint16 {
	word := uint32(f.shot.Tag[4]) | uint32(f.shot.Tag[5])<<8 | uint32(f.shot.Tag[6])<<16 | uint32(f.shot.Tag[7])<<24
	size := uint32(f.route.Ports.Last) - uint32(f.route.Ports.First) + 1
	return f.route.Ports.First + uint16((word+uint32(f.shot.Try))%size)
}

// differ names the pairs of what there is and what should be that are not equal.
func differ(pairs ...any) string {
	var out strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i] != pairs[i+1] {
			fmt.Fprintf(&out, "value %d is %v, want %v; ", i/2, pairs[i], pairs[i+1])
		}
	}
	return out.String()
}

// commented writes a frame in hexadecimal, one header a line or two, with what gopacket reads there.
func commented(frame []byte) []string {
	var out []string
	rest := frame
	line := func(comment string, widths ...int) {
		var b strings.Builder
		for _, n := range widths {
			fmt.Fprintf(&b, "%x ", rest[:n])
			rest = rest[n:]
		}
		out = append(out, b.String()+"# "+comment)
	}
	for _, l := range gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default).Layers() {
		switch l := l.(type) {
		case *layers.Ethernet:
			line("Ethernet: to the next hop, from us, IPv4", 6, 6, 2)
		case *layers.IPv4:
			line(fmt.Sprintf("IPv4: %d bytes, identification %#04x, no fragment, TTL %d, %v", l.Length, l.Id, l.TTL, l.Protocol), 1, 1, 2, 2, 2, 1, 1, 2)
			line(fmt.Sprintf("%v to %v", l.SrcIP, l.DstIP), 4, 4)
		case *layers.TCP:
			line(fmt.Sprintf("TCP: port %d to %d, sequence number %d, acknowledgement %d", l.SrcPort, l.DstPort, l.Seq, l.Ack), 2, 2, 4, 4)
			line(fmt.Sprintf("%d bytes of header, %v, window %d", l.DataOffset*4, packet.TCP(l.Contents).Flags(), l.Window), 1, 1, 2, 2, 2)
			for _, o := range l.Options {
				widths := []int{1, 1, int(o.OptionLength) - 2}
				line(o.OptionType.String(), slices.DeleteFunc(widths[:min(3, int(o.OptionLength))], func(n int) bool { return n == 0 })...)
			}
			for len(rest) > 0 { // gopacket stops at the end of options
				line("end of options", 1)
			}
		case *layers.UDP:
			line(fmt.Sprintf("UDP: port %d to %d, %d bytes, no checksum", l.SrcPort, l.DstPort, l.Length), 2, 2, 2, 2)
		case *layers.ICMPv4:
			line(fmt.Sprintf("ICMP: %v, identifier %d, sequence number %d", l.TypeCode, l.Id, l.Seq), 1, 1, 2, 2, 2)
		}
	}
	if question := 12; len(out) > 3 && strings.Contains(out[3], " to 53,") && len(rest) > question {
		line("DNS: number, flags, one question, no answer, no authority, additional records", 2, 2, 2, 2, 2, 2)
		line("name, type and class asked", 1+strings.IndexByte(string(rest), 0), 2, 2)
		if len(rest) > 0 {
			line("root, OPT, size of answers, extended flags, no options", 1, 2, 2, 4, 2)
		}
	}
	for len(rest) > 0 {
		n := min(16, len(rest))
		if zeros := len(rest) - len(strings.TrimLeft(string(rest), "\x00")); zeros >= n {
			line("zeros", min(zeros, 64))
			continue
		}
		if end := strings.Index(string(rest), "\n"); end >= 0 && end < 100 && printable(rest[:end]) {
			n = end + 1
		}
		line(strconv.QuoteToASCII(string(rest[:n])), n)
	}
	return out
}

// printable says whether b is a line of text.
func printable(b []byte) bool {
	return !slices.ContainsFunc(b, func(c byte) bool { return (c < ' ' || c > '~') && c != '\r' })
}

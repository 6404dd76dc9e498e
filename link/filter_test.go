package link_test

import (
	"net/netip"
	"testing"

	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/link/linktest"
)

// A verdict is a frame and whether a filter wants it.
type verdict struct {
	f     *link.Filter
	frame linktest.Spec
	want  bool
}

func (v verdict) check(t *testing.T) {
	t.Helper()
	frame := v.frame.Frame(true)
	if got := v.f.Match(frame, true); got != v.want {
		t.Errorf("got %v, want %v for %x", got, v.want, frame)
	}
	if len(v.frame.Tags) == 0 {
		if got := v.f.Match(frame[14:], false); got != v.want {
			t.Errorf("without its Ethernet header: got %v, want %v for %x", got, v.want, frame)
		}
	}
	newMachine(t, v.f).check(t, frame, true)
}

// scanFilter is what a scan from these two addresses wants.
func scanFilter() *link.Filter {
	return &link.Filter{
		Local: []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")},
		Ports: []link.PortRange{{First: 40000, Last: 40999}},
		TCP:   link.TCPAnswers, UDP: true, Echo: true, Errors: true,
	}
}

// over returns the frame with a change.
func over(s linktest.Spec, change func(*linktest.Spec)) linktest.Spec {
	change(&s)
	return s
}

func TestMatchIPv4(t *testing.T) {
	us4, them4 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("198.51.100.7")
	scan, all, anyone := scanFilter(), scanFilter(), &link.Filter{TCP: link.TCPAnswers}
	all.TCP = link.TCPAll
	segment := func(flags byte) linktest.Spec {
		return linktest.Spec{Src: them4, Dst: us4, Proto: linktest.ProtoTCP, Port: 40000, Flags: flags}
	}
	icmp4 := func(kind byte, quoted netip.Addr) linktest.Spec {
		return linktest.Spec{Src: them4, Dst: us4, Proto: linktest.ProtoICMP4, Kind: kind, Quoted: quoted}
	}
	for name, v := range map[string]verdict{
		"SYN-ACK":                  {scan, segment(0x12), true},
		"SYN-ACK with ECE":         {scan, segment(0x52), true},
		"RST":                      {scan, segment(0x04), true},
		"RST-ACK":                  {scan, segment(0x14), true},
		"SYN":                      {scan, segment(0x02), false},
		"ACK with data":            {scan, segment(0x18), false},
		"ACK, all wanted":          {all, segment(0x18), true},
		"last port":                {scan, over(segment(0x12), func(s *linktest.Spec) { s.Port = 40999 }), true},
		"port beyond":              {scan, over(segment(0x12), func(s *linktest.Spec) { s.Port = 41000 }), false},
		"port before":              {scan, over(segment(0x12), func(s *linktest.Spec) { s.Port = 39999 }), false},
		"to others":                {scan, over(segment(0x12), func(s *linktest.Spec) { s.Dst = them4 }), false},
		"to others, any address":   {anyone, over(segment(0x12), func(s *linktest.Spec) { s.Dst = them4 }), true},
		"any port":                 {anyone, over(segment(0x12), func(s *linktest.Spec) { s.Port = 1 }), true},
		"IPv4 options":             {scan, over(segment(0x12), func(s *linktest.Spec) { s.Options = 10 }), true},
		"first fragment":           {scan, over(segment(0x12), func(s *linktest.Spec) { s.Fragment = 0x2000 }), true},
		"later fragment":           {scan, over(segment(0x12), func(s *linktest.Spec) { s.Fragment = 0x2001 }), false},
		"last fragment":            {scan, over(segment(0x12), func(s *linktest.Spec) { s.Fragment = 0x00b9 }), false},
		"VLAN tag":                 {scan, over(segment(0x12), func(s *linktest.Spec) { s.Tags = []uint16{linktest.TypeVLAN} }), true},
		"service tag":              {scan, over(segment(0x12), func(s *linktest.Spec) { s.Tags = []uint16{linktest.TypeQinQ} }), true},
		"two tags":                 {scan, over(segment(0x12), func(s *linktest.Spec) { s.Tags = []uint16{linktest.TypeQinQ, linktest.TypeVLAN} }), true},
		"three tags":               {scan, over(segment(0x12), func(s *linktest.Spec) { s.Tags = []uint16{linktest.TypeQinQ, linktest.TypeQinQ, linktest.TypeVLAN} }), false},
		"echo reply":               {scan, icmp4(0, netip.Addr{}), true},
		"echo request":             {scan, icmp4(8, netip.Addr{}), false},
		"echo reply, not wanted":   {anyone, icmp4(0, netip.Addr{}), false},
		"unreachable quoting us":   {scan, icmp4(3, us4), true},
		"unreachable quoting them": {scan, icmp4(3, them4), false},
		"unreachable, no quote":    {scan, icmp4(3, netip.Addr{}), true},
		"quench":                   {scan, icmp4(4, us4), true},
		"redirect":                 {scan, icmp4(5, us4), true},
		"time exceeded":            {scan, icmp4(11, us4), true},
		"parameter problem":        {scan, icmp4(12, us4), true},
		"router advertisement":     {scan, icmp4(9, us4), false},
		"error, not wanted":        {anyone, icmp4(3, us4), false},
		"ICMPv6 over IPv4":         {scan, over(icmp4(129, us4), func(s *linktest.Spec) { s.Proto = linktest.ProtoICMP6 }), false},
		"UDP":                      {scan, over(segment(0), func(s *linktest.Spec) { s.Proto = linktest.ProtoUDP }), true},
		"UDP, not wanted":          {anyone, over(segment(0), func(s *linktest.Spec) { s.Proto = linktest.ProtoUDP }), false},
		"SCTP":                     {scan, over(segment(0x12), func(s *linktest.Spec) { s.Proto = 132 }), false},
	} {
		t.Run(name, v.check)
	}
}

func TestMatchIPv6(t *testing.T) {
	us6, them6 := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8:ffff::7")
	scan := scanFilter()
	icmp6 := func(kind byte, quoted netip.Addr) linktest.Spec {
		return linktest.Spec{Src: them6, Dst: us6, Proto: linktest.ProtoICMP6, Kind: kind, Quoted: quoted}
	}
	udp6 := linktest.Spec{Src: them6, Dst: us6, Proto: linktest.ProtoUDP, Port: 40999}
	for name, v := range map[string]verdict{
		"v6 echo reply":        {scan, icmp6(129, netip.Addr{}), true},
		"v6 echo request":      {scan, icmp6(128, netip.Addr{}), false},
		"v6 unreachable":       {scan, icmp6(1, us6), true},
		"v6 parameter problem": {scan, icmp6(4, us6), true},
		"v6 type 5":            {scan, icmp6(5, us6), false},
		"v6 type 0":            {scan, icmp6(0, us6), false},
		"v6 quoting them":      {scan, icmp6(1, them6), false},
		"v6 neighbour":         {scan, icmp6(135, us6), false},
		"ICMP over IPv6":       {scan, over(icmp6(0, us6), func(s *linktest.Spec) { s.Proto = linktest.ProtoICMP4 }), false},
		"v6 UDP":               {scan, udp6, true},
		"v6 four headers": {scan, over(udp6, func(s *linktest.Spec) {
			s.Ext = []byte{linktest.ExtHopByHop, linktest.ExtOptions, linktest.ExtRouting, linktest.ExtFragment}
		}), true},
		"v6 five headers": {scan, over(udp6, func(s *linktest.Spec) {
			s.Ext = []byte{linktest.ExtHopByHop, linktest.ExtOptions, linktest.ExtRouting, linktest.ExtFragment, linktest.ExtOptions}
		}), false},
		"v6 first fragment": {scan, over(udp6, func(s *linktest.Spec) { s.Ext, s.Fragment = []byte{linktest.ExtFragment}, 1 }), true},
		"v6 later fragment": {scan, over(udp6, func(s *linktest.Spec) { s.Ext, s.Fragment = []byte{linktest.ExtFragment}, 8 }), false},
	} {
		t.Run(name, v.check)
	}
}

func TestMatchBelievesBothVersions(t *testing.T) {
	f := &link.Filter{UDP: true}
	s := linktest.Spec{Src: addr4(1), Dst: addr4(2), Proto: linktest.ProtoUDP}
	frame := s.Frame(true)
	frame[12], frame[13] = 0x86, 0xdd
	if f.Match(frame, true) {
		t.Errorf("an IPv4 packet in a frame that says IPv6 is wanted: %x", frame)
	}
	newMachine(t, f).check(t, frame, true)
}

func TestValidate(t *testing.T) {
	good := link.Filter{Local: []netip.Addr{addr4(1), netip.MustParseAddr("fe80::1%eth0")}, Ports: []link.PortRange{{First: 5, Last: 5}}, Snap: 96}
	if err := good.Validate(); err != nil {
		t.Errorf("%+v: got error %v, want none", good, err)
	}
	for name, f := range map[string]link.Filter{
		"no address":      {Local: []netip.Addr{addr4(1), {}}},
		"range":           {Ports: []link.PortRange{{First: 2, Last: 1}}},
		"snap":            {Snap: -1},
		"choice of TCP":   {TCP: link.TCPAll + 1},
		"second of ports": {Ports: []link.PortRange{{First: 1, Last: 2}, {First: 9, Last: 8}}},
	} {
		if err := f.Validate(); err == nil {
			t.Errorf("%s: %+v passes", name, f)
		}
		if _, err := f.Assemble(true); err == nil {
			t.Errorf("%s: %+v is assembled", name, f)
		}
	}
}

func TestZonesAreIgnored(t *testing.T) {
	f := &link.Filter{UDP: true, Local: []netip.Addr{netip.MustParseAddr("fe80::1%eth0")}}
	s := linktest.Spec{Src: addr6(1, 1), Dst: netip.MustParseAddr("fe80::1"), Proto: linktest.ProtoUDP}
	if !newMachine(t, f).check(t, s.Frame(true), true) {
		t.Errorf("a datagram to fe80::1 is not wanted by %+v", f)
	}
}

package link

import (
	"net/netip"
	"testing"
)

func TestMatch(t *testing.T) {
	var (
		us4   = netip.MustParseAddr("192.0.2.1")
		us6   = netip.MustParseAddr("2001:db8::1")
		them4 = netip.MustParseAddr("198.51.100.7")
		them6 = netip.MustParseAddr("2001:db8:ffff::7")
	)
	scan := Filter{
		Local: []netip.Addr{us4, us6}, Ports: []PortRange{{40000, 40999}},
		TCP: TCPAnswers, UDP: true, Echo: true, Errors: true,
	}
	all := scan
	all.TCP = TCPAll
	anyone := Filter{TCP: TCPAnswers}
	segment := func(flags byte) frameSpec {
		return frameSpec{src: them4, dst: us4, proto: protoTCP, port: 40000, flags: flags}
	}
	icmp4 := func(kind byte, quoted netip.Addr) frameSpec {
		return frameSpec{src: them4, dst: us4, proto: protoICMP4, kind: kind, quoted: quoted}
	}
	icmp6 := func(kind byte, quoted netip.Addr) frameSpec {
		return frameSpec{src: them6, dst: us6, proto: protoICMP6, kind: kind, quoted: quoted}
	}
	over := func(s frameSpec, change func(*frameSpec)) frameSpec {
		change(&s)
		return s
	}
	udp6 := frameSpec{src: them6, dst: us6, proto: protoUDP, port: 40999}
	for name, c := range map[string]struct {
		f     *Filter
		frame frameSpec
		want  bool
	}{
		"SYN-ACK":                  {&scan, segment(0x12), true},
		"SYN-ACK with ECE":         {&scan, segment(0x52), true},
		"RST":                      {&scan, segment(0x04), true},
		"RST-ACK":                  {&scan, segment(0x14), true},
		"SYN":                      {&scan, segment(0x02), false},
		"ACK with data":            {&scan, segment(0x18), false},
		"ACK, all wanted":          {&all, segment(0x18), true},
		"last port":                {&scan, over(segment(0x12), func(s *frameSpec) { s.port = 40999 }), true},
		"port beyond":              {&scan, over(segment(0x12), func(s *frameSpec) { s.port = 41000 }), false},
		"port before":              {&scan, over(segment(0x12), func(s *frameSpec) { s.port = 39999 }), false},
		"to others":                {&scan, over(segment(0x12), func(s *frameSpec) { s.dst = them4 }), false},
		"to others, any address":   {&anyone, over(segment(0x12), func(s *frameSpec) { s.dst = them4 }), true},
		"any port":                 {&anyone, over(segment(0x12), func(s *frameSpec) { s.port = 1 }), true},
		"IPv4 options":             {&scan, over(segment(0x12), func(s *frameSpec) { s.options = 10 }), true},
		"first fragment":           {&scan, over(segment(0x12), func(s *frameSpec) { s.fragment = 0x2000 }), true},
		"later fragment":           {&scan, over(segment(0x12), func(s *frameSpec) { s.fragment = 0x2001 }), false},
		"last fragment":            {&scan, over(segment(0x12), func(s *frameSpec) { s.fragment = 0x00b9 }), false},
		"VLAN tag":                 {&scan, over(segment(0x12), func(s *frameSpec) { s.tags = []uint16{typeVLAN} }), true},
		"service tag":              {&scan, over(segment(0x12), func(s *frameSpec) { s.tags = []uint16{typeQinQ} }), true},
		"two tags":                 {&scan, over(segment(0x12), func(s *frameSpec) { s.tags = []uint16{typeQinQ, typeVLAN} }), false},
		"echo reply":               {&scan, icmp4(0, netip.Addr{}), true},
		"echo request":             {&scan, icmp4(8, netip.Addr{}), false},
		"echo reply, not wanted":   {&anyone, icmp4(0, netip.Addr{}), false},
		"unreachable quoting us":   {&scan, icmp4(3, us4), true},
		"unreachable quoting them": {&scan, icmp4(3, them4), false},
		"unreachable, no quote":    {&scan, icmp4(3, netip.Addr{}), true},
		"quench":                   {&scan, icmp4(4, us4), true},
		"redirect":                 {&scan, icmp4(5, us4), true},
		"time exceeded":            {&scan, icmp4(11, us4), true},
		"parameter problem":        {&scan, icmp4(12, us4), true},
		"router advertisement":     {&scan, icmp4(9, us4), false},
		"error, not wanted":        {&anyone, icmp4(3, us4), false},
		"v6 echo reply":            {&scan, icmp6(129, netip.Addr{}), true},
		"v6 echo request":          {&scan, icmp6(128, netip.Addr{}), false},
		"v6 unreachable":           {&scan, icmp6(1, us6), true},
		"v6 parameter problem":     {&scan, icmp6(4, us6), true},
		"v6 type 5":                {&scan, icmp6(5, us6), false},
		"v6 type 0":                {&scan, icmp6(0, us6), false},
		"v6 quoting them":          {&scan, icmp6(1, them6), false},
		"v6 neighbour":             {&scan, icmp6(135, us6), false},
		"ICMPv6 over IPv4":         {&scan, over(icmp4(129, us4), func(s *frameSpec) { s.proto = protoICMP6 }), false},
		"ICMP over IPv6":           {&scan, over(icmp6(0, us6), func(s *frameSpec) { s.proto = protoICMP4 }), false},
		"UDP":                      {&scan, over(segment(0), func(s *frameSpec) { s.proto = protoUDP }), true},
		"UDP, not wanted":          {&anyone, over(segment(0), func(s *frameSpec) { s.proto = protoUDP }), false},
		"v6 UDP":                   {&scan, udp6, true},
		"v6 four headers": {&scan, over(udp6, func(s *frameSpec) {
			s.ext = []byte{extHopByHop, extOptions, extRouting, extFragment}
		}), true},
		"v6 five headers": {&scan, over(udp6, func(s *frameSpec) {
			s.ext = []byte{extHopByHop, extOptions, extRouting, extFragment, extOptions}
		}), false},
		"v6 first fragment": {&scan, over(udp6, func(s *frameSpec) { s.ext, s.fragment = []byte{extFragment}, 1 }), true},
		"v6 later fragment": {&scan, over(udp6, func(s *frameSpec) { s.ext, s.fragment = []byte{extFragment}, 8 }), false},
		"SCTP":              {&scan, over(segment(0x12), func(s *frameSpec) { s.proto = 132 }), false},
	} {
		t.Run(name, func(t *testing.T) {
			frame := c.frame.bytes(true)
			if got := c.f.Match(frame, true); got != c.want {
				t.Errorf("got %v, want %v for %x", got, c.want, frame)
			}
			if len(c.frame.tags) == 0 {
				if got := c.f.Match(frame[etherLen:], false); got != c.want {
					t.Errorf("without its Ethernet header: got %v, want %v for %x", got, c.want, frame)
				}
			}
			newMachine(t, c.f).check(t, frame, true)
		})
	}
}

func TestMatchBelievesBothVersions(t *testing.T) {
	f := &Filter{UDP: true}
	s := frameSpec{src: addr4(1), dst: addr4(2), proto: protoUDP}
	frame := s.bytes(true)
	frame[12], frame[13] = 0x86, 0xdd
	if f.Match(frame, true) {
		t.Errorf("an IPv4 packet in a frame that says IPv6 is wanted: %x", frame)
	}
	newMachine(t, f).check(t, frame, true)
}

func TestValidate(t *testing.T) {
	good := Filter{Local: []netip.Addr{addr4(1), netip.MustParseAddr("fe80::1%eth0")}, Ports: []PortRange{{5, 5}}, Snap: 96}
	if err := good.Validate(); err != nil {
		t.Errorf("%+v: got error %v, want none", good, err)
	}
	for name, f := range map[string]Filter{
		"no address":      {Local: []netip.Addr{addr4(1), {}}},
		"range":           {Ports: []PortRange{{2, 1}}},
		"snap":            {Snap: -1},
		"choice of TCP":   {TCP: TCPAll + 1},
		"second of ports": {Ports: []PortRange{{1, 2}, {9, 8}}},
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
	f := &Filter{UDP: true, Local: []netip.Addr{netip.MustParseAddr("fe80::1%eth0")}}
	s := frameSpec{src: addr6(1, 1), dst: netip.MustParseAddr("fe80::1"), proto: protoUDP}
	if !newMachine(t, f).check(t, s.bytes(true), true) {
		t.Errorf("a datagram to fe80::1 is not wanted by %+v", f)
	}
}

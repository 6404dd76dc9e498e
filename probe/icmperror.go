package probe

import (
	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/record"
)

// ICMPFields returns the fields of an ICMP error, the same four in every module that has them, to be the last of its schema.
// [SetICMP] sets them.
func ICMPFields() []record.Field {
	return []record.Field{
		{Name: "icmp_responder", Type: record.Addr, Doc: "source IP of ICMP_UNREACH messages"},
		{Name: "icmp_type", Type: record.Int, Doc: "ICMP message type"},
		{Name: "icmp_code", Type: record.Int, Doc: "ICMP message sub type code"},
		{Name: "icmp_unreach_str", Type: record.String, Doc: "for ICMP errors: the meaning of type and code"},
	}
}

// SetICMP sets the four fields of the ICMP error p, in the order of [ICMPFields], the first of which is field at of r.
func SetICMP(p *packet.Parsed, r *record.Record, at int) {
	r.Values[at].SetAddr(p.Src)
	r.Values[at+1].SetUint(uint64(p.ICMP.Type()))
	r.Values[at+2].SetUint(uint64(p.ICMP.Code()))
	text := icmpErrorText
	if p.Kind == packet.KindICMPv6 {
		text = icmpv6ErrorText
	}
	r.Values[at+3].SetText(text(p.ICMP.Type(), p.ICMP.Code()))
}

// icmpErrorText says what an ICMP error means (RFC 792, RFC 1122 section 3.2.2.1, RFC 1812 section 5.2.7.1). The texts of
// unreachable codes are those of C ZMap, whose users' scripts match them; other types have their own, where C ZMap chose
// by the code alone.
func icmpErrorText(kind, code uint8) string {
	switch kind {
	case packet.ICMPv4Unreachable:
		if int(code) < len(unreachable) {
			return unreachable[code]
		}
	case packet.ICMPv4SourceQuench:
		return "source quench"
	case packet.ICMPv4Redirect:
		return "redirect"
	case packet.ICMPv4TimeExceeded:
		if code == 1 {
			return "fragment reassembly time exceeded"
		}
		return "time to live exceeded"
	case packet.ICMPv4ParamProblem:
		return "parameter problem"
	}
	return "unknown"
}

// unreachable has a text for every code of a destination unreachable message.
var unreachable = [...]string{
	"network unreachable",
	"host unreachable",
	"protocol unreachable",
	"port unreachable",
	"fragments required",
	"source route failed",
	"network unknown",
	"host unknown",
	"source host isolated",
	"network admin. prohibited",
	"host admin. prohibited",
	"network unreachable TOS",
	"host unreachable TOS",
	"communication admin. prohibited",
	"host presdence violation",
	"precedence cutoff",
}

// icmpv6ErrorText says what an ICMPv6 error means (RFC 4443 section 3), in the words of [icmpErrorText] where it means the same.
func icmpv6ErrorText(kind, code uint8) string {
	switch kind {
	case packet.ICMPv6Unreachable:
		if int(code) < len(unreachable6) {
			return unreachable6[code]
		}
	case packet.ICMPv6PacketTooBig:
		return "packet too big"
	case packet.ICMPv6TimeExceeded:
		return icmpErrorText(packet.ICMPv4TimeExceeded, code)
	case packet.ICMPv6ParamProblem:
		return "parameter problem"
	}
	return "unknown"
}

// unreachable6 has a text for every code of a destination unreachable message (RFC 4443 section 3.1, RFC 8883 for the last).
var unreachable6 = [...]string{
	"network unreachable",
	"communication admin. prohibited",
	"beyond scope of source address",
	"host unreachable",
	"port unreachable",
	"source address failed policy",
	"reject route to destination",
	"error in source routing header",
	"headers too long",
}

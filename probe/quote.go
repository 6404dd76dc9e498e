package probe

import (
	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/target"
	"github.com/zmap-go/zmap/validate"
)

// matchQuote says whether an ICMP error quotes a probe of protocol proto that carried the tag of its target in its ports,
// and which target that was. The 8 bytes behind the quoted IP header that every router sends (RFC 792) are enough. more,
// if not nil, looks at the rest of what those bytes hold.
func matchQuote(p *packet.Parsed, proto packet.Proto, tags validate.Source, more func(*packet.Quoted, validate.Tag) bool) (target.Target, bool) {
	q := &p.Quoted
	if !q.Present || q.Proto != proto {
		return target.Target{}, false
	}
	tag := tags.Tag(q.Src, q.Dst, q.DstPort)
	if q.Src != p.Dst || !tags.Ports().Match(tag, q.SrcPort, tags.Tries()) || more != nil && !more(q, tag) {
		return target.Target{}, false
	}
	return target.Target{Addr: q.Dst, Port: q.DstPort}, true
}

// quotedSeq says whether a quoted segment has the sequence number of our probe.
func quotedSeq(q *packet.Quoted, tag validate.Tag) bool { return packet.TCP(q.L4).Seq() == tag.Seq() }

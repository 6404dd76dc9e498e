package probe

import (
	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/target"
	"github.com/zmap-go/zmap/validate"
)

// MatchQuote says whether p is an ICMP error that quotes a probe of protocol proto from the source port that the tag of
// its target gives, and returns that target with the tag. proto must be one with ports. The 8 bytes behind the quoted IP
// header that every router sends (RFC 792) are enough; the caller compares what else of the tag is in p.Quoted.L4. It does
// not allocate.
func MatchQuote(p *packet.Parsed, proto packet.Proto, tags validate.Source) (target.Target, validate.Tag, bool) {
	q := &p.Quoted
	if !q.Present || q.Proto != proto || q.Src != p.Dst {
		return target.Target{}, validate.Tag{}, false
	}
	tag := tags.Tag(q.Src, q.Dst, q.DstPort)
	return target.Target{Addr: q.Dst, Port: q.DstPort}, tag, tags.Ports().Match(tag, q.SrcPort, tags.Tries())
}

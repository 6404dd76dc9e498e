package engine

import (
	"net/netip"

	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/target"
	"github.com/zmap-go/zmap/validate"
)

// maxOtherPorts is how many of the ports that were asked an answer from another port is compared with, the first of them:
// each takes one more AES block, also for frames that anybody may send, and each is one more chance for those to be taken for
// answers. So a scan of more ports than this misses answers that another port gives to a probe of a later one.
const maxOtherPorts = 8

// recognise says whether the frame in r.parsed answers a probe, and returns the target that was asked, with its index.
//
// Where answers may come from any port, one that is not an answer from the port it came from may be that to a probe of
// another port of the same host: a TFTP server, say, answers from a new port for every transfer (RFC 1350 section 4). What
// ties it to the probe covers the port that was asked, which the answer does not tell, so those are tried. An ICMP error
// quotes the port, and is not tried again.
func (r *receiver) recognise() (target.Target, bool) {
	p := &r.parsed
	t, ok := r.dec.Match(p, r.tags)
	if ok && r.known(&t) {
		return t, true
	}
	if r.aliased = ok && r.scan.aliases != nil && r.scan.aliases.heard(t.Addr, r.succeeds()); r.aliased {
		return target.Target{}, false
	}
	if len(r.scan.otherPorts) == 0 || p.Kind != packet.KindTCP && p.Kind != packet.KindUDP || !r.scan.cfg.Space.Contains(p.Src) {
		return target.Target{}, false
	}
	for _, port := range r.scan.otherPorts {
		r.asked.port = port
		if t, ok = r.dec.Match(p, &r.asked); !ok {
			continue
		}
		t.Port = port
		if r.known(&t) {
			return t, true
		}
	}
	return target.Target{}, false
}

// succeeds says whether the frame is a success, or for probes that do not tell no error.
func (r *receiver) succeeds() bool {
	if r.judges != nil {
		return r.judges.Succeeds(&r.parsed)
	}
	return !r.parsed.IsError()
}

// known looks the target up in the space and sets its index.
func (r *receiver) known(t *target.Target) (ok bool) {
	if !r.desc.Ports {
		t.Port = r.scan.firstPort
	}
	t.Index, ok = r.scan.cfg.Space.Index(t.Addr, t.Port)
	return ok
}

// askedTags gives a decoder the tags of probes of one port, from whatever port the answer came.
type askedTags struct {
	*validate.Tagger
	port uint16
}

// Tag returns the tag of the probe from our address local to the port of remote that was asked.
func (a *askedTags) Tag(local, remote netip.Addr, _ uint16) validate.Tag {
	return a.Tagger.Tag(local, remote, a.port)
}

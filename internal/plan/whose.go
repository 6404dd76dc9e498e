package plan

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/zmap-go/zmap/permute"
	"github.com/zmap-go/zmap/target"
	"github.com/zmap-go/zmap/validate"
)

// An Answer says whether a packet is a probe of a plan's scan.
type Answer string

// The answers.
const (
	Yes     Answer = "yes"     // a number in it follows from the key
	Perhaps Answer = "perhaps" // what the line has fits, and others' packets may fit too
	No      Answer = "no"
)

// A Verdict is the answer with its reason.
type Verdict struct {
	Answer Answer
	Why    string // a sentence without a capital letter
	// Shard, and how long after its beginning the probe is sent at the plan's rate, about; unless the answer is No.
	Shard uint32
	After time.Duration // 0 at an unlimited rate
}

// A Judge knows the probes of a plan. It may be used by any number of goroutines but for the tags, which are one's.
type Judge struct {
	plan  *Plan
	space *target.Space
	cycle *permute.Cycle
	tags  *validate.Tagger
}

// NewJudge returns the judge of a plan, which takes what the plan's space takes.
func NewJudge(ctx context.Context, p *Plan) (*Judge, error) {
	ports := target.NewPorts(0)
	if p.Ports != "" {
		var err error
		if ports, err = target.ParsePorts(p.Ports); err != nil {
			return nil, err
		}
	}
	key, err := p.ProbeKey()
	if err != nil {
		return nil, err
	}
	sources, err := validate.ParsePorts(p.Sources)
	if err != nil {
		return nil, err
	}
	j := &Judge{plan: p, tags: validate.NewTagger(key, sources, p.Tries)}
	j.space, j.cycle, err = p.order(ctx, ports)
	return j, err
}

// Judge says whether a packet is one of the scan's probes.
func (j *Judge) Judge(p *Packet) Verdict {
	port := uint16(0)
	if j.plan.Ports != "" {
		if p.DstPort < 0 || p.SrcPort < 0 {
			return Verdict{Answer: No, Why: "it has no ports, and the plan's probes have"}
		}
		port = uint16(p.DstPort)
	}
	index, ok := j.space.Index(p.Dst, port)
	if !ok {
		return Verdict{Answer: No, Why: fmt.Sprintf("%s is not asked by the plan", describe(p, j.plan.Ports != ""))}
	}
	v := j.compare(p, j.tags.Tag(p.Src, p.Dst, port))
	if v.Answer != No {
		v.Shard, v.After = j.when(index)
	}
	return v
}

// describe names who is asked.
func describe(p *Packet, ports bool) string {
	if ports {
		return fmt.Sprintf("port %d of %s", p.DstPort, p.Dst)
	}
	return p.Dst.String()
}

// compare holds what the line has against the tag of the probe that would have been sent.
func (j *Judge) compare(p *Packet, tag validate.Tag) Verdict {
	if j.plan.Ports == "" {
		switch {
		case p.ICMPID < 0 || p.ICMPSeq < 0:
			return Verdict{Answer: Perhaps, Why: "the address is asked; the line has no ICMP id and seq to go by"}
		case uint16(p.ICMPID) == tag.ICMPID() && uint16(p.ICMPSeq) == tag.ICMPSeq():
			return Verdict{Answer: Yes, Why: "its ICMP id and seq follow from the plan's key"}
		}
		return Verdict{Answer: No, Why: "its ICMP id and seq are not those of a probe from " + p.Src.String()}
	}
	ours := false
	for try := range j.plan.Tries {
		ours = ours || j.tags.Ports().Of(tag, try) == uint16(p.SrcPort)
	}
	switch {
	case !ours:
		return Verdict{Answer: No, Why: fmt.Sprintf("source port %d is not that of a probe from %s", p.SrcPort, p.Src)}
	case p.Seq < 0:
		return Verdict{Answer: Perhaps, Why: fmt.Sprintf("its source port is that of the probe, as one packet in %d is by chance; the line has no TCP sequence number", int(j.tags.Ports().Size())/j.plan.Tries)}
	case uint32(p.Seq) == tag.Seq():
		return Verdict{Answer: Yes, Why: "its source port and sequence number follow from the plan's key"}
	}
	return Verdict{Answer: No, Why: "its sequence number is not that of a probe from " + p.Src.String()}
}

// when returns the shard that asks a target, and how far into it.
func (j *Judge) when(index uint64) (shard uint32, after time.Duration) {
	step, _ := j.cycle.Position(index)
	share := j.cycle.Order() / uint64(j.plan.Shards)
	n := min(step/share, uint64(j.plan.Shards)-1)
	if j.plan.Rate == 0 {
		return uint32(n), 0
	}
	probes := float64(j.space.Targets()) * float64(j.plan.Tries) * float64(step-n*share) / float64(j.cycle.Order())
	return uint32(n), time.Duration(min(probes/j.plan.Rate*float64(time.Second), math.MaxInt64/2))
}

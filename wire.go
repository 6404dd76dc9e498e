package zmap

import (
	"context"
	"fmt"
	"time"

	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/internal/firewall"
	"github.com/zmap-go/zmap/internal/netdev"
	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/link/afpacket"
	"github.com/zmap-go/zmap/link/rawip"
	"github.com/zmap-go/zmap/link/ring"
	"github.com/zmap-go/zmap/link/xdp"
	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/probe"
)

// route returns what all frames have in common.
func (s *setup) route(p *netdev.Path, hops *hopTable) probe.Route {
	return probe.Route{
		Ether: p.Ether, SourceMAC: p.SourceMAC, Hops: hops.macs, Ports: s.SourcePorts, TTL: s.TTL,
		Unix: uint32(time.Now().Unix()),
	}
}

// allEngines are the link engines, the best first. The last two are for those who ask for them: raw sends IP packets alone, and
// ring is slower than sockets where it was measured.
func allEngines() []link.Engine {
	return []link.Engine{xdp.Engine{}, firewall.Engine{Engine: afpacket.Engine{}}, firewall.Engine{Engine: rawip.Engine{}}, firewall.Engine{Engine: ring.Engine{}}}
}

// engines are those of them that the scan may use.
func (s *setup) engines() []link.Engine {
	all := allEngines()
	switch auto := s.Link == "" || s.Link == link.Auto; {
	case auto && s.Packets:
		return all[:3]
	case auto:
		return all[:2]
	}
	return all
}

// linkConfig says which link is wanted.
func (s *setup) linkConfig(plan *Plan) link.Config {
	p, f := plan.Path, s.desc.Capture
	f.Local = plan.SourceAddrs()
	if s.desc.Ports && len(f.Ports) == 0 {
		f.Ports = []link.PortRange{{First: s.SourcePorts.First, Last: s.SourcePorts.Last, RST: s.RST}}
	}
	longest := 0
	withhold(&f, plan.Transport)
	if plan.Transport == grab.Oneshot {
		longest = min(link.MaxFrame, packet.EthernetLen+p.MTU)
	}
	rate := s.rate
	if s.Link != "" && s.Link != link.Auto {
		rate = 0 // the link that was asked for is the right one for any rate
	}
	return link.Config{
		Interface: p.Interface, Index: p.Index, Receive: p.Receive, Promiscuous: p.Receive != "",
		Senders: plan.Senders, Filter: f, Ether: p.Ether, Qdisc: s.Qdisc, Batch: s.Batch, Retries: s.Retries,
		FrameLen: s.desc.FrameLen, Longest: longest, Rate: rate,
	}
}

// open opens the link, or one that only shows frames.
func (s *setup) open(ctx context.Context, plan *Plan) (*link.Link, error) {
	if d := s.DryRun; d != nil {
		return link.OpenDryRun(d.W, plan.Senders, s.frameText(plan.Path.Ether)), nil
	}
	var l *link.Link
	err := s.eachTransport(plan, func() (err error) {
		l, err = link.Open(ctx, s.linkConfig(plan), s.Link, s.engines()...)
		return err
	})
	if err != nil {
		return nil, err
	}
	plan.Link, plan.Why = l.Name, l.Why
	s.Log.Debug("link: " + l.Why)
	return l, nil
}

// linkDown tells that the interface is down, and that it is up again.
func (s *setup) linkDown(err error, guard *gatewayGuard) {
	if err != nil {
		s.Log.Warn(fmt.Sprintf("%v: the scan waits until it is up again, at most %s", err, s.LinkWait))
		return
	}
	s.Log.Info("the interface is up again: the scan goes on")
	guard.relink() // it may be in another network now, or the gateway another machine
}

// frameText returns what a dry run writes for a frame.
func (s *setup) frameText(ether bool) func(dst, frame []byte) []byte {
	text := s.desc.AppendDryRun
	if text == nil {
		text = probe.AppendDryRun
	}
	return func(dst, frame []byte) []byte { return text(dst, frame, ether) }
}

package monitor

import "github.com/zmap-go/zmap"

// SampleOf returns what the monitor takes of p, a moment of the scan that plan describes. Where repeated answers count,
// hit rates are a part of the packets sent, else of the targets asked, as in C ZMap. It keeps neither p nor plan.
func SampleOf(p *zmap.Progress, plan *zmap.Plan) Sample {
	asked := p.Targets
	if plan.Dedup.String() == "none" {
		asked = p.Queued
	}
	return Sample{
		At: p.At, Elapsed: p.Elapsed, Remaining: p.Remaining, Sending: p.Sending, SendTime: p.SendTime, Senders: p.ActiveSenders,
		Asked: asked, Sent: p.Queued, Refused: p.Refused, Received: p.Received, Success: p.SuccessUnique, App: p.AppUnique,
		Dropped: p.Lost,
	}
}

package zmap

import (
	"math"
	"time"

	"github.com/zmap-go/zmap/internal/netdev"
)

// Bytes of a frame on the wire beside those that a link sends: preamble, start of frame, check sequence and gap; and the
// fewest that a frame takes with them (IEEE 802.3).
const (
	wireExtra = 24
	wireLeast = 84
)

// wireLen is how many bytes of an Ethernet's time a frame takes.
func wireLen(frame int) int { return max(frame+wireExtra, wireLeast) }

// An Estimate is what follows from a [Plan] by arithmetic. Times and speeds are 0 where the rate is not limited.
type Estimate struct {
	Probes    uint64        // frames to send, fewer than Share times Tries if MaxRuntime ends the sending
	WireLen   int           // bytes that the longest of them takes on an Ethernet, with preamble and gap
	Bytes     uint64        // of all of them, if all are that long
	Bits      float64       // per second
	Sending   time.Duration // how long that takes
	Listening time.Duration // how long the scan listens after that
	Asking    time.Duration // how long it takes at most before that to find the neighbours' hardware addresses
	Load      Load          // what others see
}

// loadBits is the size of network for which a Load is told: what network operators see of a scan, and set limits for.
const loadBits = 24

// A Load is what a scan means for one network of 256 addresses (/24). Targets are asked in random order, so what one network
// gets is a share of what all get, at random moments.
type Load struct {
	Nets   uint64        // networks with an address that is asked
	Addrs  uint64        // addresses asked in the one that has most of them
	Probes uint64        // the most that this one can get in the whole scan
	Rate   float64       // probes that it gets per second, on average
	Gap    time.Duration // mean time between two of them
}

// estimate does the arithmetic.
func estimate(p *Plan) Estimate {
	e := Estimate{WireLen: wireLen(p.FrameLen), Probes: p.Share * uint64(p.Tries), Listening: p.Cooldown}
	if p.Rate > 0 {
		if most := p.Rate * p.MaxRuntime.Seconds(); p.MaxRuntime > 0 && most < float64(e.Probes) {
			e.Probes = max(1, uint64(most))
		}
		e.Sending = seconds(float64(e.Probes) / p.Rate)
		e.Bits = 8 * float64(e.WireLen) * p.Rate
	}
	if p.Neighbours > 0 {
		e.Asking = netdev.NeighbourTime(p.Neighbours, arpRate(p.Rate))
	}
	e.Bytes = e.Probes * uint64(e.WireLen)
	d := p.Asked.Density(loadBits)
	e.Load = Load{
		Nets: d.Nets, Addrs: d.Most,
		Probes: min(e.Probes, d.Most*p.Asked.Cols()*uint64(p.Tries)),
		Rate:   p.Rate * float64(d.Most) / float64(p.Asked.Addrs()),
	}
	if e.Load.Rate > 0 {
		e.Load.Gap = seconds(1 / e.Load.Rate)
	}
	return e
}

// seconds is a number of seconds as a duration, the longest there is if that is shorter.
func seconds(s float64) time.Duration {
	return time.Duration(min(s*float64(time.Second), math.MaxInt64))
}

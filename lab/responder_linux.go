package lab

import (
	"fmt"
	"time"
)

// A station connects a responder to the link: a ring on one side, a sender on the other.
type station struct {
	responder *responder
	ring      *ring
	sender    *sender
	failed    error // set by emit, looked at by run
}

// openStation prepares the responder for the hosts of t that need one, or returns nil when there are none. Probes
// arrive at one interface, answers leave by the other, all of them past its programs unless those are to lose some.
func openStation(t *Truth, l Link, index, back int, lossy bool) (*station, error) {
	var ours []span
	for _, s := range t.spans {
		if t.hosts[s.hosts].Kind.responds() {
			ours = append(ours, s)
		}
	}
	if len(ours) == 0 {
		return nil, nil
	}
	s := new(station)
	var err error
	if s.sender, err = openSender(back, !lossy); err != nil {
		return nil, fmt.Errorf("open the responder's sender: %w", err)
	}
	if s.ring, err = openRing(index, towards(ours)); err != nil {
		return nil, fmt.Errorf("open the responder's ring: %w", err)
	}
	s.responder = newResponder(t, l, func(frame []byte, _ Answer) {
		if err := s.sender.add(frame); err != nil {
			s.failed = err
		}
	})
	return s, nil
}

// run answers until the process ends, or something does not work any more.
func (s *station) run() error {
	start := time.Now()
	for {
		wait := s.responder.release(time.Since(start))
		if err := s.flush(); err != nil {
			return err
		}
		if _, err := s.ring.poll(wait, func(frame []byte, _ int64) {
			s.responder.receive(frame, time.Since(start))
		}); err != nil {
			return err
		}
	}
}

func (s *station) flush() error {
	if s.failed != nil {
		return s.failed
	}
	return s.sender.flush()
}

// stats may be called while run goes on.
func (s *station) stats() (ResponderStats, error) {
	c := &s.responder.counts
	lost, err := s.ring.countLost()
	return ResponderStats{
		Probes: c.probes.Load(),
		Sent: Replies{
			SYNACK: c.sent[SYNACK].Load(), RST: c.sent[RST].Load(), EchoReply: c.sent[EchoReply].Load(),
			Reply: c.sent[Reply].Load(), Unreachable: c.sent[Unreachable].Load(),
		},
		Forged:  c.sent[Forged].Load(),
		Waiting: uint64(c.waiting.Load()),
		Lost:    lost,
		Refused: s.sender.refused.Load(),
	}, err
}

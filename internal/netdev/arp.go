package netdev

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/zmap-go/zmap/packet"
)

// An asker asks by ARP (RFC 826), or for IPv6 by Neighbor Discovery (RFC 4861 section 7.2), for the hardware addresses of neighbours, a few
// times each.
//
// It always speaks as the interface, whatever --source-mac says, since answers go where the question came from.
type asker struct {
	conn     askConn
	mac      packet.MAC      // the interface's
	own      []netip.Prefix  // the interface's addresses
	fallback netip.Addr      // sender address for targets outside own networks; invalid: none
	waits    []time.Duration // how long to listen after each round of requests; its length is the number of rounds
	gap      time.Duration   // time between two requests
}

// maxLag is how much time of missed sending is caught up.
const maxLag = 2 * time.Millisecond

// newAsker returns an asker for an interface; the caller sets the rest and closes conn.
func newAsker(conn askConn, d *device, addrs []address) *asker {
	a := &asker{conn: conn, mac: d.mac}
	for _, own := range addrs {
		if own.index == d.index {
			a.own = append(a.own, own.prefix)
		}
	}
	return a
}

// ask returns the hardware addresses of those targets that answer; there must be no duplicates. It returns as soon as
// all have answered.
func (a *asker) ask(ctx context.Context, targets []netip.Addr) (map[netip.Addr]packet.MAC, error) {
	defer context.AfterFunc(ctx, a.conn.interrupt)()
	c := census{asker: a, silent: make(map[netip.Addr]struct{}, len(targets)), found: make(map[netip.Addr]packet.MAC)}
	for _, t := range targets {
		c.silent[t] = struct{}{}
	}
	for round, wait := range a.waits {
		if err := c.round(ctx, round, targets); err != nil {
			return nil, err
		}
		if err := c.listen(ctx, time.Now().Add(wait)); err != nil {
			return nil, err
		}
	}
	return c.found, nil
}

// A census is one run of an asker.
type census struct {
	*asker
	silent map[netip.Addr]struct{}
	found  map[netip.Addr]packet.MAC
	buf    [128]byte
}

// round sends one request to every target that is silent so far.
func (c *census) round(ctx context.Context, round int, targets []netip.Addr) error {
	next := time.Now()
	for _, t := range targets {
		if _, ok := c.silent[t]; !ok {
			continue
		}
		if err := c.listen(ctx, next); err != nil {
			return err
		}
		n := c.request(c.buf[:], t, round)
		if err := c.conn.send(c.buf[:n]); err != nil {
			return err
		}
		next = next.Add(c.gap)
		if earliest := time.Now().Add(-maxLag); next.Before(earliest) {
			next = earliest
		}
	}
	return nil
}

// listen takes replies until the time has come or nobody is silent any more.
func (c *census) listen(ctx context.Context, until time.Time) error {
	for len(c.silent) > 0 && time.Now().Before(until) {
		n, err := c.conn.receive(c.buf[:], until)
		if ctxErr := ctx.Err(); ctxErr != nil {
			return ctxErr
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("receive answers of neighbours: %w", err)
		}
		if addr, mac, ok := c.reply(c.buf[:n]); ok {
			if _, asked := c.silent[addr]; asked {
				c.found[addr] = mac
				delete(c.silent, addr)
			}
		}
	}
	return ctx.Err()
}

// request writes the frame that asks for target, and returns its length.
func (a *asker) request(frame []byte, target netip.Addr, round int) int {
	if target.Is6() {
		return packet.NeighborSolicit{SenderMAC: a.mac, SenderIP: a.sender(target, 0), TargetIP: target}.EncodeFrame(frame)
	}
	f := packet.ARPFields{Op: packet.ARPRequest, SenderMAC: a.mac, SenderIP: a.sender(target, round), TargetIP: target}
	return f.EncodeFrame(frame)
}

// sender chooses the address in whose name to ask. Ours in the target's network is always good. Any other may be
// refused by the target's own route checks, so every second request then comes from 0.0.0.0, an ARP probe (RFC 5227
// section 2.1.1), which all must answer and none must learn from. Neighbor Discovery knows no such doubts.
func (a *asker) sender(target netip.Addr, round int) netip.Addr {
	for _, p := range a.own {
		if p.Contains(target) {
			return p.Addr()
		}
	}
	if a.fallback.IsValid() && round%2 == 0 {
		return a.fallback
	}
	return netip.IPv4Unspecified()
}

// reply returns who says in a frame that he is where, if the frame is an answer to a request of ours. Announcements and
// answers to others do not count: they may be older than our question.
func (a *asker) reply(frame []byte) (netip.Addr, packet.MAC, bool) {
	if n, ok := packet.ParseNeighborAdvert(frame); ok {
		mac := n.TargetMAC
		good := n.Solicited && n.DstMAC == a.mac && n.Dst == a.sender(n.TargetIP, 0) && !mac.IsZero() && !mac.IsMulticast() && mac != a.mac
		return n.TargetIP, mac, good
	}
	p, ok := packet.ParseARP(frame)
	if !ok || p.Op() != packet.ARPReply || p.TargetMAC() != a.mac {
		return netip.Addr{}, packet.MAC{}, false
	}
	if dst := packet.Ethernet(frame).Dst(); dst != a.mac && dst != packet.BroadcastMAC() {
		return netip.Addr{}, packet.MAC{}, false
	}
	addr, mac, to := p.SenderIP(), p.SenderMAC(), p.TargetIP()
	if mac.IsZero() || mac.IsMulticast() || mac == a.mac {
		return netip.Addr{}, packet.MAC{}, false
	}
	if to != a.sender(addr, 0) && to != a.sender(addr, 1) {
		return netip.Addr{}, packet.MAC{}, false
	}
	return addr, mac, true
}

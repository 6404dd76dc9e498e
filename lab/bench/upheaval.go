package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/zmap-go/zmap/lab"
)

// flaps is how often the interface goes down in a scan, and moves how often the gateway is another machine.
const (
	flaps = 4
	moves = 1
)

// upheavals takes the scanner's interface down and up again while it scans, and then, in another scan, lets another machine take over as
// the gateway.
func upheavals(ctx context.Context, s *session, rng *rand.Rand) error {
	t := table{
		title: fmt.Sprintf("scans of %s at %d probes a second, whose interface goes down for up to a second, or whose gateway gets another hardware address", chaosNet, chaosRate),
		head:  []string{"scan", "link", "targets never asked", "asked again", "answers lost"},
	}
	for _, link := range []string{"socket", "ring", "xdp"} {
		unasked, again, lost, err := upheaval(ctx, s, link, flaps, func(n *lab.Net) error {
			if err := n.LinkDown(); err != nil {
				return err
			}
			time.Sleep(time.Duration(rng.Int64N(int64(time.Second))))
			return n.LinkUp()
		})
		if err != nil {
			return err
		}
		t.add(fmt.Sprintf("down %d times", flaps), link, fmt.Sprint(unasked), fmt.Sprint(again), fmt.Sprint(lost))
		s.bars = append(s.bars, bar{what: fmt.Sprintf("%s, interface down %d times: targets never asked, or asked again", link, flaps), got: float64(unasked + again)})
	}
	unasked, again, lost, err := upheaval(ctx, s, "auto", moves, func(n *lab.Net) error {
		return n.MoveGateway(ctx, net.HardwareAddr{2, 'm', 'o', 'v', 'e', 'd'})
	})
	if err != nil {
		return err
	}
	t.add("gateway moves", "auto", fmt.Sprint(unasked), fmt.Sprint(again), fmt.Sprint(lost))
	t.notes = append(t.notes, fmt.Sprintf("Answers lost are those on their way when the interface went down, and those to %.1f s of probes to the old gateway.", float64(lost)/chaosRate))
	s.tables = append(s.tables, t)
	return nil
}

// upheaval scans a network where every host answers, while what is done so many times at random moments.
func upheaval(ctx context.Context, s *session, link string, times int, what func(*lab.Net) error) (unasked, again, lost int, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	world := lab.World{
		Ports: []uint16{80}, Crowd: &lab.Crowd{Prefix: netip.MustParsePrefix("10.255.0.0/16")},
		Hosts: []lab.Hosts{{Prefix: netip.MustParsePrefix(chaosNet), Kind: lab.Kernel}},
	}
	n, err := lab.New(ctx, world)
	if err != nil {
		return 0, 0, 0, err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	dir, err := os.MkdirTemp("", "zmap-chaos")
	if err != nil {
		return 0, 0, 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	capture, err := n.Capture(ctx, lab.CaptureSpec{Select: lab.Probes, Keep: 1 << 18})
	if err != nil {
		return 0, 0, 0, err
	}
	var done error
	var work sync.WaitGroup
	work.Go(func() {
		for range times {
			time.Sleep(600 * time.Millisecond)
			done = errors.Join(done, what(n))
		}
	})
	err = s.inFolder(ctx, dir, "-C", "/dev/null", "-b", "/dev/null", "-q", "-v", "0", "-p", "80", "-r", strconv.Itoa(chaosRate), "-c", "1", "--link", link, "-o", "hits.csv", chaosNet)
	work.Wait()
	if err = errors.Join(err, done); err != nil {
		return 0, 0, 0, err
	}
	seen, err := capture.Stop(ctx)
	if err != nil {
		return 0, 0, 0, err
	}
	if unasked, again, err = askedIn(seen); err != nil {
		return 0, 0, 0, err
	}
	h, err := readHits(filepath.Join(dir, "hits.csv"), func(a netip.Addr) bool { return isLive(world, a) })
	if err != nil {
		return 0, 0, 0, err
	}
	return unasked, again, 1<<16 - h.found, nil
}

package main

import (
	"context"
	"fmt"
	"math"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/zmap-go/zmap/lab"
)

// liveWorld is a /8 in which 5 of the 256 /16s, 2 % of the addresses, are live hosts with a kernel's TCP.
func liveWorld() lab.World {
	w := lab.World{Ports: []uint16{80}, Tally: true}
	for _, second := range []byte{7, 55, 101, 160, 233} {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, second}), 16)
		w.Hosts = append(w.Hosts, lab.Hosts{Prefix: p, Kind: lab.Kernel})
	}
	return w
}

// isLive says whether a is one of the world's hosts.
func isLive(w lab.World, a netip.Addr) bool {
	return slices.ContainsFunc(w.Hosts, func(h lab.Hosts) bool { return h.Prefix.Contains(a) })
}

// loss scans the live world at a steady rate and compares the rows with the answers that were sent.
func loss(ctx context.Context, s *session) error {
	world := liveWorld()
	net, err := lab.New(ctx, world)
	if err != nil {
		return err
	}
	defer func() { _ = net.Close() }()
	dir, err := os.MkdirTemp("", "zmap-bench")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	out, sending := filepath.Join(dir, "hits.csv"), s.sending(time.Minute)
	ctx, cancel := context.WithTimeout(ctx, sending+runBound)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.zmap, "-C", "/dev/null", "-b", "/dev/null", "-q", "-v", "1", "-p", "80",
		"-r", strconv.Itoa(s.rate), "-t", strconv.Itoa(int(sending/time.Second)), "-c", "3", "-o", out, network)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("run %s: %w", s.zmap, err)
	}
	h, err := readHits(out, func(a netip.Addr) bool { return isLive(world, a) })
	if err != nil {
		return err
	}
	st, err := net.Stats(ctx)
	if err != nil {
		return err
	}
	answered := int(st.Tally.Kernel.SYNACK)
	what := fmt.Sprintf("%d probes a second for %v, 2 %% of a /8 answering", s.rate, sending)
	t := table{title: what, head: []string{"SYNs arrived", "a second", "SYN-ACKs sent", "hosts found", "rows wrong or twice"}}
	t.add(fmt.Sprint(st.Tally.SYNs), fmt.Sprintf("%.0f", float64(st.Tally.SYNs)/sending.Seconds()), fmt.Sprint(answered),
		fmt.Sprint(h.found), fmt.Sprint(h.nobody+h.twice))
	s.tables = append(s.tables, t)
	s.bars = append(s.bars, bar{what: what + ": answers lost, or rows wrong", got: math.Abs(float64(answered-h.found)) + float64(h.nobody+h.twice)})
	return nil
}

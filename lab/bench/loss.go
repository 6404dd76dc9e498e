package main

import (
	"bufio"
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/zmap-go/zmap/lab"
)

// livePort is the port that the live hosts listen on.
const livePort = 80

// liveWorld is a /8 in which 5 of the 256 /16s, 2 % of the addresses, are live hosts with a kernel's TCP.
func liveWorld() lab.World {
	w := lab.World{Ports: []uint16{livePort}, Tally: true}
	for _, second := range []byte{7, 55, 101, 160, 233} {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, second}), 16)
		w.Hosts = append(w.Hosts, lab.Hosts{Prefix: p, Kind: lab.Kernel})
	}
	return w
}

// loss scans the live world at a steady rate and compares the rows with the answers that were sent.
func loss(ctx context.Context, o *options) error {
	net, err := lab.New(ctx, liveWorld())
	if err != nil {
		return err
	}
	defer func() { _ = net.Close() }()
	dir, err := os.MkdirTemp("", "zmap-bench")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	out := filepath.Join(dir, "hits.csv")
	seconds := strconv.Itoa(int(o.time.Seconds()))
	cmd := exec.CommandContext(ctx, o.zmap, "-C", "/dev/null", "-b", "/dev/null", "-q", "-p", strconv.Itoa(livePort),
		"-r", strconv.Itoa(o.rate), "-t", seconds, "-c", "4", "-o", out, network)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("run %s: %w", o.zmap, err)
	}
	rows, wrong, err := readHits(out)
	if err != nil {
		return err
	}
	st, err := net.Stats(ctx)
	if err != nil {
		return err
	}
	answered := st.Tally.Kernel.SYNACK
	fmt.Printf("%d probes a second for %s: %d SYNs arrived (%.0f a second), %d SYN-ACKs were sent, %d distinct hosts are in the "+
		"output, %d of them wrong or twice: %d lost\n",
		o.rate, o.time, st.Tally.SYNs, float64(st.Tally.SYNs)/o.time.Seconds(), answered, rows, wrong, int64(answered)-int64(rows))
	if rows != int(answered) || wrong != 0 {
		return fmt.Errorf("%d answers, %d rows, %d wrong: they should be the same", answered, rows, wrong)
	}
	return nil
}

// readHits counts the distinct addresses in a file, and the lines that are no live host or come again.
func readHits(path string) (distinct, wrong int, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	live := liveWorld()
	seen := make(map[netip.Addr]bool)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		a, err := netip.ParseAddr(lines.Text())
		if err != nil || seen[a] || !isLive(live, a) {
			wrong++
			continue
		}
		seen[a] = true
	}
	return len(seen), wrong, nil
}

// isLive says whether a is one of the world's hosts.
func isLive(w lab.World, a netip.Addr) bool {
	for _, h := range w.Hosts {
		if h.Prefix.Contains(a) {
			return true
		}
	}
	return false
}

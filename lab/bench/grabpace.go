package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/zmap-go/zmap/lab"
)

// paceNetwork is a /16 all of whose hosts answer at once: 65,536.
const paceNetwork = "10.128.0.0/16"

// grabPace has a BPF program answer, without a server and without state, so that what is measured is the scanner. The program runs
// where the cable is, on the core of whoever sends: scanner, kernel and lab share one.
func grabPace(ctx context.Context, s *session) error {
	dir, err := os.MkdirTemp("", "zmap-bench")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	flight, err := certificateFlight()
	if err != nil {
		return err
	}
	cores := s.coresOr(firstCores(1))
	where := strings.ToLower(coreWords(cores))
	t := table{
		title: fmt.Sprintf("%s, all of it answering without a server: SYN to row in one command, on %s with the lab and the kernel", paceNetwork, where),
		head:  []string{"module", "transport", "grabs/s", "to dial", "CPU us a grab", "hosts without a row of success"},
		notes: []string{"CPU is that of the process, its system calls included; of the cable and the responder only what runs within those."},
	}
	for _, c := range []struct {
		module                   string
		reply                    []byte
		hangUp                   bool
		oneshot, handover, least float64
	}{{"http", webPage(), true, 3, 1.2, 0}, {certsModule, flight, false, 3, 1.2, 20_000}} {
		rate := make(map[string]float64)
		for _, transport := range []string{"dial", "handover", "oneshot"} {
			f, err := s.pace(ctx, dir, cores, c.module, transport, &lab.Crowd{Prefix: netip.MustParsePrefix(paceNetwork), Share: 1, Reply: c.reply, HangUp: c.hangUp})
			if err != nil {
				return fmt.Errorf("%s by %s: %w", c.module, transport, err)
			}
			rate[transport] = f.rate
			t.add(moduleWords(c.module), transport, fmt.Sprintf("%.0f", f.rate), fmt.Sprintf("%.2f x", f.rate/rate["dial"]), fmt.Sprintf("%.1f", f.cpu), fmt.Sprint(f.lost))
		}
		what := moduleWords(c.module) + ", answers without a server, " + where + ": "
		s.bars = append(s.bars,
			bar{what: what + "grabs a second by oneshot, to dial", got: rate["oneshot"] / rate["dial"], want: c.oneshot, atLeast: true, unit: " x"},
			bar{what: what + "grabs a second by handover, to dial", got: rate["handover"] / rate["dial"], want: c.handover, atLeast: true, unit: " x"})
		if c.least > 0 {
			s.bars = append(s.bars, bar{what: what + "grabs a second by oneshot", got: rate["oneshot"], want: c.least, atLeast: true})
		}
	}
	s.tables = append(s.tables, t)
	return nil
}

// A grabFigure is what a scan with grabs came to.
type grabFigure struct {
	rate, cpu float64 // grabs a second, microseconds of CPU time for one
	lost      uint64  // hosts
}

// pace scans a crowd that talks, the whole of it.
func (s *session) pace(ctx context.Context, dir, cores, module, transport string, crowd *lab.Crowd) (f grabFigure, err error) {
	n, err := lab.New(ctx, lab.World{Crowd: crowd})
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	run := s.ours("xdp", cores, dir, "-r", "100000", "-p", "80", "--link", "xdp", "--grab", module, "--grab-transport", transport, "-O", "json", "-f", "saddr,data",
		"--output-filter", "success = 1 && repeat = 0", "--grab-per-network", "256", "--grab-in-flight", "2000", crowd.Prefix.String())
	e, err := run.run(ctx, dir)
	if err != nil {
		return f, err
	}
	good, err := successes(run.out)
	if err != nil {
		return f, err
	}
	all := 1 << (32 - crowd.Prefix.Bits())
	f.rate = float64(good) / (e.whole - s.listen).Seconds()
	f.cpu = e.cpu.Seconds() * 1e6 / float64(good)
	f.lost = uint64(all - good)
	return f, nil
}

// webPage is an answer of HTTP.
func webPage() []byte {
	const size = 500
	return fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", size, strings.Repeat(" ", size))
}

// grabsBesideZGrab2 has this program and zgrab2 make the same TLS handshakes with the same hosts over ordinary connections, on one
// core, the server on the others.
func (s *session) grabsBesideZGrab2(ctx context.Context, dir string, hosts netip.Prefix) error {
	const what = "full TLS over ordinary connections, one core: CPU time of zgrab2 to that of zmap grab"
	their, err := exec.LookPath("zgrab2")
	if err != nil {
		s.bars = append(s.bars, bar{what: what, got: math.NaN(), want: 2.5, atLeast: true, unit: " x", why: "no zgrab2 is installed"})
		return nil
	}
	list := dir + "/hosts"
	var lines bytes.Buffer
	count := 0
	for a := hosts.Addr(); hosts.Contains(a) && count < 4000; a = a.Next() {
		lines.WriteString(a.String() + "\n")
		count++
	}
	if err := os.WriteFile(list, lines.Bytes(), 0o600); err != nil {
		return err
	}
	cores := firstCores(1)
	t := table{
		title: fmt.Sprintf("%d full TLS handshakes over ordinary connections, the scanner on %s", count, strings.ToLower(coreWords(cores))),
		head:  []string{"program", "handshakes/s", "CPU ms a handshake", "success"},
	}
	cpu := make(map[string]float64)
	for _, c := range []contender{
		{name: "zgrab2 v1.0.0", path: their, args: []string{"tls", "-p", grabPort, "-f", list, "-o", dir + "/theirs", "-b", "/dev/null", "-l", "/dev/null", "-m", "/dev/null", "-s", "500"}, out: dir + "/theirs"},
		{name: "zmap grab", path: s.zmap, args: []string{"grab", "tls", "roots=none", "-p", grabPort, "-I", list, "-o", dir + "/ours", "-b", "/dev/null", "-q", "--rate", "0", "--in-flight", "500", "--per-network", "256"}, out: dir + "/ours"},
	} {
		c.cores = cores
		e, err := c.run(ctx, dir)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		good, err := successes(c.out)
		if err != nil {
			return err
		}
		cpu[c.name] = e.cpu.Seconds() * 1000 / float64(good)
		t.add(c.name, fmt.Sprintf("%.0f", float64(good)/e.whole.Seconds()), fmt.Sprintf("%.3f", cpu[c.name]), strconv.Itoa(good))
	}
	s.tables = append(s.tables, t)
	s.bars = append(s.bars, bar{what: what, got: cpu["zgrab2 v1.0.0"] / cpu["zmap grab"], want: 2.5, atLeast: true, unit: " x"})
	return nil
}

package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/zmap-go/zmap/lab"
)

// network is what every benchmark scans.
const network = "10.0.0.0/8"

// A contender is one program with the arguments that make it send as fast as it can.
type contender struct {
	name string
	path string
	args []string
}

// A figure is what one run came to.
type figure struct {
	frames  uint64        // that reached the Internet's end
	elapsed time.Duration // from the first to the last of them, about
	cpu     time.Duration // user and system time of the process
}

// rate is frames per second.
func (f figure) rate() float64 { return float64(f.frames) / f.elapsed.Seconds() }

// nobody is a hardware address that no interface has: the receiving kernel drops frames to it before it looks inside, so
// that as little as possible of a figure is the cost of receiving, which is the same for all.
const nobody = "02:00:00:00:00:99"

// contenders returns the programs that are there, ours first, and names those that are not.
func contenders(o *options, link lab.Link) (list []contender, missing []string) {
	n := strconv.Itoa(o.count)
	threads := strconv.Itoa(strings.Count(o.cores, ",") + 1)
	all := []contender{
		{"this zmap, socket", o.zmap, []string{
			"-C", "/dev/null", "-q", "-v", "0", "-r", "0", "-T", threads, "--link", "socket", "-p", "80", "-n", n, "-c", "0",
			"-o", "/dev/null", "-b", "/dev/null", "-G", nobody, network,
		}},
		{"this zmap, socket, no qdisc bypass", o.zmap, []string{
			"-C", "/dev/null", "-q", "-v", "0", "-r", "0", "-T", threads, "--link", "socket", "--no-qdisc-bypass", "-p", "80",
			"-n", n, "-c", "0", "-o", "/dev/null", "-b", "/dev/null", "-G", nobody, network,
		}},
		{"installed zmap (C)", "zmap", []string{
			"-C", "/dev/null", "-q", "-v", "0", "-B", "100G", "-T", threads, "--cores=" + o.cores, "-p", "80", "-n", n, "-c", "1",
			"-i", link.Interface, "-G", nobody, "-S", link.Scanner.String(), "-o", "/dev/null", "-b", "/dev/null", network,
		}},
		{"installed masscan", "masscan", []string{
			"--rate", "100000000", "-p80", network, "--adapter", link.Interface, "--adapter-ip", link.Scanner.String(),
			"--router-mac", nobody, "--wait", "0", "--shards", "1/" + strconv.Itoa(max(1, (1<<24)/o.count)),
		}},
	}
	for _, c := range all {
		path, err := exec.LookPath(c.path)
		if err != nil {
			missing = append(missing, c.name)
			continue
		}
		c.path = path
		list = append(list, c)
	}
	return list, missing
}

// send compares how fast programs send at an Internet that stays silent.
func send(ctx context.Context, o *options) error {
	net, err := lab.New(ctx, lab.World{Hosts: []lab.Hosts{{Prefix: netip.MustParsePrefix(network), Kind: lab.Silent}}})
	if err != nil {
		return err
	}
	defer func() { _ = net.Close() }()
	list, missing := contenders(o, net.Link())
	figures := make([][]figure, len(list))
	for round := range o.runs {
		for i, c := range list {
			f, err := measure(ctx, o, net, c)
			if err != nil {
				return fmt.Errorf("run %s: %w", c.name, err)
			}
			figures[i] = append(figures[i], f)
			fmt.Fprintf(os.Stderr, "run %d of %d: %-36s %6.3f Mpps\n", round+1, o.runs, c.name, f.rate()/1e6)
		}
	}
	printSend(o, list, figures)
	for _, m := range missing {
		fmt.Printf("not installed, left out: %s\n", m)
	}
	return nil
}

// measure runs one program and counts the frames that arrive while it runs.
func measure(ctx context.Context, o *options, net *lab.Net, c contender) (figure, error) {
	before, err := net.Stats(ctx)
	if err != nil {
		return figure{}, err
	}
	watch := watchFrames(ctx, net, before.Link.In)
	cmd := exec.CommandContext(ctx, "taskset", append([]string{"-c", o.cores, c.path}, c.args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return figure{}, fmt.Errorf("%w: %s", err, out)
	}
	after, err := net.Stats(ctx)
	if err != nil {
		return figure{}, err
	}
	return figure{
		frames:  after.Link.In - before.Link.In,
		elapsed: watch(after.Link.In),
		cpu:     cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(),
	}, nil
}

// watchStep is how often the counter of arrived frames is read, which is how exact elapsed times are.
const watchStep = 20 * time.Millisecond

// watchFrames reads the counter of arrived frames until the returned function is called with its last value, and returns
// the time from the first movement to that value: start-up, cooldown and tear-down of a program do not count.
func watchFrames(ctx context.Context, net *lab.Net, start uint64) func(end uint64) time.Duration {
	type reading struct {
		at time.Time
		n  uint64
	}
	var all []reading
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(watchStep):
			}
			if st, err := net.Stats(ctx); err == nil {
				all = append(all, reading{time.Now(), st.Link.In})
			}
		}
	}()
	return func(end uint64) time.Duration {
		close(stop)
		<-done
		first := slices.IndexFunc(all, func(r reading) bool { return r.n > start+10 })
		last := slices.IndexFunc(all, func(r reading) bool { return r.n >= end-10 })
		if first < 0 || last <= first {
			return watchStep
		}
		return all[last].at.Sub(all[first].at)
	}
}

// printSend prints medians and ratios.
func printSend(o *options, list []contender, figures [][]figure) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "cores %s, %d targets, medians of %d runs\n", o.cores, o.count, o.runs)
	base := -1
	for i, c := range list {
		if c.name == "installed zmap (C)" {
			base = i
		}
	}
	fmt.Fprintf(w, "program\tMpps\tCPU s per million\tratio to installed zmap\n")
	for i, c := range list {
		ratio := "-"
		if base >= 0 {
			ratio = fmt.Sprintf("%.2f", median(figures[i], figure.rate)/median(figures[base], figure.rate))
		}
		cpu := median(figures[i], func(f figure) float64 { return f.cpu.Seconds() / float64(f.frames) * 1e6 })
		fmt.Fprintf(w, "%s\t%.3f\t%.2f\t%s\n", c.name, median(figures[i], figure.rate)/1e6, cpu, ratio)
	}
	_ = w.Flush() // to standard output
}

// median returns the middle value of what of makes of the figures.
func median(figures []figure, of func(figure) float64) float64 {
	v := make([]float64, len(figures))
	for i, f := range figures {
		v[i] = of(f)
	}
	slices.Sort(v)
	return v[len(v)/2]
}

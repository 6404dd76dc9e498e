package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zmap-go/zmap/lab"
)

// A figure is what one run came to.
type figure struct {
	probes   uint64  // that reached the Internet's end
	answered uint64  // answers that were sent from it
	refused  uint64  // of them those that the cable had no room for
	rate     float64 // probes a second, while it sent
	effort           // with what the kernel's threads did for the process in its CPU time
	hits     *hits   // nil if nobody asked for them
}

// perMillion is CPU seconds per million probes.
func (f figure) perMillion() float64 { return f.cpu.Seconds() / float64(f.probes) * 1e6 }

// lost is how many hosts answered and are not in the output.
func (f figure) lost() float64 { return float64(f.answered) - float64(f.hits.found) }

// runBound is the most that one run may take.
const runBound = time.Minute

// An arena is a lab with the crowd that programs are let loose on.
type arena struct {
	net   *lab.Net
	crowd *lab.Crowd
	dir   string // for their output
}

// openArena builds one with the network that benchmarks scan. The caller closes it.
func openArena(ctx context.Context, share float64) (*arena, error) {
	return openCrowd(ctx, &lab.Crowd{Prefix: scanned(), Share: share})
}

// openCrowd builds an arena with a crowd of one's own. The caller closes it.
func openCrowd(ctx context.Context, crowd *lab.Crowd) (_ *arena, err error) {
	a := &arena{crowd: crowd}
	w := lab.World{Crowd: a.crowd, Queues: runtime.NumCPU()}
	if crowd.IPv6 {
		w.IPv6 = &lab.IPv6{}
	}
	if a.net, err = lab.New(ctx, w); err != nil {
		return nil, err
	}
	if a.dir, err = os.MkdirTemp("", "zmap-bench"); err != nil {
		return nil, errors.Join(err, a.net.Close())
	}
	return a, nil
}

func (a *arena) close() {
	_ = os.RemoveAll(a.dir)
	_ = a.net.Close() // its processes die with this one
}

// errNothing says that a program ended well and sent nothing: some count their time for sending from before they are ready,
// and on a busy machine it is over then.
var errNothing = errors.New("no probe arrived")

// tries is how often a program that sends nothing is run.
const tries = 4

// measure runs one program, and looks at the Internet's end meanwhile.
func (a *arena) measure(ctx context.Context, c contender) (f figure, err error) {
	for range tries {
		if f, err = a.run(ctx, c); !errors.Is(err, errNothing) {
			break
		}
		fmt.Fprintf(os.Stderr, "%v: once more\n", err)
	}
	return f, err
}

// run is one try of measure.
func (a *arena) run(ctx context.Context, c contender) (f figure, err error) {
	if !c.ownXDP && a.crowd.Share > 0 {
		end, err := a.net.HearCrowd()
		if err != nil {
			return f, err
		}
		defer func() { _ = end() }()
	}
	before, err := a.net.Stats(ctx)
	if err != nil {
		return f, err
	}
	softirq, err := softirqTime()
	if err != nil {
		return f, err
	}
	for _, old := range []string{c.out, c.log} {
		_ = os.Remove(old)
	}
	watch := watchProbes(ctx, a.net, before.Crowd.SYNs)
	f.effort, err = c.run(ctx, a.dir)
	if err != nil {
		watch(0)
		return f, fmt.Errorf("run %s: %w", c.name, err)
	}
	after, err := a.net.Stats(ctx)
	f.rate = watch(after.Crowd.SYNs)
	if err != nil {
		return f, err
	}
	softirqEnd, err := softirqTime()
	if err != nil {
		return f, err
	}
	f.probes, f.answered = after.Crowd.SYNs-before.Crowd.SYNs, after.Crowd.Answered-before.Crowd.Answered
	f.refused = after.Crowd.Refused - before.Crowd.Refused
	f.cpu += softirqEnd - softirq
	if f.probes == 0 {
		return f, fmt.Errorf("run %s: %w", c.name, errNothing)
	}
	if c.out != "" {
		f.hits, err = readHits(c.out, a.crowd.Has)
	}
	return f, err
}

// run runs the program to its end, or to its bound, in a folder for what it leaves there: masscan does.
func (c contender) run(ctx context.Context, dir string) (effort, error) {
	bound := runBound
	if c.stop > 0 {
		bound = c.stop
	}
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	cmd := exec.CommandContext(ctx, "taskset", append([]string{"-c", c.cores, c.path}, c.args...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Dir, cmd.WaitDelay = dir, 2*time.Second
	e, err := process{cmd: cmd, memory: c.memory}.run()
	if c.stop > 0 && ctx.Err() != nil {
		err = nil // as it was to be
	}
	return e, err
}

// softirqTime is the time that the kernel's softirq threads have run, which work for whoever sends and receives much.
func softirqTime() (time.Duration, error) {
	comms, err := filepath.Glob("/proc/[0-9]*/comm")
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	for _, path := range comms {
		name, err := os.ReadFile(path)
		if err != nil || !strings.HasPrefix(string(name), "ksoftirqd/") {
			continue // processes end while we look
		}
		stat, err := os.ReadFile(filepath.Join(filepath.Dir(path), "schedstat"))
		if err != nil {
			return 0, fmt.Errorf("read time of softirq thread: %w", err)
		}
		first, _, _ := strings.Cut(string(stat), " ")
		ns, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read time of softirq thread: %w", err)
		}
		sum += time.Duration(ns)
	}
	return sum, nil
}

// watchStep is how often the counter of arrived probes is read.
const watchStep = 20 * time.Millisecond

// A reading is the counter of arrived probes at a moment.
type reading struct {
	at time.Time
	n  uint64
}

// watchProbes reads the counter of arrived probes until the returned function is called with its last value, and returns
// the rate: start-up, cooldown and tear-down of a program do not count.
func watchProbes(ctx context.Context, net *lab.Net, start uint64) func(end uint64) float64 {
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
				all = append(all, reading{time.Now(), st.Crowd.SYNs})
			}
		}
	}()
	return func(end uint64) float64 {
		close(stop)
		<-done
		return rate(all, start, end)
	}
}

// few probes may come before and after the others: those that ask whether a link works, and retries.
const few = 10

// rate is that between the first reading after the start and the last one before the end. A run too short for that is taken
// to last from one reading to the next.
func rate(all []reading, start, end uint64) float64 {
	first := slices.IndexFunc(all, func(r reading) bool { return r.n > start+few })
	last := slices.IndexFunc(all, func(r reading) bool { return r.n+few >= end }) - 1
	if first < 0 || last <= first {
		return float64(end-start) / watchStep.Seconds()
	}
	return float64(all[last].n-all[first].n) / all[last].at.Sub(all[first].at).Seconds()
}

// median returns the middle value of what of makes of the figures.
func median(figures []figure, of func(figure) float64) float64 {
	v := make([]float64, len(figures))
	for i, f := range figures {
		v[i] = of(f)
	}
	return middle(v)
}

// middle returns the middle value, and sorts v.
func middle(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

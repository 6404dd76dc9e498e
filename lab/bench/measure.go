package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zmap-go/zmap/lab"
)

// A figure is what one run came to.
type figure struct {
	probes   uint64        // that reached the Internet's end
	answered uint64        // answers that left it
	found    int           // different hosts in the output
	elapsed  time.Duration // from the first to the last probe, about
	cpu      time.Duration // user and system time of the process, and what the kernel's threads did for it
}

// rate is probes per second.
func (f figure) rate() float64 { return float64(f.probes) / f.elapsed.Seconds() }

// perMillion is CPU seconds per million probes.
func (f figure) perMillion() float64 { return f.cpu.Seconds() / float64(f.probes) * 1e6 }

// lost is how many hosts answered and are not in the output.
func (f figure) lost() int { return int(f.answered) - f.found }

// runBound is the most that one run may take.
const runBound = time.Minute

// measure runs one program and looks at the Internet's end meanwhile.
func measure(ctx context.Context, o *options, net *lab.Net, c contender) (figure, error) {
	before, err := net.Stats(ctx)
	if err != nil {
		return figure{}, err
	}
	softirq, err := softirqTime()
	if err != nil {
		return figure{}, err
	}
	if !c.ownXDP {
		end, err := net.HearCrowd()
		if err != nil {
			return figure{}, err
		}
		defer func() { _ = end() }()
	}
	_ = os.Remove(c.out)
	watch := watchProbes(ctx, net, before.Crowd.SYNs)
	bound, cancel := context.WithTimeout(ctx, cmp.Or(c.bound, runBound))
	defer cancel()
	cmd := exec.CommandContext(bound, "taskset", append([]string{"-c", o.cores, c.path}, c.args...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil && (!c.hangs || bound.Err() == nil) {
		return figure{}, fmt.Errorf("%w: %s", err, out)
	}
	after, err := net.Stats(ctx)
	if err != nil {
		return figure{}, err
	}
	softirqEnd, err := softirqTime()
	if err != nil {
		return figure{}, err
	}
	f := figure{
		probes: after.Crowd.SYNs - before.Crowd.SYNs, answered: after.Crowd.Answered - before.Crowd.Answered,
		elapsed: watch(after.Crowd.SYNs),
		cpu:     cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime() + softirqEnd - softirq,
	}
	f.found, err = countHosts(c.out)
	return f, err
}

// countHosts counts the different addresses in a file: the last address-like word of each line that is no remark.
func countHosts(path string) (int, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	seen := make(map[string]struct{}, len(text)/12)
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		for word := range strings.FieldsSeq(line) {
			if strings.Count(word, ".") == 3 {
				seen[word] = struct{}{}
				break
			}
		}
	}
	return len(seen), nil
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

// watchStep is how often the counter of arrived probes is read, which is how exact elapsed times are.
const watchStep = 20 * time.Millisecond

// watchProbes reads the counter of arrived probes until the returned function is called with its last value, and returns
// the time from the first movement to that value: start-up, cooldown and tear-down of a program do not count.
func watchProbes(ctx context.Context, net *lab.Net, start uint64) func(end uint64) time.Duration {
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
				all = append(all, reading{time.Now(), st.Crowd.SYNs})
			}
		}
	}()
	return func(end uint64) time.Duration {
		close(stop)
		<-done
		// The first reading that moved is up to a step late; what was sent before it is little of the whole.
		first := slices.IndexFunc(all, func(r reading) bool { return r.n > start+10 })
		last := slices.IndexFunc(all, func(r reading) bool { return r.n >= end-10 })
		if first < 0 || last <= first {
			return watchStep
		}
		return all[last].at.Sub(all[first].at)
	}
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

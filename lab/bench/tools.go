package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A job is one run of a whole process, with what is counted in its output.
type job struct {
	name  string
	path  string
	args  []string
	stdin string // name of a file, "" for none
	null  bool   // its output goes to /dev/null, and count says how much it is
	count float64
	unit  func(output []byte) float64 // counts pieces in a part of the output, if there is no count
	bar   float64                     // millions a second; 0 for none
	peer  string                      // name of the job that the ratio is to
}

// A lap is what one run of a job took.
type lap struct {
	first time.Duration // from the start of the process to its first output
	whole time.Duration // to its end
	speed float64       // pieces a second: between first and last output, or in all if that is not seen
}

// Sizes of the work, which is a fiftieth if it has to be short.
const (
	fastRecords = 50_000_000
	textRecords = 2_000_000
	listed      = 1_000_000
	blockLines  = 100_000
	inputLines  = 10_000_000
	shortPart   = 50
)

// fastLen is the length of a record of --fast-dryrun, textLines the number of lines that --dryrun prints of a TCP probe.
const (
	fastLen   = 6
	textLines = 4
)

// cZMap43 is what C ZMap 4.3 does with --fast-dryrun, in millions a second on one thread of a machine like the one on which the
// bars were set. Its packages elsewhere are older and have no such option.
const cZMap43 = 4.5

// tools measures what does not touch a network: dry runs, and the companion tools.
func tools(ctx context.Context, s *session) error {
	dir, err := os.MkdirTemp("", "zmap-bench")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	jobs, err := s.toolJobs(ctx, dir)
	if err != nil {
		return err
	}
	laps := make(map[string][]lap)
	for round := range s.rounds() {
		for _, j := range jobs {
			l, err := j.run(ctx)
			if err != nil {
				return fmt.Errorf("run %s: %w", j.name, err)
			}
			laps[j.name] = append(laps[j.name], l)
			fmt.Fprintf(os.Stderr, "run %d of %d: %-32s %6.2f M/s, first output %5.2f s, all %5.2f s\n",
				round+1, s.rounds(), j.name, l.speed/1e6, l.first.Seconds(), l.whole.Seconds())
		}
	}
	s.judgeTools(jobs, laps)
	return nil
}

// nobody is a hardware address that no interface has.
const nobody = "02:00:00:00:00:99"

// toolJobs lists the work, and makes the files for it.
func (s *session) toolJobs(ctx context.Context, dir string) ([]job, error) {
	ips, blocklist, input := filepath.Join(dir, "ips"), filepath.Join(dir, "blocklist"), filepath.Join(dir, "input")
	r := rand.New(rand.NewPCG(1, 2))
	none := func() string { return "" }
	if err := errors.Join(writeAddrs(ips, s.size(listed), r, none), writeBlocklist(blocklist, s.size(blockLines), r),
		writeAddrs(input, s.size(inputLines), r, none)); err != nil {
		return nil, err
	}
	dry := []string{
		"-q", "-v", "0", "-r", "0", "-T", "1", "-p", "80", "-C", "/dev/null", "-b", "/dev/null", "-i", "lo", "-S", "127.0.0.1", "-G", nobody,
	}
	with := func(args ...string) []string { return append(slices.Clone(dry), args...) }
	records := func(b []byte) float64 { return float64(len(b)) / fastLen }
	texts := func(b []byte) float64 { return float64(bytes.Count(b, []byte("\n"))) / textLines }
	jobs := []job{
		{name: "--fast-dryrun", path: s.zmap, args: with("--fast-dryrun", "-n", strconv.Itoa(s.size(fastRecords))), unit: records, bar: 2 * cZMap43},
		{name: "--dryrun", path: s.zmap, args: with("--dryrun", "-n", strconv.Itoa(s.size(textRecords))), unit: texts},
		{name: "-I, 1 M addresses", path: s.zmap, args: with("--fast-dryrun", "-I", ips), unit: records},
		{name: "ziterate, a /8", path: s.zmap, args: []string{"ziterate", "10.0.0.0/8"}, null: true, count: 1 << 24, bar: 20},
		{name: "zblocklist, 100,000 networks", path: s.zmap, args: []string{"zblocklist", "-b", blocklist}, stdin: input, null: true, count: float64(s.size(inputLines)), bar: 5},
	}
	path, err := exec.LookPath("zmap")
	if err != nil {
		return jobs, nil
	}
	// Its -c 0 still waits for its monitor at the end, which the time between first and last output leaves out.
	theirs := job{name: "installed zmap --dryrun", path: path, args: with("-c", "0", "--dryrun", "-n", strconv.Itoa(s.size(textRecords))), unit: texts}
	jobs[1].peer = theirs.name
	if help, _ := exec.CommandContext(ctx, path, "--help").CombinedOutput(); bytes.Contains(help, []byte("--fast-dryrun")) {
		fast := job{name: "installed zmap --fast-dryrun", path: path, args: with("-c", "0", "--fast-dryrun", "-n", strconv.Itoa(s.size(fastRecords))), unit: records}
		jobs[0].peer = fast.name
		jobs = append(jobs, fast)
	}
	return append(jobs, theirs), nil
}

// writeAddrs writes n lines with random addresses, each with what bits returns behind it.
func writeAddrs(path string, n int, r *rand.Rand, bits func() string) error {
	var text bytes.Buffer
	for range n {
		a := r.Uint32()
		fmt.Fprintf(&text, "%d.%d.%d.%d%s\n", a>>24, a>>16&255, a>>8&255, a&255, bits())
	}
	return os.WriteFile(path, text.Bytes(), 0o600)
}

// run runs the job once.
func (j job) run(ctx context.Context) (l lap, err error) {
	p := process{cmd: exec.CommandContext(ctx, j.path, j.args...)}
	if j.stdin != "" {
		f, err := os.Open(j.stdin)
		if err != nil {
			return lap{}, err
		}
		defer f.Close()
		p.cmd.Stdin = f
	}
	if !j.null {
		p.read = func(out io.Reader, start time.Time) error { return l.watch(out, start, j.unit) }
	}
	e, err := p.run()
	l.whole = e.whole
	if j.null {
		l.speed = j.count / l.whole.Seconds()
	}
	return l, err
}

// watch counts pieces in the output until that ends, and times them.
func (l *lap) watch(out io.Reader, start time.Time, unit func([]byte) float64) error {
	var last time.Duration
	pieces := 0.0
	for buf := make([]byte, 1<<16); ; {
		n, err := out.Read(buf)
		if n > 0 {
			last = time.Since(start)
			if l.first == 0 {
				l.first = last
			}
			pieces += unit(buf[:n])
		}
		if err == io.EOF {
			break
		} else if err != nil {
			return err
		}
	}
	l.speed = pieces / (last - l.first).Seconds()
	return nil
}

// judgeTools adds the table of medians, and the bars.
func (s *session) judgeTools(jobs []job, laps map[string][]lap) {
	median := func(name string, of func(lap) float64) float64 {
		var v []float64
		for _, l := range laps[name] {
			v = append(v, of(l))
		}
		return middle(v)
	}
	speed := func(l lap) float64 { return l.speed / 1e6 }
	t := table{title: fmt.Sprintf("Work without a network, medians of %d", s.rounds()), head: []string{"work", "M/s", "first output s", "all s", "remarks"}}
	for _, j := range jobs {
		got, first := median(j.name, speed), "-"
		if !j.null {
			first = fmt.Sprintf("%.3f", median(j.name, func(l lap) float64 { return l.first.Seconds() }))
		}
		var remarks []string
		if j.peer != "" {
			remarks = append(remarks, fmt.Sprintf("%.2f times %s", got/median(j.peer, speed), j.peer))
		}
		if j.bar > 0 {
			s.bars = append(s.bars, bar{what: j.name, got: got, want: j.bar, atLeast: true, unit: " M/s"})
		}
		if j.bar == 2*cZMap43 {
			remarks = append(remarks, fmt.Sprintf("%.2f times C ZMap 4.3 (%g M/s, on another machine)", got/cZMap43, cZMap43))
		}
		t.add(j.name, fmt.Sprintf("%.2f", got), first, fmt.Sprintf("%.2f", median(j.name, func(l lap) float64 { return l.whole.Seconds() })),
			strings.Join(remarks, ", "))
	}
	s.tables = append(s.tables, t)
}

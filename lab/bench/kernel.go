package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// kernel compares with a program that only redirects, which is the least that a sender of this kind can cost: our
// program's part alone, and a whole scan of real targets on one core.
func kernel(ctx context.Context, s *session) error {
	a, err := openArena(ctx, 0)
	if err != nil {
		return err
	}
	defer a.close()
	test := a.dir + "/xdp.test"
	if out, err := exec.CommandContext(ctx, "go", "test", "-c", "-o", test, "github.com/zmap-go/zmap/link/xdp").CombinedOutput(); err != nil {
		return fmt.Errorf("build the benchmark of link/xdp: %w: %s", err, out)
	}
	rounds := "10x"
	args := []string{"-r", "0", "--link", "xdp", "-p80", network}
	if s.short {
		rounds, args = "1x", append(args, "-n", strconv.Itoa(s.count))
	}
	whole := s.ours("xdp", firstCores(1), a.dir, args...)
	var floor, part, scan, partRatio, scanRatio []float64
	for round := range s.rounds() {
		b, err := kernelBench(ctx, test, rounds)
		if err != nil {
			return err
		}
		f, err := a.measure(ctx, whole)
		if err != nil {
			return err
		}
		floor, part, partRatio = append(floor, b["floor-ns/frame"]), append(part, b["ns/frame"]), append(partRatio, b["ratio"])
		scan = append(scan, 1e9/f.rate)
		scanRatio = append(scanRatio, 1e9/f.rate/b["floor-ns/frame"])
		fmt.Fprintf(os.Stderr, "kernel, run %d of %d: redirect only %.1f ns, kernel's part %.1f ns, whole %.1f ns\n",
			round+1, s.rounds(), b["floor-ns/frame"], b["ns/frame"], 1e9/f.rate)
	}
	t := table{title: "Against a program that only redirects, one core, 66-byte frames", head: []string{"what", "ns a frame", "to redirecting"}}
	t.add("a program that only redirects", fmt.Sprintf("%.1f", middle(floor)), "1")
	t.add("the kernel's part of xdp", fmt.Sprintf("%.1f", middle(part)), fmt.Sprintf("%.3f", middle(partRatio)))
	t.add("a whole scan by xdp", fmt.Sprintf("%.1f", middle(scan)), fmt.Sprintf("%.3f", middle(scanRatio)))
	s.tables = append(s.tables, t)
	s.bars = append(s.bars,
		bar{what: "Kernel's part of a frame's cost, to a program that only redirects", got: middle(partRatio), want: 1.25, unit: " x"},
		bar{what: "Whole scan on one core, to a program that only redirects", got: middle(scanRatio), want: 1.5, unit: " x"},
	)
	return nil
}

// kernelBench runs BenchmarkKernel on the first core, and returns its figures by their units.
func kernelBench(ctx context.Context, test, rounds string) (map[string]float64, error) {
	ctx, cancel := context.WithTimeout(ctx, runBound)
	defer cancel()
	out, err := exec.CommandContext(ctx, "taskset", "-c", firstCores(1), test, "-test.run", "^$", "-test.bench", "Kernel", "-test.benchtime", rounds).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("run the benchmark of link/xdp: %w: %s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "BenchmarkKernel") {
			return parseBench(line)
		}
	}
	return nil, fmt.Errorf("run the benchmark of link/xdp: no figures in %q", out)
}

// parseBench reads a line of a Go benchmark: its name, its rounds, then pairs of a figure and a unit.
func parseBench(line string) (map[string]float64, error) {
	f := strings.Fields(line)
	units := make(map[string]float64)
	for i := 2; i+1 < len(f); i += 2 {
		v, err := strconv.ParseFloat(f[i], 64)
		if err != nil {
			return nil, fmt.Errorf("read figures of a benchmark: %w", err)
		}
		units[f[i+1]] = v
	}
	for _, u := range []string{"floor-ns/frame", "ns/frame", "ratio"} {
		if v := units[u]; !(v > 0) || math.IsInf(v, 0) { // not 0, not NaN
			return nil, errors.New("read figures of a benchmark: no " + u + " in " + strconv.Quote(line))
		}
	}
	return units, nil
}

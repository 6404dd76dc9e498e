package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A session is what the benchmarks of one command share: how to measure, and what was measured. One goroutine has it.
type session struct {
	options
	links   []string // of this zmap, the best first
	version string   // of the installed C zmap; empty if there is none
	peers   bool     // compare with programs besides C zmap as well

	often int           // runs of each program, where the options do not say
	long  time.Duration // that a run sends, likewise

	comparisons []*comparison // each setting once
	tables      []table
	bars        []bar
	remarks     []string // for information, below the bars, each once
}

// newSession looks what there is to compare.
func newSession(ctx context.Context, o options) (*session, error) {
	if o.short {
		o.runs, o.count, o.time, o.listen = 1, 20_000, time.Second, 0
	}
	s := &session{options: o, often: 7, long: 2 * time.Second}
	if strings.Contains(s.zmap, "/") { // programs run elsewhere
		path, err := filepath.Abs(s.zmap)
		if err != nil {
			return nil, err
		}
		s.zmap = path
	}
	// What a shell completes is what the program has, one a line; then, behind a colon, a word to the shell.
	out, err := exec.CommandContext(ctx, s.zmap, "__complete", "--link", "").Output()
	if err != nil {
		return nil, fmt.Errorf("ask %s for its links: %w (make build)", o.zmap, err)
	}
	for l := range strings.FieldsSeq(string(out)) {
		if l != "auto" && !strings.HasPrefix(l, ":") {
			s.links = append(s.links, l)
		}
	}
	if out, err := exec.CommandContext(ctx, "zmap", "--version").Output(); err == nil {
		s.version = strings.TrimSpace(strings.TrimPrefix(string(out), "zmap"))
	}
	return s, nil
}

// rounds is how often each program runs.
func (s *session) rounds() int {
	if s.runs > 0 {
		return s.runs
	}
	return s.often
}

// sending is how long a run sends.
func (s *session) sending(usual time.Duration) time.Duration {
	if s.time > 0 {
		return s.time
	}
	return usual
}

// compared returns the comparison of a setting, which is measured once.
func (s *session) compared(ctx context.Context, set setting) (*comparison, error) {
	if i := slices.IndexFunc(s.comparisons, func(c *comparison) bool { return c.setting == set }); i >= 0 {
		return s.comparisons[i], nil
	}
	c, err := compare(ctx, s, set)
	if err != nil {
		return nil, err
	}
	s.comparisons = append(s.comparisons, c)
	return c, nil
}

// remark adds a remark, if there is one and it is new.
func (s *session) remark(text string) {
	if text != "" && !slices.Contains(s.remarks, text) {
		s.remarks = append(s.remarks, text)
	}
}

// print writes all that was measured, the bars last.
func (s *session) print(w io.Writer) {
	if s.short {
		fmt.Fprintln(w, "Short runs: they show that everything works, and the figures mean nothing.")
	}
	for _, c := range s.comparisons {
		t := c.table()
		t.print(w)
	}
	for _, t := range s.tables {
		t.print(w)
	}
	if len(s.bars) > 0 {
		t := barTable(s.bars, s.remarks)
		t.print(w)
	}
}

// firstCores lists the first n cores: "0,1".
func firstCores(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = strconv.Itoa(i)
	}
	return strings.Join(list, ",")
}

// allCores lists the cores of this machine.
func allCores() string { return firstCores(runtime.NumCPU()) }

// countCores is the number of cores in a list.
func countCores(list string) int { return strings.Count(list, ",") + 1 }

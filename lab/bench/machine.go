package main

import (
	"context"
	"crypto/aes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// machine says where figures come from.
func (s *session) machine(ctx context.Context) table {
	t := table{title: "Where the figures are from", head: []string{"what", "which"}}
	t.add("Date", time.Now().UTC().Format(time.DateOnly))
	t.add("Processor", fmt.Sprintf("%s, %d cores", lineOf("/proc/cpuinfo", "model name"), runtime.NumCPU()))
	t.add("Memory", lineOf("/proc/meminfo", "MemTotal"))
	t.add("Kernel", "Linux "+firstWord("/proc/sys/kernel/osrelease"))
	t.add("Load before", firstWord("/proc/loadavg")+" processes, mean of a minute")
	t.add("Go", runtime.Version())
	for _, p := range []struct{ name, path string }{{"This zmap", s.zmap}, {baseline, "zmap"}, {masscan, "masscan"}, {"nmap", "nmap"}} {
		if path, err := exec.LookPath(p.path); err == nil {
			out, _ := exec.CommandContext(ctx, path, "--version").Output() // masscan's status is 1
			first, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
			t.add(p.name, first)
		}
	}
	return t
}

// firstWord returns the first word of a file.
func firstWord(path string) string {
	text, err := os.ReadFile(path)
	if f := strings.Fields(string(text)); err == nil && len(f) > 0 {
		return f[0]
	}
	return "unknown"
}

// lineOf returns what a file has behind a word and a colon.
func lineOf(path, word string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == word {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// calibrate is the speed of one core in millions of AES blocks a second: what absolute figures can be compared by.
func calibrate() float64 {
	c, err := aes.NewCipher(make([]byte, aes.BlockSize))
	if err != nil {
		panic(err) // the key has a right length
	}
	block := make([]byte, aes.BlockSize)
	const blocks = 1 << 24
	start := time.Now()
	for range blocks {
		c.Encrypt(block, block)
	}
	return blocks / time.Since(start).Seconds() / 1e6
}

package zmap

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zmap-go/zmap/dedup"
	"github.com/zmap-go/zmap/lab"
	"github.com/zmap-go/zmap/sink"
)

// resumedScan is a scan of 4,096 addresses that is interrupted after a while, with its checkpoint and its rows in dir.
func resumedScan(t *testing.T, dir string, change func(*Config)) (Config, error) {
	t.Helper()
	c, _ := synScan("10.13.0.0/20")
	c.Rate, c.Cooldown, c.Checkpoint = 2000, time.Second, &Checkpoint{Path: filepath.Join(dir, "scan"), Program: json.RawMessage(`{"who":"me"}`)}
	change(&c)
	ctx, cancel := context.WithTimeout(t.Context(), 1400*time.Millisecond)
	defer cancel()
	_, err := Run(ctx, c)
	return c, err
}

// rowsIn makes a file of rows, or opens the one that is there, the output of c.
func rowsIn(t *testing.T, c *Config, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	file, err := sink.NewFile(path, f)
	if err != nil {
		t.Fatal(err)
	}
	c.Outputs = []Output{{Name: "rows", Sink: sink.NewCSV(file, sink.Options{Fields: "saddr,success,repeat", NoHeader: true})}}
}

// TestResume interrupts scans of networks and of single targets, and carries them on: every answer is there
// once.
func TestResume(t *testing.T) {
	startNet(t, lab.Hosts{Prefix: prefix("10.13.4.0/22"), Kind: lab.Kernel}, lab.Hosts{Prefix: prefix("10.13.12.0/24"), Kind: lab.Refuse})
	var single []netip.AddrPort
	for a := range addrsOf(prefix("10.13.0.0/20")) {
		single = append(single, netip.AddrPortFrom(a, 80))
	}
	for name, change := range map[string]func(*Config){
		"three senders": func(c *Config) { c.Senders = 3 },
		"pairs": func(c *Config) {
			c.Networks, c.Ports, c.Pairs, c.Dedup = nil, "", pairsOf(single), dedup.MethodWindow
		},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "rows")
		c, err := resumedScan(t, dir, func(c *Config) {
			change(c)
			rowsIn(t, c, path)
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("%s: %v", name, err)
		}
		rowsIn(t, &c, path)
		c.Checkpoint = &Checkpoint{Path: c.Checkpoint.Path, Resume: true, Rewind: 500 * time.Millisecond}
		r := run(t, c)
		if r.Resumed == nil || r.Resumed.Targets == 0 || r.Resumed.Targets+r.Targets != 4096 || r.Resumed.Times != 1 || r.Resumed.Rows == 0 {
			t.Errorf("%s: carried on with %+v, %d targets asked", name, r.Resumed, r.Targets)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		got := make(map[netip.Addr]int)
		for line := range strings.Lines(string(text)) {
			if f := strings.Split(strings.TrimSpace(line), ","); f[2] == "0" {
				got[netip.MustParseAddr(f[0])]++
			}
		}
		eachOnce(t, name, got, func(yield func(netip.Addr) bool) {
			for _, p := range []string{"10.13.4.0/22", "10.13.12.0/24"} {
				for a := range addrsOf(prefix(p)) {
					if !yield(a) {
						return
					}
				}
			}
		})
		if _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "came to its end (walk done)") {
			t.Errorf("%s: once more: %v", name, err)
		}
	}
}

// TestResumeLimits counts limits over all parts of a scan.
func TestResumeLimits(t *testing.T) {
	startNet(t, lab.Hosts{Prefix: prefix("10.13.0.0/20"), Kind: lab.Kernel})
	dir := t.TempDir()
	path := filepath.Join(dir, "rows")
	c, err := resumedScan(t, dir, func(c *Config) { rowsIn(t, c, path) })
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c.Checkpoint.Resume = true
	rowsIn(t, &c, path)
	c.MaxRuntime = time.Second
	if _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "which is all that it may: give it more time") {
		t.Errorf("no time left: %v", err)
	}
	rowsIn(t, &c, path)
	c.MaxRuntime, c.MaxResults = 0, 10
	if _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "results, which are all that it may") {
		t.Errorf("no results left: %v", err)
	}
	rowsIn(t, &c, path)
	c.MaxResults = uint64(bytes.Count(before, []byte("\n"))) + 50
	if r := run(t, c); r.Reason != StopMaxResults || r.Rows != 50 {
		t.Errorf("%v after %d rows", r.Reason, r.Rows)
	}
}

// TestCheckpointNeedsFiles refuses sinks that cannot be carried on before a probe is sent.
func TestCheckpointNeedsFiles(t *testing.T) {
	startNet(t, lab.Hosts{Prefix: prefix("10.13.0.0/24"), Kind: lab.Kernel})
	c, _ := synScan("10.13.0.0/24")
	c.Checkpoint = &Checkpoint{Path: filepath.Join(t.TempDir(), "scan")}
	r, err := Run(t.Context(), c)
	if !errors.Is(err, errors.ErrUnsupported) || r.Sent != 0 {
		t.Errorf("%d probes, %v", r.Sent, err)
	}
}

//go:build amd64 || arm64

package xdp

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
)

// TestNeedsAreDocumented looks for a row of the table in the documentation for each need.
func TestNeedsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/links.md")
	must(t, err)
	for _, n := range needs() {
		name := n.feature
		if _, inner, ok := strings.Cut(name, "("); ok {
			name = strings.TrimSuffix(inner, ")")
		}
		found := false
		for line := range strings.Lines(string(text)) {
			found = found || strings.HasPrefix(line, "|") && strings.Contains(line, name) && strings.Contains(line, "| "+n.since+" |")
		}
		if !found {
			t.Errorf("docs/links.md has no row for %s, Linux %s", name, n.since)
		}
	}
}

// TestMissing names the first need that is not met, and takes other errors for no answer.
func TestMissing(t *testing.T) {
	met := need{"a", "1", func() error { return nil }}
	unknown := need{"b", "2", func() error { return errors.New("out of memory") }}
	unmet := need{"c", "3", func() error { return fmt.Errorf("not here: %w", ebpf.ErrNotSupported) }}
	if n, ok := missing([]need{met, unknown, unmet, {"d", "4", unmet.have}}); !ok || n.feature != "c" {
		t.Errorf("got %+v, %v, want c", n, ok)
	}
	if n, ok := missing([]need{met, unknown}); ok {
		t.Errorf("got %+v, want none", n)
	}
	needBPF(t)
	if n, ok := missing(needs()); ok {
		t.Errorf("this kernel, on which all else works, lacks %s", n.feature)
	}
}

//go:build peers

// Package peers asks real servers, as Debian has them, with every probe module, and holds what comes out of a whole scan
// against what the servers were told to say. "make test-peers" installs the servers and runs it.
//
// Each test starts its server inside the test Internet of package lab, at one address of a small network whose other
// addresses refuse, and scans that network. Modules of grabs talk to their servers over connections of the kernel's.
package peers

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/zmap-go/zmap/lab"
)

// results are one line for each peer. Tests add to it one after the other.
var results tally

// A tally counts tests by outcome.
type tally struct {
	mu             sync.Mutex
	passed, failed int
	lines          []string
}

func TestMain(m *testing.M) {
	if name := os.Getenv(ownVariable); name != "" {
		fmt.Println(ownPrograms()[name]())
		os.Exit(1)
	}
	lab.Main(suite{m})
}

// suite runs the tests and prints what became of each peer.
type suite struct{ tests *testing.M }

func (s suite) Run() int {
	status := s.tests.Run()
	results.mu.Lock()
	defer results.mu.Unlock()
	fmt.Println()
	for _, line := range results.lines {
		fmt.Println(line)
	}
	fmt.Printf("%d passed, %d failed\n", results.passed, results.failed)
	if results.passed+results.failed == 0 && status == 0 {
		return 1 // nothing was asked, so nothing is shown
	}
	return status
}

// account notes, when the test ends, what became of a peer.
func account(t *testing.T, peer string) {
	t.Helper()
	t.Cleanup(func() {
		results.mu.Lock()
		defer results.mu.Unlock()
		verdict := "PASS"
		if t.Failed() {
			verdict = "FAIL"
			results.failed++
		} else {
			results.passed++
		}
		results.lines = append(results.lines, fmt.Sprintf("%s  %-24s %s", verdict, strings.TrimPrefix(t.Name(), "Test"), peer))
	})
}

// debian accounts for a peer that is a Debian package. One that is not installed fails the test.
func debian(t *testing.T, pkg string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "dpkg-query", "-W", "-f", "${Status} ${Version}", pkg).CombinedOutput()
	version, installed := strings.CutPrefix(strings.TrimSpace(string(out)), "install ok installed ")
	if !installed {
		account(t, pkg+" (not installed)")
		t.Fatalf("package %s is not installed: %s (%v); make test-peers installs what is missing", pkg, out, err)
	}
	account(t, pkg+" "+version)
}

// kernel accounts for the kernel as a peer.
func kernel(t *testing.T) {
	t.Helper()
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		t.Fatal(err)
	}
	account(t, "Linux "+strings.TrimSpace(string(release)))
}

// own accounts for a server of this package.
func own(t *testing.T, what string) {
	t.Helper()
	account(t, what+", of this test")
}

package xdp

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/zmap-go/zmap/lab"
)

// TestMain runs the tests in a network namespace of their own: nothing that they send can leave it.
func TestMain(m *testing.M) { lab.Main(m) }

// againVariable has the name of the test that a process was started for by again.
const againVariable = "ZMAP_TEST_AGAIN"

// again runs the test once more, in a process that change has prepared, and fails it if that one fails. It returns true in that
// process, which is to do what the test is about.
func again(t *testing.T, change func(*syscall.SysProcAttr)) bool {
	t.Helper()
	if os.Getenv(againVariable) == t.Name() {
		return true
	}
	pattern := "^" + strings.ReplaceAll(regexp.QuoteMeta(t.Name()), "/", "$/^") + "$"
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run="+pattern, "-test.v")
	cmd.Env = append(os.Environ(), againVariable+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	change(cmd.SysProcAttr)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("the other process: %v\n%s", err, out)
	}
	t.Logf("the other process:\n%s", out)
	return false
}

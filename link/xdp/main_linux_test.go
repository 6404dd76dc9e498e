package xdp

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/zmap-go/zmap/lab"
)

// TestMain runs the tests in a network namespace of their own: nothing that they send can leave it.
func TestMain(m *testing.M) { lab.Main(m) }

// runAgain runs the test once more, in a process that change has prepared, and fails it if that one fails.
func runAgain(t *testing.T, change func(*exec.Cmd)) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = os.Environ()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	change(cmd)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("the other process: %v\n%s", err, out)
	}
}

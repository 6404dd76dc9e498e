package cli

import (
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zmap-go/zmap/lab"
)

// TestXDPWithoutRights has the in-kernel sender and the tap work on for a process that has given up all capabilities.
func TestXDPWithoutRights(t *testing.T) {
	if err := lab.MayLoad(); err != nil {
		t.Skip(err)
	}
	crowd := &lab.Crowd{Prefix: netip.MustParsePrefix("10.9.0.0/22"), Share: 1}
	n, err := lab.New(t.Context(), lab.World{Crowd: crowd})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "zmap") // what TestMain goes by
	if err := os.Symlink(self, program); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "--link", "xdp", "-p", "80", "-r", "20000", "-c", "1", "-q", "-v", "4", "--allow-special", "private", crowd.Prefix.String())
	var log strings.Builder
	cmd.Stderr = &log
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, log.String())
	}
	if rows := strings.Count(string(out), "\n"); rows != 1024 {
		t.Errorf("%d rows, want 1024", rows)
	}
	for _, want := range []string{"1 senders, xdp", "runs on as user 65534 with no capabilities; new privileges barred: true"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log has no %q:\n%s", want, log.String())
		}
	}
}

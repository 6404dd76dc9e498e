package zmap

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/zmap-go/zmap/lab"
)

// unprivilegedVariable tells a process of this test that it is the one without privileges.
const unprivilegedVariable = "ZMAP_TEST_UNPRIVILEGED"

// TestUnprivileged runs itself again in a user namespace of its own, which gives no rights over the network: a scan says
// that it needs some, a dry run needs none, with and without a route.
func TestUnprivileged(t *testing.T) {
	if os.Getenv(unprivilegedVariable) != "" {
		unprivileged(t)
		return
	}
	t.Run("no route", func(t *testing.T) { runUnprivileged(t, "no route") })
	startNet(t, lab.Hosts{Prefix: prefix("10.16.0.0/24"), Kind: lab.Kernel})
	t.Run("route", func(t *testing.T) { runUnprivileged(t, "route") })
}

func runUnprivileged(t *testing.T, what string) {
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^TestUnprivileged$", "-test.v")
	cmd.Env = append(os.Environ(), unprivilegedVariable+"="+what)
	const nobody = 65534
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: nobody, HostID: os.Getuid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestUnprivileged") {
		t.Errorf("the process without privileges: %v\n%s", err, out)
	}
}

// unprivileged is the test as the other process runs it.
func unprivileged(t *testing.T) {
	if id := os.Getuid(); id != 65534 {
		t.Fatalf("the user is %d, want 65534", id)
	}
	_, out := dryRun(t, Config{Networks: []string{"10.16.0.0/24"}, AllowSpecial: private(), Ports: "80"}, true)
	if n := len(records(t, out)); n != 256 {
		t.Errorf("a dry run shows %d frames, want 256", n)
	}
	if os.Getenv(unprivilegedVariable) == "no route" {
		return
	}
	c, _ := synScan("10.16.0.0/24")
	r, err := Run(t.Context(), c)
	if !errors.Is(err, os.ErrPermission) || r.Sent != 0 {
		t.Fatalf("%d frames sent, error %v; want one that wraps %v", r.Sent, err, os.ErrPermission)
	}
	if !strings.Contains(err.Error(), "CAP_NET_RAW") && !strings.Contains(err.Error(), "root") {
		t.Errorf("error %q does not say what is needed", err)
	}
}

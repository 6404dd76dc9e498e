package lab

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// TestThisNamespaceIsALab: the tests themselves run where they should.
func TestThisNamespaceIsALab(t *testing.T) {
	if marked, err := isMarked(); err != nil || !marked {
		t.Fatalf("marked %v, %v", marked, err)
	}
	here, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	for _, other := range []string{"/proc/1/ns/net", fmt.Sprintf("/proc/%d/ns/net", os.Getppid())} {
		there, err := os.Readlink(other)
		if err != nil {
			t.Logf("cannot compare with %s: %v", other, err) // without root the kernel does not tell
		} else if here == there {
			t.Errorf("the tests run in the namespace of %s, %s", other, there)
		}
	}
	links, err := netlink.LinkList()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		if a := l.Attrs(); a.Name != "lo" && a.OperState == netlink.OperUp {
			t.Errorf("interface %s is up", a.Name)
		}
	}
}

func TestEnterMovesTheProcess(t *testing.T) {
	here, err := namespaceNumber()
	if err != nil {
		t.Fatal(err)
	}
	cmd := program(t, "where")
	cmd.SysProcAttr = nil // start from the namespace of the tests, so that its number is known
	out, errs, status := output(t, cmd)
	var number uint64
	var rest string
	if _, err := fmt.Sscanf(out, "%d", &number); err != nil || number == here {
		t.Errorf("namespace %d, the one left was %d (%v)", number, here, err)
	}
	if _, rest, _ = strings.Cut(out, " "); rest != fmt.Sprintf("\"lo\" \"\" %d [\"program\" \"first argument\"]\n", os.Getuid()) || status != 3 {
		t.Errorf("printed %q (%s), status %d", out, errs, status)
	}
}

func TestEnterPassesFilesAndStatus(t *testing.T) {
	cmd := program(t, "copy")
	cmd.Stdin = strings.NewReader("a line\n")
	if out, errs, status := output(t, cmd); out != "a line\n" || errs != "to stderr" || status != 7 {
		t.Errorf("stdout %q, stderr %q, status %d", out, errs, status)
	}
	if _, errs, status := output(t, program(t, "die")); status != 128+9 || errs != "" {
		t.Errorf("killed scanner: status %d, want 137; stderr %q", status, errs)
	}
}

func TestMainRunsInPlaceInsideALab(t *testing.T) {
	here, err := namespaceNumber()
	if err != nil {
		t.Fatal(err)
	}
	cmd := program(t, "suite")
	cmd.SysProcAttr = nil
	if out, _, status := output(t, cmd); !strings.HasPrefix(out, fmt.Sprint(here, " ")) || status != 3 {
		t.Errorf("inside: %q, status %d; want namespace %d and 3", out, status, here)
	}
	outside := program(t, "suite")
	if out, _, status := output(t, outside); strings.HasPrefix(out, fmt.Sprint(here, " ")) || status != 3 || !strings.Contains(out, `"lo"`) {
		t.Errorf("outside: %q, status %d; want another namespace than %d, and 3", out, status, here)
	}
}

func TestNewRefusesOutside(t *testing.T) {
	if out, _, _ := output(t, program(t, "outside")); !strings.Contains(out, "not a lab's network namespace") {
		t.Errorf("New printed %q", out)
	}
}

// TestRoleVariableIsNotTrusted: whatever the environment says, nothing begins in a namespace that is in use.
func TestRoleVariableIsNotTrusted(t *testing.T) {
	here, err := namespaceNumber()
	if err != nil {
		t.Fatal(err)
	}
	for value, want := range map[string]string{
		"scanner:1":                     "in use: interface lo is up",
		fmt.Sprintf("scanner:%d", here): "not a fresh network namespace",
		"internet:1":                    "open the control socket",
		"scanner":                       "not of this program's making",
		"pirate:7":                      "not of this program's making",
	} {
		cmd := program(t, "where")
		cmd.SysProcAttr = nil
		cmd.Env = append(cmd.Env, roleVariable+"="+value)
		if out, errs, status := output(t, cmd); out != "" || !strings.Contains(errs, want) || status != 1 {
			t.Errorf("%s: printed %q, error %q, status %d; want error %q", value, out, errs, status, want)
		}
	}
}

func TestSignalsArriveOnce(t *testing.T) {
	cmd := program(t, "signals")
	lines := start(t, cmd)
	expect := func(want string) {
		t.Helper()
		if got := <-lines; got != want {
			t.Errorf("the scanner printed %q, want %q", got, want)
		}
	}
	expect("ready")
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGTERM} {
		if err := cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		expect(s.String())
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
}

// TestCtrlCArrivesOnce: the terminal sends Ctrl-C to the whole foreground group, so that it must not be passed on.
func TestCtrlCArrivesOnce(t *testing.T) {
	master, terminal := openTerminal(t)
	cmd := program(t, "signals")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = terminal, terminal, terminal
	cmd.SysProcAttr.Setsid, cmd.SysProcAttr.Setctty = true, true
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	terminal.Close()
	screen := bufio.NewReader(master)
	read := func() string {
		line, _ := screen.ReadString('\n')
		return strings.TrimSpace(strings.ReplaceAll(line, "^C", ""))
	}
	if got := read(); got != "ready" {
		t.Fatalf("the scanner printed %q", got)
	}
	master.WriteString("\x03")
	got := []string{read()}
	// Were the signal passed on, it would be now; SIGTERM is passed on always.
	time.Sleep(50 * time.Millisecond)
	cmd.Process.Signal(syscall.SIGTERM)
	got = append(got, read())
	if err := cmd.Wait(); err != nil || got[0] != "interrupt" || got[1] != "terminated" {
		t.Errorf("after Ctrl-C and SIGTERM the scanner printed %q (%v)", got, err)
	}
}

// openTerminal opens a pseudo terminal (pts(4)).
func openTerminal(t *testing.T) (master, terminal *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return master, terminal
}

// start starts a program and returns its lines.
func start(t *testing.T, cmd *exec.Cmd) <-chan string {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string)
	go func() {
		defer close(lines)
		for scan := bufio.NewScanner(out); scan.Scan(); {
			lines <- scan.Text()
		}
	}()
	return lines
}

// TestNothingSurvives: kill -9 of the outer process or the scanner takes all others with it.
func TestNothingSurvives(t *testing.T) {
	for _, victim := range []string{"outer", "scanner"} {
		cmd := program(t, "world")
		lines := start(t, cmd)
		var scanner, internet, keeper int
		line := <-lines
		if _, err := fmt.Sscan(line, &scanner, &internet, &keeper); err != nil {
			t.Fatalf("the program printed %q: %v", line, err)
		}
		pid := map[string]int{"outer": cmd.Process.Pid, "scanner": scanner}[victim]
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		cmd.Wait()
		for name, pid := range map[string]int{"scanner": scanner, "internet": internet, "keeper": keeper} {
			if !endsSoon(pid) {
				t.Errorf("%s killed: the %s (process %d) lives on", victim, name, pid)
			}
		}
	}
}

// endsSoon waits for a process to be gone, or dead and waiting for whoever inherited it.
func endsSoon(pid int) bool {
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return true
		}
		if _, after, _ := strings.Cut(string(stat), ") "); strings.HasPrefix(after, "Z") || strings.HasPrefix(after, "X") {
			return true
		}
	}
	return false
}

// TestWithoutRoot runs a whole lab as a user without any rights.
func TestWithoutRoot(t *testing.T) {
	cmd := program(t, "dial")
	if os.Getuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
	}
	out, errs, status := output(t, cmd)
	if status == 1 && strings.Contains(errs, "in a user namespace: ") {
		t.Skipf("this kernel lets users make no namespaces: %s", errs)
	}
	if out != "0 2 2 <nil>\n" || status != 0 {
		t.Errorf("printed %q, errors %q, status %d; want root inside, 2 SYNs, 2 SYN-ACKs of the Twice host", out, errs, status)
	}
}

// TestNoWayIn: where no namespace can be made the program fails and says why.
func TestNoWayIn(t *testing.T) {
	cmd := program(t, "exhausted")
	asOwnRoot(cmd.SysProcAttr)
	out, errs, status := output(t, cmd)
	for _, want := range []string{"make a network namespace as root: ", "in a user namespace: ", "user.max_user_namespaces"} {
		if !strings.Contains(errs, want) {
			t.Errorf("error %q, want %q in it", errs, want)
		}
	}
	if status != 1 {
		t.Errorf("status %d (%q), want 1", status, out)
	}
}

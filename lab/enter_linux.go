package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// How a process gets its role. The first one has none. It runs the same program again, same arguments, in a fresh network
// namespace, as the scanner; the scanner (in New) runs it once more as the Internet:
//
//	outer ── clone(NEWNET or NEWUSER|NEWNET) ──> scanner ── clone(NEWNET) ──> internet
//	         signals forwarded, status returned           control socket: fd 3
//
// and once more as the keeper of each program that Start runs.
//
// The role travels in an environment variable, with the number of the namespace that was left. It is taken out of the
// environment at once, so that programs started by the scanner begin as outer ones again.
const roleVariable = "ZMAP_LAB_ROLE"

type role string

const (
	roleOuter    role = ""
	roleScanner  role = "scanner"
	roleInternet role = "internet"
	roleKeeper   role = "keeper"
)

// Main is the whole body of a TestMain: it runs the tests inside a fresh network namespace and exits with their status.
// It never skips: where no namespace can be made it prints why and exits with status 1.
//
// A test process that is already inside a lab's namespace (started by a test, or a fuzzing worker) runs its tests there.
func Main(m Suite) {
	if marked, err := isMarked(); err == nil && marked && os.Getenv(roleVariable) == "" {
		os.Exit(m.Run())
	}
	inside, status, err := Enter()
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
	}
	if inside {
		status = m.Run()
	}
	os.Exit(status)
}

// Enter moves a program into a fresh network namespace. It must be called before the program does anything that shows,
// because the program is run again from its beginning with the same arguments, environment and standard files: once as the
// scanner, once more by New as the Internet, and by every Start.
//
// In the scanner it returns inside = true; the caller goes on and may call New. In all other processes it returns when the
// work is done, and the caller must exit with the status: that of the scanner, or 128 plus the signal that ended it.
// SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1 and SIGUSR2 are passed on to the scanner. With an error the status is 1.
//
// Enter uses root's right to make a network namespace, and without it an unprivileged user namespace. The scanner dies when
// its parent does, even of SIGKILL, and the Internet with the scanner.
func Enter() (inside bool, status int, err error) {
	as, left, err := takeRole()
	if err != nil {
		return false, 1, err
	}
	switch as {
	case roleInternet:
		if err := serveInternet(left); err != nil {
			return false, 1, fmt.Errorf("run the test Internet: %w", err)
		}
		return false, 0, nil
	case roleKeeper:
		if status, err = keep(); err != nil {
			return false, 1, fmt.Errorf("run a program in the test Internet: %w", err)
		}
		return false, status, nil
	case roleScanner:
		if err := claimNamespace(left); err != nil {
			return false, 1, err
		}
		return true, 0, nil
	default:
		status, err = runScanner()
		return false, status, err
	}
}

// takeRole reads the role of this process and removes it from the environment. left is the number of the network namespace
// that the process must not be in.
func takeRole() (as role, left uint64, err error) {
	value := os.Getenv(roleVariable)
	if value == "" {
		return roleOuter, 0, nil
	}
	if err := os.Unsetenv(roleVariable); err != nil {
		return roleOuter, 0, fmt.Errorf("clear %s: %w", roleVariable, err)
	}
	name, number, _ := strings.Cut(value, ":")
	left, err = strconv.ParseUint(number, 10, 64)
	known := []role{roleScanner, roleInternet, roleKeeper}
	if err != nil || !slices.Contains(known, role(name)) {
		return roleOuter, 0, fmt.Errorf("the variable %s=%q is not of this program's making: unset it", roleVariable, value)
	}
	return role(name), left, nil
}

// rerun prepares this program, with its own arguments, for another role. /proc/self/exe is this very file even if another
// one has taken its name, and can be run by users who cannot reach its folder.
func rerun(as role) (*exec.Cmd, error) {
	here, err := namespaceNumber()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = os.Args
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s:%d", roleVariable, as, here))
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	return cmd, nil
}

// runScanner runs the scanner's process to its end and returns its status.
func runScanner() (int, error) {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2)
	defer signal.Stop(signals)
	c, err := startScanner()
	if err != nil {
		return 1, err
	}
	for {
		select {
		case s := <-signals:
			if !fromKeyboard(s) {
				_ = c.cmd.Process.Signal(s) // an error means that it has ended, which the other case sees
			}
		case <-c.done:
			return exitStatus(c.cmd.ProcessState), nil
		}
	}
}

// startScanner tries root's way first.
func startScanner() (*child, error) {
	var errs []error
	for _, way := range []struct {
		name  string
		adapt func(*syscall.SysProcAttr)
	}{
		{"as root", func(*syscall.SysProcAttr) {}},
		{"in a user namespace", asOwnRoot},
	} {
		cmd, err := rerun(roleScanner)
		if err != nil {
			return nil, err
		}
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
		way.adapt(cmd.SysProcAttr)
		c, err := startChild(cmd)
		if err == nil {
			return c, nil
		}
		errs = append(errs, fmt.Errorf("make a network namespace %s: %w", way.name, err))
	}
	return nil, fmt.Errorf("%w\nrun as root, or let users make namespaces: sysctl user.max_user_namespaces and "+
		"user.max_net_namespaces above 0, kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0 "+
		"(those that exist here)", errors.Join(errs...))
}

// asOwnRoot makes the child root in a user namespace that consists of the present user.
func asOwnRoot(a *syscall.SysProcAttr) {
	a.Cloneflags |= syscall.CLONE_NEWUSER
	a.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
	a.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
}

// fromKeyboard reports whether s has reached the scanner already: a terminal sends Ctrl-C and Ctrl-\ to every process of
// its foreground group, and passing them on would double them.
func fromKeyboard(s os.Signal) bool {
	if s != syscall.SIGINT && s != syscall.SIGQUIT {
		return false
	}
	tty, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	defer tty.Close()
	group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// exitStatus follows the shells: 128 plus the signal for a process that a signal ended.
func exitStatus(s *os.ProcessState) int {
	if w, ok := s.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return 128 + int(w.Signal())
	}
	return s.ExitCode()
}

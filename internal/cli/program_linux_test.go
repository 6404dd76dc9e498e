package cli

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// aloneInNamespace moves this process into an empty network namespace: no interface is up, there is no route.
func aloneInNamespace() error {
	runtime.LockOSThread() // execve(2) goes on with the calling thread's namespace
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("make a network namespace: %w", err)
	}
	return nil
}

// withoutCapabilities takes from this process, and from what it executes, every right that root has (capabilities(7)). That
// is what a user without rights has, and works in a user namespace, too, where there may be no other user.
func withoutCapabilities() error {
	runtime.LockOSThread() // the calling thread's rights
	const noRoot = 1<<0 | 1<<1
	if err := unix.Prctl(unix.PR_SET_SECUREBITS, noRoot, 0, 0, 0); err != nil {
		return fmt.Errorf("set securebits: %w", err)
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fmt.Errorf("clear ambient capabilities: %w", err)
	}
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&head, &none[0]); err != nil {
		return fmt.Errorf("drop capabilities: %w", err)
	}
	return nil
}

// withDevices gives this process, and what it executes, the directory dev of its working directory in the place of /dev, and
// an empty one in that of /var/run: the places where a syslog daemon listens.
func withDevices() error {
	runtime.LockOSThread() // execve(2) goes on with the calling thread's namespace
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("make a mount namespace: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("keep mounts to ourselves: %w", err)
	}
	empty, err := os.MkdirTemp(".", "run")
	if err != nil {
		return err
	}
	for _, m := range []struct{ from, to string }{{empty, "/var/run"}, {"dev", "/dev"}} {
		if err := unix.Mount(m.from, m.to, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount %s on %s: %w", m.from, m.to, err)
		}
	}
	return nil
}

// execute makes this process the program args[0].
func execute(args []string) error {
	if len(args) == 0 {
		return errors.New("name a program")
	}
	path, err := exec.LookPath(args[0])
	if err != nil {
		return err
	}
	return syscall.Exec(path, args, os.Environ())
}

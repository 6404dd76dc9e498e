//go:build unix

package shell

import (
	"os/exec"
	"syscall"
)

// ownGroup keeps the signals of the terminal from a program, and has Kill find all that it starts.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// Kill ends a command that was started, with all that it has started, at once.
func Kill(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

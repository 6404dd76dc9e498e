//go:build unix

package cli

import (
	"os/exec"
	"syscall"
)

// ownGroup keeps the signals of the terminal from a program, and has killGroup find all that it starts.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// killGroup ends a program that was started after ownGroup, with all that it has started, at once.
func killGroup(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

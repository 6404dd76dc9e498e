//go:build !unix

package shell

import "os/exec"

// ownGroup does nothing: this system has no process groups.
func ownGroup(*exec.Cmd) {}

// Kill ends the command alone.
func Kill(cmd *exec.Cmd) { _ = cmd.Process.Kill() }

//go:build unix

package sink

import (
	"os/exec"
	"syscall"
)

// ownGroup keeps the signals of the terminal from the program.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

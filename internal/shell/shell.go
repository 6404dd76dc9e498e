// Package shell runs command lines of the user's, each in a process group of its own: signals of the terminal are for the scan,
// which tells its commands when there is no more.
package shell

import (
	"context"
	"os/exec"
)

// Command returns a command line that is about to be run by the shell. It is not ended by a context.
func Command(line string) *exec.Cmd {
	cmd := exec.CommandContext(context.Background(), "/bin/sh", "-c", line)
	ownGroup(cmd)
	return cmd
}

// Line returns the command line of a command that [Command] made.
func Line(cmd *exec.Cmd) string { return cmd.Args[len(cmd.Args)-1] }

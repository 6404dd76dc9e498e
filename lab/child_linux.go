package lab

import (
	"os/exec"
	"runtime"
)

// A child is a running process that dies with this one.
type child struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended and been waited for
}

// startChild starts cmd. The kernel sends the parent-death signal when the thread that forked ends, not the process
// (prctl(2), PR_SET_PDEATHSIG), so one thread is set aside for the whole life of the child.
func startChild(cmd *exec.Cmd) (*child, error) {
	c := &child{cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(c.done)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // the caller finds the outcome in cmd.ProcessState
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return c, nil
}

// kill ends the process, if it has not ended by itself, and waits for it.
func (c *child) kill() {
	_ = c.cmd.Process.Kill() // the only error is that it has ended
	<-c.done
}

package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// A process is a program about to run of which a benchmark wants to know what it takes.
type process struct {
	cmd *exec.Cmd
	// read gets the output until that ends, and is told when the program was started; nil sends the output to /dev/null.
	read func(out io.Reader, start time.Time) error
	// memory asks for the effort's peak, which takes a little of a core.
	memory bool
}

// An effort is what a process took.
type effort struct {
	start time.Time     // just before the process was made
	whole time.Duration // to its end
	cpu   time.Duration // user and system time
	peak  uint64        // the most bytes that were resident at a time, if process.memory asked for it
}

// run runs the process to its end. Its error has what the process wrote to its standard error; there is an effort also if the
// process was stopped.
func (p process) run() (e effort, err error) {
	var said bytes.Buffer
	p.cmd.Stderr = &said
	var out io.Reader
	if p.read != nil {
		if out, err = p.cmd.StdoutPipe(); err != nil {
			return e, err
		}
	}
	e.start = time.Now()
	if err := p.cmd.Start(); err != nil {
		return e, err
	}
	peak := func() uint64 { return 0 }
	if p.memory {
		peak = watchPeak(p.cmd.Process.Pid)
	}
	var readErr error
	if p.read != nil {
		readErr = p.read(out, e.start)
	}
	err = p.cmd.Wait()
	e.whole, e.peak = time.Since(e.start), peak()
	e.cpu = p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
	if err != nil {
		return e, fmt.Errorf("%w: %s", err, said.Bytes())
	}
	return e, readErr
}

// peakStep is how often a process's memory is looked at. What it takes in its last moments, shorter than that, is not seen.
const peakStep = 5 * time.Millisecond

// watchPeak looks at the peak of a process's memory until the returned function is called, which returns it.
//
// The peak that wait4 reports will not do: it is at least that of the process which called execve, here of ours, since both
// share their memory until then (exec_mmap in the kernel's fs/exec.c). VmHWM begins anew with the program.
func watchPeak(pid int) func() uint64 {
	stop, last := make(chan struct{}), make(chan uint64)
	go func() {
		var peak uint64
		for {
			select {
			case <-stop:
				last <- peak
				return
			case <-time.After(peakStep):
			}
			text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
			if now, ok := parsePeak(string(text)); err == nil && ok {
				peak = now // of taskset, then of the program, which only grows; a process that has ended has none
			}
		}
	}()
	return func() uint64 {
		close(stop)
		return <-last
	}
}

// parsePeak reads the peak of resident memory, in bytes, out of a /proc/PID/status (proc_pid_status(5)).
func parsePeak(status string) (uint64, bool) {
	for line := range strings.Lines(status) {
		f := strings.Fields(line)
		if len(f) == 3 && f[0] == "VmHWM:" && f[2] == "kB" {
			kib, err := strconv.ParseUint(f[1], 10, 64)
			return kib << 10, err == nil && kib < 1<<53
		}
	}
	return 0, false
}

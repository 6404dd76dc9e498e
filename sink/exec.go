package sink

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	"github.com/zmap-go/zmap/internal/shell"
	"github.com/zmap-go/zmap/record"
)

// Exec pipes rows into another program, which a shell starts: the rows are its standard input. What it prints goes where
// its creator says. It is not sent the signals of a terminal: a user who interrupts a scan gets the rows up to there.
type Exec struct {
	Sink
	cmd  *exec.Cmd
	pipe io.WriteCloser
	err  error // of the start
}

// NewExec returns a sink that starts a command line when it is opened, with rows in the format that inner makes, such as
// [NewJSON]. stdout and stderr are the command's.
func NewExec(command string, stdout, stderr io.Writer, inner func(io.Writer) Sink) *Exec {
	e := &Exec{cmd: shell.Command(command)}
	e.cmd.Stdout, e.cmd.Stderr = stdout, stderr
	if e.pipe, e.err = e.cmd.StdinPipe(); e.err == nil {
		e.Sink = inner(input{e.pipe, command})
	}
	return e
}

// Open starts the program.
func (e *Exec) Open(s *record.Schema) error {
	if e.err == nil {
		e.err = e.cmd.Start()
	}
	if e.err != nil {
		return fmt.Errorf("start %q: %w", shell.Line(e.cmd), e.err)
	}
	return e.Sink.Open(s)
}

// Fields implements [Chooser].
func (e *Exec) Fields() []int { return e.Sink.(Chooser).Fields() }

// Flush implements [Flusher].
func (e *Exec) Flush() error { return e.Sink.(Flusher).Flush() }

// Close writes what is held back, tells the program that there is no more, and waits until it has ended. A program that read
// all and ended with another status than 0 is an error.
func (e *Exec) Close() error {
	if e.cmd.Process == nil {
		return nil
	}
	err := e.Sink.Close()
	if cerr := e.pipe.Close(); cerr != nil && !errors.Is(cerr, os.ErrClosed) {
		err = errors.Join(err, WriteError(cerr))
	}
	if werr := e.cmd.Wait(); werr != nil {
		err = errors.Join(err, fmt.Errorf("%q ended with %w", shell.Line(e.cmd), werr))
	}
	return err
}

// An input is a program's standard input.
type input struct {
	w       io.Writer
	command string
}

// Write names the program that takes no more, which the error of a pipe does not.
func (i input) Write(b []byte) (int, error) {
	n, err := i.w.Write(b)
	if errors.Is(err, syscall.EPIPE) {
		err = fmt.Errorf("%q takes no more rows: %w", i.command, syscall.EPIPE)
	}
	return n, err
}

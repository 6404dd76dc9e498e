package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/zmap-go/zmap/internal/hook"
	"github.com/zmap-go/zmap/internal/shell"
)

// Bounds of a listener: how many events may wait for it, how long it may leave one unread, and how long it may take after the
// end of the scan, to read what waits and then to end.
const (
	listenerQueue = 1024
	listenerPause = 10 * time.Second
	listenerEnd   = 5 * time.Second
)

// A listener is a program of the user's that is told of a scan's events: a JSON object a line on its standard input. Events wait
// in a queue of its own; a full one holds up whoever tells.
type listener struct {
	option  string
	event   string // what it is told of
	cmd     *exec.Cmd
	input   io.WriteCloser
	queue   *hook.Queue[[]byte] // nil before the program is started
	log     *slog.Logger
	pending sync.Once // guards the start

	pause, grace time.Duration // listenerPause and listenerEnd, but for tests
}

// newListener returns the listener of an option that starts a command line when there is something to tell. What it prints, also to its
// standard output, goes to out: standard output belongs to the rows.
func newListener(option, command string, out io.Writer, log *slog.Logger) *listener {
	l := &listener{
		option: option, log: log, event: "event", pause: listenerPause, grace: listenerEnd, cmd: shell.Command(command),
	}
	l.cmd.Stdout, l.cmd.Stderr = out, out
	l.cmd.WaitDelay = time.Second // for what the program leaves behind and has its output
	return l
}

// start starts the program, once. One that cannot be started gets nothing.
func (l *listener) start() {
	l.pending.Do(func() {
		var err error
		if l.input, err = l.cmd.StdinPipe(); err == nil {
			err = l.cmd.Start()
		}
		if err != nil {
			l.complain("cannot be started: " + err.Error())
			return
		}
		l.queue = hook.New(hook.Config[[]byte]{
			Names: []string{l.option}, Call: l.write, Len: listenerQueue, Patience: l.pause, Fault: l.lost,
		})
	})
}

// tell puts a line into the queue, made by text from an empty slice. It may wait for room.
func (l *listener) tell(text func(b []byte) []byte) {
	if l.start(); l.queue != nil {
		l.queue.Put(0, func(line *[]byte) { *line = text((*line)[:0]) })
	}
}

// write writes a line to the program. It is the queue's.
func (l *listener) write(_ int, line *[]byte) error {
	_, err := l.input.Write(*line)
	return err
}

// lost says that the program is told no more.
func (l *listener) lost(f hook.Fault) {
	switch {
	case errors.Is(f.Err, syscall.EPIPE):
		l.complain("reads no more")
	case errors.Is(f.Err, hook.ErrStalled):
		l.complain(fmt.Sprintf("is told no more: it read nothing for %v", l.pause))
	default:
		l.complain("is told no more: " + f.Err.Error())
	}
}

// complain logs what is wrong with the program.
func (l *listener) complain(text string) {
	l.log.Error(fmt.Sprintf("--%s %q %s", l.option, shell.Line(l.cmd), text), "module", "zmap")
}

// close lets the program read what waits, tells it that there is no more, and waits until it has ended; all that for no longer
// than listenerEnd, after which the program and those that it started are killed. It says how that was.
func (l *listener) close() {
	if l.queue == nil {
		return
	}
	late, cancel := context.WithTimeout(context.Background(), l.grace)
	defer cancel()
	stop := context.AfterFunc(late, func() { shell.Kill(l.cmd) })
	l.queue.Drain(late.Done())
	l.queue.Close()
	_ = l.input.Close() // a program that has ended has closed it before
	err := l.cmd.Wait()
	if killed := !stop(); killed {
		l.complain(fmt.Sprintf("was killed: it had not ended %v after the scan", l.grace))
	} else if err != nil {
		l.complain("ended with " + err.Error())
	}
	for _, f := range l.queue.Faults() {
		if errors.Is(f.Err, hook.ErrStalled) {
			f.Missed++ // the line that it did not read to its end
		}
		l.complain("did not get " + count(f.Missed, l.event, l.event+"s"))
	}
}

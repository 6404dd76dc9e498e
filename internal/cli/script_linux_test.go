package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/vishvananda/netlink"
	"github.com/zmap-go/zmap/lab"
)

// scriptCommands are the words that scripts have beside those of testscript.
func scriptCommands(n *lab.Net) map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"status":  cmdStatus,
		"refuses": cmdRefuses,
		"waitfor": cmdWaitFor,
		"signal":  cmdSignal,
		"steer":   cmdSteer,
		"ended":   cmdEnded,
		"same":    cmdSame,
		"lines":   cmdLines,
		"json":    cmdJSON,
		"link":    cmdLink(n),
		"gone":    cmdGone,
		"syslogd": cmdSyslogd,
	}
}

// patience is how long a script waits for what must come.
const patience = 20 * time.Second

// cmdStatus runs a program, which must end with the exit code given: status 1 zmap -p.
func cmdStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status CODE program [argument ...]")
	}
	if got, want := run1(ts, args[1:]), number(ts, args[0]); got != want {
		ts.Fatalf("exit code is %d, want %d", got, want)
	}
}

// run1 runs a program and returns its exit code.
func run1(ts *testscript.TestScript, args []string) int {
	err := ts.Exec(args[0], args[1:]...)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	ts.Check(err)
	return 0
}

// cmdRefuses runs a program, which must end with exit code 1, one line on standard error that begins with the program's
// name and matches the pattern, and nothing on standard output: refuses 'given more than once' zmap -q -q.
func cmdRefuses(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: refuses PATTERN program [argument ...]")
	}
	if got := run1(ts, args[1:]); got != 1 {
		ts.Fatalf("exit code is %d, want 1", got)
	}
	if out := ts.ReadFile("stdout"); out != "" {
		ts.Fatalf("standard output is not empty: %q", out)
	}
	complaint(ts, args[0])
}

// complaint checks that standard error is one line, as the program's errors are.
func complaint(ts *testscript.TestScript, pattern string) {
	text := ts.ReadFile("stderr")
	line, rest, found := strings.Cut(text, "\n")
	said, named := strings.CutPrefix(line, "zmap: ")
	switch {
	case !found || rest != "":
		ts.Fatalf("standard error is not one line:\n%s", text)
	case !named:
		ts.Fatalf("standard error does not begin with the program's name: %q", line)
	case strings.HasSuffix(said, "."):
		ts.Fatalf("standard error ends with a full stop: %q", line)
	case !regexp.MustCompile(pattern).MatchString(said):
		ts.Fatalf("standard error does not match %q: %q", pattern, line)
	}
}

// A watched is the program in the background of a script: testscript tells whether it failed, but not how.
type watched struct{ cmd *exec.Cmd }

// watchedKey is where a script's watched is kept.
type watchedKey struct{}

// watch takes note of the program in the background, if there is one, for cmdEnded.
func watch(ts *testscript.TestScript) {
	if all := ts.BackgroundCmds(); len(all) == 1 {
		ts.Value(watchedKey{}).(*watched).cmd = all[0]
	}
}

// cmdWaitFor waits until a file exists and matches a pattern: waitfor hits.csv '^10\.'.
func cmdWaitFor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: waitfor FILE PATTERN")
	}
	watch(ts)
	pattern := regexp.MustCompile("(?m)" + args[1])
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if text, err := os.ReadFile(ts.MkAbs(args[0])); err == nil && pattern.Match(text) {
			return
		}
	}
	ts.Fatalf("%s does not match %q after %s: %q", args[0], args[1], patience, ts.ReadFile(args[0]))
}

// cmdSignal sends a signal to the program in the background: signal TERM.
func cmdSignal(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]syscall.Signal{"HUP": syscall.SIGHUP, "INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL, "USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2}
	if neg || len(args) != 1 || signals[args[0]] == 0 {
		ts.Fatalf("usage: signal %s", strings.Join(slices.Sorted(maps.Keys(signals)), "|"))
	}
	watch(ts)
	ts.Check(ts.Value(watchedKey{}).(*watched).cmd.Process.Signal(signals[args[0]]))
}

// cmdSteer sends the program in the background a signal that changes its rate, so many times, each when the log says that the
// one before has been served: steer USR1 8 log.txt.
func cmdSteer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: steer USR1|USR2 TIMES LOG")
	}
	for n := range number(ts, args[1]) {
		cmdSignal(ts, false, args[:1])
		cmdWaitFor(ts, false, []string{args[2], fmt.Sprintf(`(rate (raised|lowered) (?s:.*?)){%d}`, n+1)})
	}
}

// cmdEnded checks the exit code of a program that was in the background when waitfor or signal was used. It comes after
// wait: ended 130.
func cmdEnded(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: ended CODE")
	}
	cmd := ts.Value(watchedKey{}).(*watched).cmd
	if cmd == nil || len(ts.BackgroundCmds()) > 0 {
		ts.Fatalf("ended: use waitfor or signal, and then wait, before this")
	}
	if got, want := cmd.ProcessState.ExitCode(), number(ts, args[0]); got != want {
		ts.Fatalf("exit code is %d, want %d", got, want)
	}
}

// cmdSame checks that files have the same lines, in whatever order: same hits.csv truth/live.
func cmdSame(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: same FILE FILE ...")
	}
	var want []string // of all files but the first together
	for _, name := range args[1:] {
		want = append(want, linesOf(ts, name)...)
	}
	slices.Sort(want)
	got := linesOf(ts, args[0])
	slices.Sort(got)
	if d := cmp.Diff(want, got); d != "" {
		ts.Fatalf("%s has other lines than %v (-want +got):\n%s", args[0], args[1:], d)
	}
}

// cmdLines checks the number of a file's lines: lines 2 hits.csv.
func cmdLines(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: lines NUMBER FILE")
	}
	if got, want := len(linesOf(ts, args[1])), number(ts, args[0]); got != want {
		ts.Fatalf("%s has %d lines, want %d:\n%s", args[1], got, want, ts.ReadFile(args[1]))
	}
}

// cmdLink switches the scanner's interface, or sets the longest packet that it takes: link down, link mtu 576.
func cmdLink(n *lab.Net) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		switch {
		case !neg && slices.Equal(args, []string{"down"}):
			ts.Check(n.LinkDown())
		case !neg && slices.Equal(args, []string{"up"}):
			ts.Check(n.LinkUp())
			waitForCarrier(ts, n.Link().Interface)
		case !neg && len(args) == 2 && args[0] == "mtu":
			l, err := netlink.LinkByName(n.Link().Interface)
			ts.Check(err)
			ts.Check(netlink.LinkSetMTU(l, number(ts, args[1])))
		default:
			ts.Fatalf("usage: link up|down|mtu BYTES")
		}
	}
}

// waitForCarrier waits until an interface that was switched on is connected, which takes the kernel a moment.
func waitForCarrier(ts *testscript.TestScript, name string) {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		i, err := net.InterfaceByName(name)
		ts.Check(err)
		if i.Flags&net.FlagRunning != 0 {
			return
		}
	}
	ts.Fatalf("interface %s is not connected after %s", name, patience)
}

// linesOf returns a file's lines. The last one must be whole.
func linesOf(ts *testscript.TestScript, name string) []string {
	text := ts.ReadFile(name)
	if text == "" {
		return nil
	}
	if !strings.HasSuffix(text, "\n") {
		ts.Fatalf("the last line of %s is not complete: %q", name, text)
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

func number(ts *testscript.TestScript, text string) int {
	n, err := strconv.Atoi(text)
	ts.Check(err)
	return n
}

// cmdJSON checks that a file is one JSON object, on one line, and that keys in it have the values given, as JSON. A value of
// ? only asks for the key to be there, ! for it not to be, and <=5 for a number of at most 5: json meta.json seed 7 notes ?.
func cmdJSON(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args)%2 != 1 {
		ts.Fatalf("usage: json FILE [KEY VALUE] ...")
	}
	if n := len(linesOf(ts, args[0])); n != 1 {
		ts.Fatalf("%s has %d lines, want 1:\n%s", args[0], n, ts.ReadFile(args[0]))
	}
	var object map[string]any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &object))
	for pair := range slices.Chunk(args[1:], 2) {
		got, there := object[pair[0]]
		switch {
		case pair[1] == "?" && there, pair[1] == "!" && !there:
			continue
		case pair[1] == "?" || pair[1] == "!":
			ts.Fatalf("%s: key %q is there: %v, value %v", args[0], pair[0], there, got)
		}
		if most, ok := strings.CutPrefix(pair[1], "<="); ok {
			if n, isNumber := got.(float64); !isNumber || n > float64(number(ts, most)) {
				ts.Fatalf("%s: key %q is %v, want at most %s", args[0], pair[0], got, most)
			}
			continue
		}
		var want any
		if err := json.Unmarshal([]byte(pair[1]), &want); err != nil {
			ts.Fatalf("value for %q: %v", pair[0], err)
		}
		if d := cmp.Diff(want, got); d != "" {
			ts.Fatalf("%s: key %q (-want +got):\n%s", args[0], pair[0], d)
		}
	}
}

// cmdGone checks that no process has this command line, or will soon have it no more: gone zmap demo.
func cmdGone(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: gone program [argument ...]")
	}
	line := strings.Join(args, "\x00") + "\x00"
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		pid := ""
		files, err := filepath.Glob("/proc/[0-9]*/cmdline")
		ts.Check(err)
		for _, f := range files {
			if text, err := os.ReadFile(f); err == nil && string(text) == line {
				pid = f
			}
		}
		if pid == "" {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("%v still runs after %s: %s", args, patience, pid)
		}
	}
}

package lab

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"
)

// program prepares the test binary as one of the programs below, in a namespace of its own so that Enter starts from the
// outside. It is killed if the test ends before it.
func program(t *testing.T, name string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Args = []string{"program", "first argument"}
	cmd.Env = append(os.Environ(), programVariable+"="+name)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// output runs a program to its end.
func output(t *testing.T, cmd *exec.Cmd) (stdout, stderr string, status int) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatalf("run %v: %v", cmd.Args, err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// runProgram is a program: the part before the switch is what any program does.
func runProgram(name string) int {
	switch name {
	case "outside":
		_, err := New(context.Background(), World{})
		fmt.Println(err)
		return 0
	case "suite":
		Main(suite{})
	case "serve":
		return serveHello()
	case "exhausted": // in a user namespace of its own, which may then have no more network namespaces
		if err := os.WriteFile("/proc/sys/user/max_net_namespaces", []byte("0"), 0); err != nil {
			fmt.Println(err)
			return 2
		}
	}
	inside, status, err := Enter()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	if !inside {
		return status
	}
	return insidePrograms()[name]()
}

func insidePrograms() map[string]func() int {
	return map[string]func() int{
		"where":     printWhere,
		"copy":      copyInput,
		"die":       func() int { syscall.Kill(os.Getpid(), syscall.SIGKILL); select {} },
		"signals":   printSignals,
		"world":     holdWorld,
		"dial":      dialWorld,
		"exhausted": func() int { return 0 },
	}
}

// serveHello answers every datagram to the address in its argument, from a process that has nothing to do with this one any
// more: of a session of its own, with no parent but the keeper.
func serveHello() int {
	if os.Args[2] == "parent" {
		cmd := exec.Command("/proc/self/exe", os.Args[1], "child")
		cmd.Stdout, cmd.SysProcAttr = os.Stdout, &syscall.SysProcAttr{Setsid: true}
		if err := cmd.Start(); err != nil {
			fmt.Println(err)
			return 1
		}
		select {}
	}
	l, err := net.ListenPacket("udp4", os.Args[1])
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("serving")
	for b := make([]byte, 100); ; {
		if _, from, err := l.ReadFrom(b); err == nil {
			l.WriteTo(fmt.Appendf(nil, "hello from %d", os.Getpid()), from)
		}
	}
}

type suite struct{}

func (suite) Run() int { return printWhere() }

// printWhere tells the namespace, its interfaces, the role variable and the user.
func printWhere() int {
	number, err := namespaceNumber()
	if err != nil {
		fmt.Println(err)
		return 1
	}
	ifaces, err := net.Interfaces()
	if err != nil {
		fmt.Println(err)
		return 1
	}
	var up []string
	for _, i := range ifaces {
		if i.Flags&net.FlagUp != 0 {
			up = append(up, i.Name)
		}
	}
	fmt.Printf("%d %q %q %d %q\n", number, strings.Join(up, " "), os.Getenv(roleVariable), os.Getuid(), os.Args)
	return 3
}

func copyInput() int {
	io.Copy(os.Stdout, os.Stdin)
	fmt.Fprint(os.Stderr, "to stderr")
	return 7
}

// printSignals names the signals that arrive until SIGTERM.
func printSignals() int {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals)
	fmt.Println("ready")
	for s := range signals {
		if s == syscall.SIGURG { // the Go runtime's own
			continue
		}
		fmt.Println(s)
		if s == syscall.SIGTERM {
			return 0
		}
	}
	return 1
}

// holdWorld starts a Net with a program, prints the process numbers of the scanner, the Internet and the program's keeper,
// and waits to be killed.
func holdWorld() int {
	n, err := New(context.Background(), kindsWorld())
	if err != nil {
		fmt.Println(err)
		return 1
	}
	p, err := n.Start(context.Background(), Program{Args: []string{"sleep", "60"}})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println(os.Getpid(), n.internet.cmd.Process.Pid, p.child.cmd.Process.Pid)
	select {}
}

// dialWorld uses a Net, with sockets of the kernel and of its own, and a program.
func dialWorld() int {
	ctx := context.Background()
	n, err := New(ctx, kindsWorld())
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer n.Close()
	for _, address := range []string{"10.1.2.3:80", "10.4.0.1:80"} {
		conn, err := dial(ctx, address)
		if err != nil {
			fmt.Println(err)
			return 1
		}
		conn.Close()
	}
	l, err := n.Listen(ctx, ":8080")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	l.Close()
	p, err := n.Start(ctx, Program{Args: []string{"sh", "-c", "exit 5"}})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	<-p.Done()
	if p.Err().Error() != "sh has ended: exit status 5" {
		fmt.Println(p.Err())
		return 1
	}
	st, err := n.Stats(ctx)
	fmt.Println(os.Getuid(), st.Tally.SYNs, st.Responder.Sent.SYNACK, err)
	return 0
}

package lab

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A Process is a running [Program]. All methods are safe for concurrent use.
type Process struct {
	child *child
	args  []string
}

// Start runs a program in the Internet's network namespace, as long as ctx lives and the Net is open. Its ports are then
// open on every Kernel host, or on the one whose address it binds, and the Truth does not know about it.
//
//	scanner ── clone(NEWNS, NEWPID) ──> keeper ──> program ──> whatever it starts
//
// The keeper is process 1 of a process namespace: with it ends everything below, also what has become another user's or a
// session's of its own, and the keeper ends with this process.
func (n *Net) Start(ctx context.Context, p Program) (*Process, error) {
	if len(p.Args) == 0 {
		return nil, errors.New("start a program in the test Internet: there are no arguments to name it")
	}
	path, err := exec.LookPath(p.Args[0])
	if err != nil {
		return nil, fmt.Errorf("start a program in the test Internet: %w", err)
	}
	c, err := n.startKeeper(p, path)
	if err != nil {
		return nil, fmt.Errorf("start %s in the test Internet: %w", p.Args[0], err)
	}
	stop := context.AfterFunc(ctx, c.kill)
	go func() {
		<-c.done
		stop()
	}()
	return &Process{child: c, args: p.Args}, nil
}

// startKeeper starts the keeper, which reads from descriptor 3 what it shall run.
func (n *Net) startKeeper(p Program, path string) (*child, error) {
	spec, err := json.Marshal(kept{Path: path, Args: p.Args, Env: p.Env, Empty: p.Empty})
	if err != nil {
		return nil, err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	defer read.Close()
	cmd, err := rerun(roleKeeper)
	if err != nil {
		write.Close()
		return nil, err
	}
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.Dir, p.Output, p.Output
	cmd.ExtraFiles = []*os.File{read} // controlFD
	cmd.SysProcAttr.Cloneflags = unix.CLONE_NEWNS | unix.CLONE_NEWPID
	cmd.SysProcAttr.Setpgid = true // Ctrl-C is for the scanner
	c, err := n.startInside(cmd)
	if err != nil {
		write.Close()
		return nil, err
	}
	_, err = write.Write(spec)
	if err = errors.Join(err, write.Close()); err != nil {
		c.kill()
		return nil, fmt.Errorf("tell the keeper what to run: %w", err)
	}
	return c, nil
}

// startInside starts cmd from a thread in the Internet's namespace, which is set aside for it as in startChild, and
// remembers it for Close.
func (n *Net) startInside(cmd *exec.Cmd) (*child, error) {
	c := &child{cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		defer close(c.done)
		err := n.visit(func() error {
			if err := cmd.Start(); err != nil {
				return err
			}
			if !n.remember(c) {
				_ = cmd.Process.Kill()
			}
			started <- nil
			_ = cmd.Wait() // Process.Err finds the outcome in cmd.ProcessState
			return nil
		})
		if err != nil {
			started <- err
		}
	}()
	return c, <-started
}

// remember takes c into the list of those that Close ends. It is too late for that if Close has begun.
func (n *Net) remember(c *child) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.programs = append(n.programs, c)
	return !n.closing
}

// endPrograms ends all programs, and those that are about to begin.
func (n *Net) endPrograms() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closing = true
	for _, c := range n.programs {
		c.kill()
	}
}

// Await returns when the program, or anybody else in the Internet, has bound a port: "udp 53", "tcp 80". It returns an
// error when the program ends before that, or ctx does. A datagram that is sent from then on is not lost, even if the
// program does not read yet.
func (p *Process) Await(ctx context.Context, port string) error {
	protocol, number, _ := strings.Cut(port, " ")
	want, err := strconv.ParseUint(number, 10, 16)
	if err != nil || protocol != "udp" && protocol != "tcp" {
		return fmt.Errorf("await port %q: write it as \"udp 53\" or \"tcp 80\"", port)
	}
	for {
		bound, err := hasBound(p.child.cmd.Process.Pid, protocol, uint16(want))
		if bound {
			return nil
		}
		select {
		case <-p.child.done:
			return fmt.Errorf("await port %s: %w", port, p.Err())
		case <-ctx.Done():
			return fmt.Errorf("await port %s of %s: %w", port, p.args[0], errors.Join(ctx.Err(), err))
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// listenState is TCP_LISTEN in the column st of /proc/net/tcp (include/net/tcp_states.h).
const listenState = "0A"

// hasBound says whether a socket in the network namespace of a process is bound to a port, and for TCP listens on it. The
// columns of /proc/PID/net/udp are sl, local_address, rem_address, st (proc_net_tcp(5)).
func hasBound(pid int, protocol string, port uint16) (bool, error) {
	suffix := fmt.Sprintf(":%04X", port)
	for _, version := range []string{"", "6"} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s%s", pid, protocol, version))
		if errors.Is(err, os.ErrNotExist) && version != "" {
			continue
		} else if err != nil {
			return false, err
		}
		lines := bufio.NewScanner(strings.NewReader(string(text)))
		for lines.Scan() {
			f := strings.Fields(lines.Text())
			if len(f) > 3 && strings.HasSuffix(f[1], suffix) && (protocol == "udp" || f[3] == listenState) {
				return true, nil
			}
		}
	}
	return false, nil
}

// Done is closed when the program has ended.
func (p *Process) Done() <-chan struct{} { return p.child.done }

// Err says how the program ended; nil while it runs.
func (p *Process) Err() error {
	select {
	case <-p.child.done:
		return fmt.Errorf("%s has ended: %v", p.args[0], p.child.cmd.ProcessState)
	default:
		return nil
	}
}

// Stop ends the program and all that it has started, and returns when they are gone.
func (p *Process) Stop() { p.child.kill() }

// kept is what a keeper is told.
type kept struct {
	Path  string
	Args  []string
	Env   []string
	Empty []string
}

// keep is the life of a keeper: it gives the program its own view of processes and its empty folders, runs it, and ends
// with its status.
func keep() (int, error) {
	f := os.NewFile(controlFD, "program")
	text, err := io.ReadAll(f)
	f.Close()
	if err != nil {
		return 1, fmt.Errorf("read what to run: %w", err)
	}
	var k kept
	if err := json.Unmarshal(text, &k); err != nil {
		return 1, fmt.Errorf("read what to run: %w", err)
	}
	if os.Getpid() != 1 {
		return 1, errors.New("refuse to go on: this is not a fresh process namespace")
	}
	if err := k.mount(); err != nil {
		return 1, err
	}
	cmd := exec.Command(k.Path)
	cmd.Env = append(os.Environ(), k.Env...)
	cmd.Args, cmd.Stdout, cmd.Stderr = k.Args, os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		return 1, err
	}
	_ = cmd.Wait() // ProcessState has the outcome
	return exitStatus(cmd.ProcessState), nil
}

// mount lays the folders over those of the machine, for this mount namespace alone.
func (k kept) mount() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("take mounts apart from the machine's: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount proc: %w", err)
	}
	for _, dir := range k.Empty {
		if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0777"); err != nil {
			return fmt.Errorf("mount an empty folder on %s: %w", dir, err)
		}
	}
	return nil
}

package lab

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// A transcript is a buffer that a program may write to while a test reads.
type transcript struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *transcript) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *transcript) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// serving starts the program that says hello on a port of 10.1.2.3.
func serving(ctx context.Context, t *testing.T, n *Net, port string) *Process {
	t.Helper()
	out := &transcript{}
	p, err := n.Start(ctx, Program{
		Args: []string{"/proc/self/exe", "10.1.2.3:" + port, "parent"}, Env: []string{programVariable + "=serve"}, Output: out,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Await(bounded(t), "udp "+port); err != nil {
		t.Fatalf("%v (%s)", err, out)
	}
	return p
}

// ask sends a datagram to the program that says hello.
func ask(t *testing.T, port string, patience time.Duration) (string, error) {
	t.Helper()
	c, err := net.Dial("udp4", "10.1.2.3:"+port)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("?")); err != nil {
		return "", err
	}
	c.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, 100)
	k, err := c.Read(b)
	return string(b[:k]), err
}

// TestStartServes runs a program that answers from a process in a session of its own, and ends it in every way there is.
func TestStartServes(t *testing.T) {
	n := newWorld(t, kernelWorld())
	for name, end := range map[string]func(*Process, func()){
		"stop":    func(p *Process, _ func()) { p.Stop() },
		"context": func(p *Process, cancel func()) { cancel(); <-p.Done() },
	} {
		ctx, cancel := context.WithCancel(bounded(t))
		defer cancel()
		p := serving(ctx, t, n, "7")
		if got, err := ask(t, "7", 10*time.Second); !strings.HasPrefix(got, "hello from ") || err != nil {
			t.Errorf("%s: answered %q, %v", name, got, err)
		}
		if err := p.Err(); err != nil {
			t.Errorf("%s: while it runs: %v", name, err)
		}
		end(p, cancel)
		if got, err := ask(t, "7", 10*time.Second); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: after its end it answers %q, %v; want refused", name, got, err)
		}
		if err := p.Err(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Errorf("%s: ended by %v", name, err)
		}
	}
	p := serving(bounded(t), t, n, "7")
	n.Close()
	select {
	case <-p.Done():
	default:
		t.Error("the program outlives the Net")
	}
	if _, err := n.Start(bounded(t), Program{Args: []string{"true"}}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("start in a closed Net: %v", err)
	}
}

// TestStartEmptyFolders says that what a program writes to its empty folders is seen by no one else, and that it has its own
// view of processes, its arguments, variables and folder.
func TestStartEmptyFolders(t *testing.T) {
	n := newWorld(t, kernelWorld())
	dir, out := t.TempDir(), &transcript{}
	if err := os.WriteFile(dir+"/before", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	script := `cd "$1" && ls -A && echo x >after && cat after && echo $VARIABLE && test -d /proc/$$ && echo pid $$ && exit 7`
	p, err := n.Start(bounded(t), Program{
		Args: []string{"sh", "-c", script, "sh", dir}, Env: []string{"VARIABLE=value"}, Dir: "/", Empty: []string{dir}, Output: out,
	})
	if err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	if got := out.String(); !strings.HasPrefix(got, "x\nvalue\npid ") || len(got) > len("x\nvalue\npid 99\n") {
		t.Errorf("printed %q", got)
	}
	if err := p.Err(); err == nil || !strings.HasSuffix(err.Error(), "exit status 7") {
		t.Errorf("ended with %v", err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 || files[0].Name() != "before" {
		t.Errorf("the folder has %v, %v", files, err)
	}
	if err := p.Await(bounded(t), "udp 9"); err == nil || !strings.Contains(err.Error(), "exit status 7") {
		t.Errorf("await a port of a program that has ended: %v", err)
	}
}

func TestStartMistakes(t *testing.T) {
	n := newWorld(t, kernelWorld())
	if _, err := n.Start(bounded(t), Program{}); err == nil {
		t.Error("a program without a name starts")
	}
	if _, err := n.Start(bounded(t), Program{Args: []string{"no-such-program"}}); err == nil {
		t.Error("a program that is not there starts")
	}
	out := &transcript{}
	p, err := n.Start(bounded(t), Program{Args: []string{"true"}, Empty: []string{"/no/such/folder"}, Output: out})
	if err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	if got := out.String(); !strings.Contains(got, "/no/such/folder") || p.Err() == nil {
		t.Errorf("printed %q, ended with %v; want the missing folder named", got, p.Err())
	}
	p, err = n.Start(bounded(t), Program{Args: []string{"sleep", "60"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, port := range []string{"53", "udp", "udp x", "sctp 1", "udp 65536"} {
		if err := p.Await(bounded(t), port); err == nil || !strings.Contains(err.Error(), "write it as") {
			t.Errorf("await %q: %v", port, err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := p.Await(ctx, "tcp 1"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("await a port that nobody binds: %v", err)
	}
}

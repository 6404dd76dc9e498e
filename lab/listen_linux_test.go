package lab

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestListenInTheInternet(t *testing.T) {
	n := newWorld(t, kernelWorld(80))
	l, err := n.Listen(bounded(t), "10.1.2.3:8080")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err == nil {
			io.WriteString(conn, "hello "+conn.RemoteAddr().(*net.TCPAddr).IP.String())
			conn.Close()
		}
	}()
	conn, err := dial(bounded(t), "10.1.2.3:8080")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got, err := io.ReadAll(conn); string(got) != "hello 172.31.255.1" {
		t.Errorf("read %q, %v", got, err)
	}
	if _, err := dial(bounded(t), "10.1.2.4:8080"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("another host: %v, want refused", err)
	}
	if _, err := n.Listen(bounded(t), ":80"); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("listen on a port of the world: %v, want in use", err)
	}
}

// TestListenLeavesThreadsAtHome: visits to the Internet's namespace leave no thread there, least of all the main one.
func TestListenLeavesThreadsAtHome(t *testing.T) {
	n := newWorld(t, kernelWorld())
	home, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	var visits sync.WaitGroup
	for range 200 {
		visits.Go(func() {
			l, err := n.Listen(bounded(t), "10.1.2.3:0")
			if err != nil {
				t.Error(err)
				return
			}
			l.Close()
		})
	}
	visits.Wait()
	var astray []string
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		astray = nil
		threads, err := filepath.Glob("/proc/self/task/*/ns/net")
		if err != nil || len(threads) == 0 {
			t.Fatalf("threads %v: %v", threads, err)
		}
		for _, thread := range threads {
			if there, err := os.Readlink(thread); err == nil && there != home {
				astray = append(astray, thread)
			}
		}
		if len(astray) == 0 {
			return
		}
	}
	t.Errorf("not in %s: %v", home, astray)
}

func TestListenPacketInTheInternet(t *testing.T) {
	n := newWorld(t, kernelWorld())
	server, err := n.ListenPacket(bounded(t), "10.1.2.3:53")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	client, err := net.Dial("udp4", "10.1.2.3:53")
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server.SetDeadline(time.Now().Add(5 * time.Second))
	io.WriteString(client, "question")
	b := make([]byte, 100)
	k, from, err := server.ReadFrom(b)
	if err != nil || string(b[:k]) != "question" || from.String() != client.LocalAddr().String() {
		t.Errorf("read %q from %v: %v", b[:k], from, err)
	}
}

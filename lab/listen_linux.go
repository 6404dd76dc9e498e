package lab

import (
	"context"
	"fmt"
	"net"
	"runtime"

	"golang.org/x/sys/unix"
)

// Listen opens a TCP port on hosts of kind Kernel and leaves the connections to the caller: a real server in the Internet,
// with its program on the scanner's side, where tests can see it. address is "10.1.2.3:443" for one host (which must be a
// Kernel host), or ":443" for all of them. The port must not be one of World.Ports, and the Truth does not know about it.
//
// The listener outlives the Net if it is not closed.
func (n *Net) Listen(ctx context.Context, address string) (net.Listener, error) {
	var l net.Listener
	err := n.visit(func() error {
		var err error
		l, err = new(net.ListenConfig).Listen(ctx, "tcp4", address)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listen in the test Internet: %w", err)
	}
	return l, nil
}

// ListenPacket is Listen for UDP.
func (n *Net) ListenPacket(ctx context.Context, address string) (net.PacketConn, error) {
	var c net.PacketConn
	err := n.visit(func() error {
		var err error
		c, err = new(net.ListenConfig).ListenPacket(ctx, "udp4", address)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listen in the test Internet: %w", err)
	}
	return c, nil
}

// visit runs f on a thread inside the Internet's namespace: a socket belongs for good to the namespace of the thread that
// makes it. The thread is never used for anything else: its goroutine ends while locked to it, and the runtime ends it.
func (n *Net) visit(f func() error) error {
	select {
	case <-n.internet.done:
		return net.ErrClosed // its process number may be another's by now
	default:
	}
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			// Never the main thread: it does not end before the process, and its namespace is what /proc/self shows. It is
			// kept here until another thread is back.
			defer runtime.UnlockOSThread()
			result <- n.visit(f)
			return
		}
		path := fmt.Sprintf("/proc/%d/ns/net", n.internet.cmd.Process.Pid)
		ns, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			result <- fmt.Errorf("open its namespace: %w", err)
			return
		}
		defer func() { _ = unix.Close(ns) }()
		if err := unix.Setns(ns, unix.CLONE_NEWNET); err != nil {
			result <- fmt.Errorf("enter its namespace: %w", err)
			return
		}
		result <- f()
	}()
	return <-result
}

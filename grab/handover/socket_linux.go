package handover

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/link"
)

// Of include/uapi/linux/tcp.h, and of the kinds of options in include/net/tcp.h.
const (
	repairOn        = 1
	repairOffSilent = -1 // TCP_REPAIR_OFF_NO_WP: without a probe of the peer's window, which has the number before our first
	recvQueue       = 1
	sendQueue       = 2
	optionMSS       = 2
	optionWindow    = 3
	optionSACK      = 4
	leastMSS        = 88    // TCP_MIN_MSS in include/net/tcp.h: the kernel takes no less, and no more than the other
	mostMSS         = 32767 // MAX_TCP_WINDOW
)

// open makes the connection that h stands for.
func open(c *Config, h *grab.Half) (*os.File, error) {
	fd, err := repairing(h.Local)
	if err != nil {
		return nil, err
	}
	if err := restore(fd, c, h); err != nil {
		_ = unix.Close(fd) // sends nothing, as long as it is in repair mode
		return nil, err
	}
	return os.NewFile(uintptr(fd), h.Remote.String()), nil
}

// repairing returns a socket in repair mode that is bound to the address. In that mode the port may be another socket's too, as
// long as its peer is not (sk->sk_reuse = SK_FORCE_REUSE in tcp_repair_set).
func repairing(local netip.AddrPort) (int, error) {
	family, from := unix.AF_INET, sockaddr(local)
	if local.Addr().Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	switch {
	case errors.Is(err, unix.EMFILE):
		return -1, fmt.Errorf("open socket: %w: raise the limit (ulimit -n), or have less in flight", err)
	case err != nil:
		return -1, fmt.Errorf("open socket: %w", err)
	}
	err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_REPAIR, repairOn)
	if errors.Is(err, unix.EPERM) {
		err = fmt.Errorf("%w: %s", err, link.HowToAllow("cap_net_admin"))
	}
	if err != nil {
		err = fmt.Errorf("enter repair mode: %w", err)
	} else if err = unix.Bind(fd, from); err != nil {
		err = fmt.Errorf("bind to %s: %w", local, err)
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// A step is a call that makes a socket what it should be.
type step struct {
	what  string
	apply func() error
}

// restore gives a socket in repair mode the state of the connection, and ends the mode. The order matters: connecting makes it
// one that stands, with what the queues say; options and windows belong to one that does.
func restore(fd int, c *Config, h *grab.Half) error {
	set := func(option, value int) func() error {
		return func() error { return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, option, value) }
	}
	words := func(option int, words ...uint32) func() error {
		return func() error { return unix.SetsockoptString(fd, unix.IPPROTO_TCP, option, native(words...)) }
	}
	// That of scaling must be set also where there is none, or every window that the kernel offers is divided by 1024: it takes
	// the connection for one whose windows it may scale, as it would for those that it opens (tcp_select_initial_window).
	mss := min(max(h.MSS, leastMSS), mostMSS)
	options := []uint32{optionMSS, uint32(mss), optionWindow, 0}
	if h.SACK {
		options = append(options, optionSACK, 0)
	}
	for _, s := range []step{
		{"bind to interface " + c.Interface, func() error { return bindTo(fd, c.Interface) }},
		{"set the time to live", func() error { return setTTL(fd, h.Local.Addr(), c.TTL) }},
		{"choose the send queue", set(unix.TCP_REPAIR_QUEUE, sendQueue)},
		{"set the next number to send", words(unix.TCP_QUEUE_SEQ, h.Next)},
		{"choose the receive queue", set(unix.TCP_REPAIR_QUEUE, recvQueue)},
		{"set the next number to receive", words(unix.TCP_QUEUE_SEQ, h.Peer)},
		{"set the size of segments", set(unix.TCP_MAXSEG, int(mss))}, // for the option alone comes too late: 536 bytes would stay
		{"connect", func() error { return connect(fd, h.Remote) }},
		{"set options", words(unix.TCP_REPAIR_OPTIONS, options...)},
		// snd_wl1, snd_wnd, max_window, rcv_wnd, rcv_wup of struct tcp_repair_window
		{"set windows", words(unix.TCP_REPAIR_WINDOW, h.Peer-1, uint32(h.Window), uint32(h.Window), uint32(h.Offered), h.Peer)},
		{"send without delay", set(unix.TCP_NODELAY, 1)},
		{"leave repair mode", set(unix.TCP_REPAIR, repairOffSilent)},
	} {
		if err := s.apply(); err != nil {
			return fmt.Errorf("%s: %w", s.what, err)
		}
	}
	return nil
}

func bindTo(fd int, name string) error {
	if name == "" {
		return nil
	}
	return unix.BindToDevice(fd, name)
}

func setTTL(fd int, local netip.Addr, ttl uint8) error {
	switch {
	case ttl == 0:
		return nil
	case local.Is6():
		return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, int(ttl))
	}
	return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_TTL, int(ttl))
}

// connect makes the connection one that stands; in repair mode nothing is sent.
func connect(fd int, to netip.AddrPort) error {
	err := unix.Connect(fd, sockaddr(to))
	if errors.Is(err, unix.EADDRNOTAVAIL) {
		return grab.ErrTaken
	}
	return err
}

// sockaddr is the address as the kernel takes it. A zone is left out: a scan's interface says what it says.
func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is6() {
		return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
	}
	return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
}

// native is words in the order of this machine.
func native(words ...uint32) string {
	var b []byte
	for _, w := range words {
		b = binary.NativeEndian.AppendUint32(b, w)
	}
	return string(b)
}

// Check returns the error that opening a connection from one of the addresses would return, as far as that can be told without
// one: that this system, or this process, may not, or that an address is not this host's.
func Check(local []netip.Addr) error {
	for _, a := range local {
		fd, err := repairing(netip.AddrPortFrom(a, 0))
		if err != nil {
			return fmt.Errorf("hand over connections: %w", err)
		}
		if err := unix.Close(fd); err != nil {
			return fmt.Errorf("close socket: %w", err)
		}
	}
	return nil
}

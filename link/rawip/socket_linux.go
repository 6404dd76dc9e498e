package rawip

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/link/afpacket"
	"github.com/zmap-go/zmap/link/mmsg"
)

// A version of IP, as the position of its socket in a queue.
type version int

const (
	ipv4 version = iota
	ipv6
)

// socket opens a raw socket that takes packets with their IP header, sends them by the interface and receives nothing to
// speak of. With IPPROTO_RAW it is one that includes the header, in both versions (man 7 raw; rawv6_sendmsg in net/ipv6/raw.c).
func (v version) socket(out outlet) (fd int, err error) {
	family := unix.AF_INET
	level, option := unix.IPPROTO_IP, unix.IP_RECVERR
	if v == ipv6 {
		family, level, option = unix.AF_INET6, unix.IPPROTO_IPV6, unix.IPV6_RECVERR
	}
	fd, err = unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_RAW)
	switch {
	case errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES):
		return -1, fmt.Errorf("open raw IP socket: %w: %s", err, link.HowToAllow("cap_net_raw"))
	case err != nil:
		return -1, fmt.Errorf("open raw IP socket: %w", err)
	}
	defer func() {
		if err != nil {
			_ = unix.Close(fd)
		}
	}()
	if err := unix.BindToDevice(fd, out.Name); err != nil {
		return -1, fmt.Errorf("bind raw IP socket to interface %s: %w", out.Name, err)
	}
	// Without it the kernel does not say that the interface's queue is full (raw_send_hdrinc in net/ipv4/raw.c).
	if err := unix.SetsockoptInt(fd, level, option, 1); err != nil {
		return -1, fmt.Errorf("ask raw IP socket for errors: %w", err)
	}
	// As small as can be: nobody reads what others send to the protocol numbered 255.
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 0); err != nil {
		return -1, fmt.Errorf("set receive buffer of raw IP socket: %w", err)
	}
	return fd, nil
}

// address returns what tells the kernel where each packet goes: its own destination. There are that many sockets.
func (o outlet) address(sockets int) func(packet []byte, a *mmsg.Address) {
	index := uint32(o.Index)
	return func(packet []byte, a *mmsg.Address) {
		switch {
		case len(packet) >= 20 && packet[0]>>4 == 4: // struct sockaddr_in
			a.Socket, a.Len = int(ipv4), unix.SizeofSockaddrInet4
			binary.NativeEndian.PutUint16(a.Name[0:], unix.AF_INET)
			copy(a.Name[4:8], packet[16:20])
		case len(packet) >= 40 && packet[0]>>4 == 6 && sockets > int(ipv6): // struct sockaddr_in6
			a.Socket, a.Len = int(ipv6), unix.SizeofSockaddrInet6
			binary.NativeEndian.PutUint16(a.Name[0:], unix.AF_INET6)
			copy(a.Name[8:24], packet[24:40])
			binary.NativeEndian.PutUint32(a.Name[24:], index)
		default:
			a.Socket = -1
		}
	}
}

// verdict tells the end of the interface from errors about one packet: no route, a route that refuses, a firewall that does, a
// packet that is too long. A route by an interface that is off is no route, so the interface is asked.
func (o outlet) verdict(errno unix.Errno) error {
	switch errno {
	case unix.EPERM, unix.EACCES, unix.EMSGSIZE, unix.EINVAL:
		return nil
	case unix.EBADF, unix.ENOTSOCK:
		return fmt.Errorf("send on %s: %w", o.Name, errno)
	}
	if _, err := afpacket.LookUp(o.Name, o.Index); err != nil {
		return fmt.Errorf("send on %s: %w", o.Name, err)
	}
	return nil
}

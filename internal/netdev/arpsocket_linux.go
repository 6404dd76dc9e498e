package netdev

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// arpBuffer is the receive buffer of an ARP socket, in bytes: room for the answers to some thousand requests.
const arpBuffer = 4 << 20

// arpSocket is a packet socket (packet(7)) that sees the ARP frames of one interface and nothing else: neither other
// protocols nor, since it is bound to a protocol, what this host sends.
type arpSocket struct {
	file        *os.File // in the runtime's poller, for its deadlines
	interrupted atomic.Bool
}

var _ arpConn = (*arpSocket)(nil)

func (*rtnetlink) openARP(index int) (conn arpConn, err error) {
	// Protocol 0: nothing arrives before bind names the interface.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open packet socket: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, unix.Close(fd))
		}
	}()
	// Without the privilege to force it the limit of the host applies; answers lost by that are asked for again.
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, arpBuffer) != nil {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, arpBuffer); err != nil {
			return nil, fmt.Errorf("set receive buffer of packet socket: %w", err)
		}
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: networkOrder(unix.ETH_P_ARP), Ifindex: index}); err != nil {
		return nil, fmt.Errorf("bind packet socket to interface number %d: %w", index, err)
	}
	return &arpSocket{file: os.NewFile(uintptr(fd), "arp")}, nil
}

// networkOrder swaps a protocol number as packet sockets want it, whatever the order of the machine.
func networkOrder(v uint16) uint16 {
	return binary.NativeEndian.Uint16([]byte{byte(v >> 8), byte(v)})
}

// send counts a frame that the interface's queue has no room for as sent: it is asked again in the next round.
func (s *arpSocket) send(frame []byte) error {
	_, err := s.file.Write(frame)
	if err != nil && !errors.Is(err, unix.ENOBUFS) {
		return fmt.Errorf("send ARP request: %w", err)
	}
	return nil
}

func (s *arpSocket) receive(buf []byte, until time.Time) (int, error) {
	if err := s.file.SetReadDeadline(until); err != nil {
		return 0, err
	}
	// After the deadline is set, so that an interrupt cannot fall between the two.
	if s.interrupted.Load() {
		return 0, os.ErrDeadlineExceeded
	}
	return s.file.Read(buf)
}

func (s *arpSocket) interrupt() {
	s.interrupted.Store(true)
	// An error means that the socket is closed or the deadline past: nobody waits either way.
	_ = s.file.SetReadDeadline(time.Unix(1, 0))
}

func (s *arpSocket) close() error { return s.file.Close() }

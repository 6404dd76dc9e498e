package netdev

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/zmap-go/zmap/packet"
)

// askBuffer is the receive buffer of the socket, in bytes: room for the answers to some thousand requests.
const askBuffer = 4 << 20

// askSocket is a packet socket (packet(7)) that sees the ARP frames of one interface, or its Neighbor Advertisements, and nothing else:
// neither other protocols nor, since it is bound to a protocol, what this host sends.
type askSocket struct {
	file        *os.File // in the runtime's poller, for its deadlines
	interrupted atomic.Bool
}

var _ askConn = (*askSocket)(nil)

func (*rtnetlink) openAsk(index int, six bool) (conn askConn, err error) {
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
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, askBuffer) != nil {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, askBuffer); err != nil {
			return nil, fmt.Errorf("set receive buffer of packet socket: %w", err)
		}
	}
	protocol := uint16(unix.ETH_P_ARP)
	if six {
		protocol = unix.ETH_P_IPV6
		filter := advertFilter()
		if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}); err != nil {
			return nil, fmt.Errorf("set filter of packet socket: %w", err)
		}
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: networkOrder(protocol), Ifindex: index}); err != nil {
		return nil, fmt.Errorf("bind packet socket to interface number %d: %w", index, err)
	}
	return &askSocket{file: os.NewFile(uintptr(fd), "neighbours")}, nil
}

// advertFilter lets Neighbor Advertisements without extension headers pass, which is how they are sent.
func advertFilter() []unix.SockFilter {
	const (
		next = packet.EthernetLen + 6              // in the IPv6 header
		kind = packet.EthernetLen + packet.IPv6Len // of the ICMPv6 message
		load = unix.BPF_LD | unix.BPF_B | unix.BPF_ABS
		jump = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		pass = unix.BPF_RET | unix.BPF_K
	)
	return []unix.SockFilter{
		{Code: load, K: next},
		{Code: jump, K: uint32(packet.ProtoICMPv6), Jf: 3},
		{Code: load, K: kind},
		{Code: jump, K: uint32(packet.ICMPv6NeighborAdvert), Jf: 1},
		{Code: pass, K: 1 << 16},
		{Code: pass},
	}
}

// networkOrder swaps a protocol number as packet sockets want it, whatever the order of the machine.
func networkOrder(v uint16) uint16 {
	return binary.NativeEndian.Uint16([]byte{byte(v >> 8), byte(v)})
}

// send counts a frame that the interface's queue has no room for as sent: it is asked again in the next round.
func (s *askSocket) send(frame []byte) error {
	_, err := s.file.Write(frame)
	if err != nil && !errors.Is(err, unix.ENOBUFS) {
		return fmt.Errorf("send request: %w", err)
	}
	return nil
}

func (s *askSocket) receive(buf []byte, until time.Time) (int, error) {
	if err := s.file.SetReadDeadline(until); err != nil {
		return 0, err
	}
	// After the deadline is set, so that an interrupt cannot fall between the two.
	if s.interrupted.Load() {
		return 0, os.ErrDeadlineExceeded
	}
	return s.file.Read(buf)
}

func (s *askSocket) interrupt() {
	s.interrupted.Store(true)
	// An error means that the socket is closed or the deadline past: nobody waits either way.
	_ = s.file.SetReadDeadline(time.Unix(1, 0))
}

func (s *askSocket) close() error { return s.file.Close() }

package afpacket

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/link/mmsg"
)

// openTX opens a transmit queue over one packet socket.
func openTX(cfg link.Config, dev Device) (*mmsg.Queue, error) {
	fd, err := TransmitSocket(cfg, dev)
	if err != nil {
		return nil, err
	}
	return newTX(cfg, dev, fd), nil
}

// TransmitSocket opens a packet socket that receives nothing, bound to the interface, for engines that send through one in
// another way. cfg is one with its defaults; the socket does not block, and is the caller's to close.
func TransmitSocket(cfg link.Config, dev Device) (fd int, err error) {
	fd, err = socket(cfg.Ether)
	if err != nil {
		return -1, err
	}
	defer func() {
		if err != nil {
			_ = unix.Close(fd)
		}
	}()
	if cfg.Qdisc == link.QdiscBypass {
		if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1); err != nil {
			return -1, fmt.Errorf("bypass queueing discipline of %s: %w", dev.Name, err)
		}
	}
	return fd, bind(fd, dev, 0)
}

// newTX makes a transmit queue of a socket.
func newTX(cfg link.Config, dev Device, fd int) *mmsg.Queue {
	q := mmsg.Config{Interface: dev.Name, Batch: cfg.Batch, Retries: cfg.Retries, Sockets: []int{fd}, Verdict: dev.Verdict}
	if !cfg.Ether {
		q.Address = dev.Address
	}
	return mmsg.New(q)
}

// Verdict says what it means that packet_snd (net/packet/af_packet.c) does not send a frame, as for [mmsg.Config]: nil if the
// frame alone is refused.
func (d Device) Verdict(errno unix.Errno) error {
	if errno == unix.EMSGSIZE || errno == unix.EINVAL { // too long for the interface, or no frame at all
		return nil
	}
	return fmt.Errorf("send on %s: %w", d.Name, downOr(errno))
}

// Address is where a packet without a link header goes: struct sockaddr_ll, which tells the kernel its version of IP.
func (d Device) Address(packet []byte, a *mmsg.Address) {
	protocol := uint16(unix.ETH_P_IP)
	if len(packet) > 0 && packet[0]>>4 == 6 {
		protocol = unix.ETH_P_IPV6
	}
	a.Len = unix.SizeofSockaddrLinklayer
	binary.NativeEndian.PutUint16(a.Name[0:], unix.AF_PACKET)
	binary.BigEndian.PutUint16(a.Name[2:], protocol)
	binary.NativeEndian.PutUint32(a.Name[4:], uint32(d.Index))
}

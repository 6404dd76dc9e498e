//go:build amd64 || arm64

package xdp

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"testing"
	"time"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// An ear is a packet socket that hears what arrives at an end of a wire, as that end's kernel sees it.
type ear struct {
	fd int
}

// listen makes the end take what is sent past the kernel's stack, and hears it.
func listen(t testing.TB, end netlink.Link) *ear {
	t.Helper()
	occupy(t, end)
	return eavesdrop(t, end)
}

// eavesdrop hears what arrives at an end that takes frames already.
func eavesdrop(t testing.TB, end netlink.Link) *ear {
	t.Helper()
	const all = 0x0300 // ETH_P_ALL in network order
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	t.Cleanup(func() { _ = unix.Close(fd) })
	must(t, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 512<<20))
	must(t, unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1))
	must(t, unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1))
	must(t, unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: end.Attrs().Index, Protocol: all}))
	return &ear{fd}
}

// patience is how long an ear waits for what must come, quiet how long it listens for what must not.
const (
	patience = 5 * time.Second
	quiet    = 20 * time.Millisecond
)

// hear returns the frames that come: n of them, and those that come right behind them.
func (e *ear) hear(t testing.TB, n int) [][]byte {
	t.Helper()
	var frames [][]byte
	buf, aux := make([]byte, 1<<16), make([]byte, 256)
	for {
		wait := patience
		if len(frames) >= n {
			wait = quiet
		}
		ready, err := unix.Poll([]unix.PollFd{{Fd: int32(e.fd), Events: unix.POLLIN}}, int(wait.Milliseconds()))
		if err == unix.EINTR {
			continue
		}
		must(t, err)
		if ready == 0 {
			return frames
		}
		k, auxLen, _, _, err := unix.Recvmsg(e.fd, buf, aux, unix.MSG_DONTWAIT)
		if err == unix.ENETDOWN { // said once, and over
			continue
		}
		must(t, err)
		if binary.BigEndian.Uint16(buf[12:]) != typeLocal { // the frame that proves a link
			frames = append(frames, withTag(t, buf[:k], aux[:auxLen]))
		}
	}
}

// withTag returns a copy of the frame with the VLAN tag that is in its auxiliary data.
func withTag(t testing.TB, frame, aux []byte) []byte {
	t.Helper()
	msgs, err := unix.ParseSocketControlMessage(aux)
	must(t, err)
	for _, m := range msgs {
		if m.Header.Level != unix.SOL_PACKET || m.Header.Type != unix.PACKET_AUXDATA {
			continue
		}
		// struct tpacket_auxdata in include/uapi/linux/if_packet.h
		status, tci, tpid := binary.NativeEndian.Uint32(m.Data), binary.NativeEndian.Uint16(m.Data[16:]), binary.NativeEndian.Uint16(m.Data[18:])
		if status&unix.TP_STATUS_VLAN_VALID == 0 {
			continue
		}
		tagged := append([]byte(nil), frame[:12]...)
		tagged = binary.BigEndian.AppendUint16(tagged, tpid)
		tagged = binary.BigEndian.AppendUint16(tagged, tci)
		return append(tagged, frame[12:]...)
	}
	return append([]byte(nil), frame...)
}

// expect hears, and fails the test unless just the wanted frames have come, in any order, each as often as it is wanted.
func (e *ear) expect(t testing.TB, want [][]byte) {
	t.Helper()
	left := make(map[string]int, len(want))
	for _, f := range want {
		left[string(f)]++
	}
	got := e.hear(t, len(want))
	for _, f := range got {
		if left[string(f)]--; left[string(f)] < 0 {
			t.Fatalf("this frame came too often, or is none of ours:\n%s", hex.Dump(f))
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d frames came, want %d", len(got), len(want))
	}
}

// expectInOrder hears, and fails the test unless just the wanted frames have come, one after the other.
func (e *ear) expectInOrder(t testing.TB, want [][]byte) {
	t.Helper()
	got := e.hear(t, len(want))
	for i, f := range got {
		if i >= len(want) || !bytes.Equal(f, want[i]) {
			t.Fatalf("frame %d of %d that came, and %d that are wanted, is another:\n%s", i, len(got), len(want), hex.Dump(f))
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d frames came, want %d", len(got), len(want))
	}
}

// gatherSegments switches GRO on at an end (ethtool -K END gro on), which then takes what the other end sends for XDP.
func gatherSegments(t testing.TB, end netlink.Link) {
	t.Helper()
	value := struct{ command, on uint32 }{0x2c, 1} // ETHTOOL_SGRO
	req := struct {                                // struct ifreq
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte
	}{data: unsafe.Pointer(&value)}
	copy(req.name[:], end.Attrs().Name)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(fd)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req))); errno != 0 {
		t.Fatalf("switch GRO on: %v", errno)
	}
}

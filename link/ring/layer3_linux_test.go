package ring

import (
	"bytes"
	"encoding/binary"
	"os"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/zmap-go/zmap/lab/wire"
	"github.com/zmap-go/zmap/link"
)

// newTun makes a tun interface of this test, on which packets have no link header, and returns it with the file that is its far
// end. That begins each packet with its protocol, as the socket told it: struct tun_pi.
func newTun(t *testing.T, name string) (netlink.Link, *os.File) {
	t.Helper()
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	must(t, err)
	req, err := unix.NewIfreq(name)
	must(t, err)
	req.SetUint16(unix.IFF_TUN)
	must(t, unix.IoctlIfreq(fd, unix.TUNSETIFF, req))
	far := os.NewFile(uintptr(fd), "tun")
	t.Cleanup(func() { _ = far.Close() })
	l := wire.Find(t, name)
	_ = os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/disable_ipv6", []byte("1"), 0)
	must(t, netlink.LinkSetUp(l))
	return l, far
}

// The versions of IP differ in their protocol, so packets of each leave with calls of their own, in order.
func TestInterfaceWithoutLinkHeader(t *testing.T) {
	tun, far := newTun(t, "rt0")
	must(t, netlink.LinkSetMTU(tun, 1300))
	tx := wire.Open(t, Engine{}, tun, link.Config{}).TX[0]
	packets := make([][]byte, 40)
	sent := packets[:0:0]
	for i := range packets {
		p := datagram(uint32(i), 60+i)[14:]
		if i%5 > 2 {
			p = make([]byte, 60+i)
			p[0], p[5], p[6], p[7] = 0x60, byte(20+i), 59, 64
		}
		if i%8 == 7 {
			p = append(p, make([]byte, 1301)...) // too long
		} else {
			sent = append(sent, p)
		}
		packets[i] = p
	}
	must(t, tx.Submit(write(t, tx, packets)))
	account(t, tx, link.TXStats{Queued: 40, Sent: 35, Refused: 5}, false)
	must(t, far.SetReadDeadline(time.Now().Add(5*time.Second)))
	for i, want := range sent {
		protocol := uint16(unix.ETH_P_IP)
		if want[0] == 0x60 {
			protocol = unix.ETH_P_IPV6
		}
		b := make([]byte, 2000)
		n, err := far.Read(b)
		must(t, err)
		if n < 4 || !bytes.Equal(b[4:n], want) || binary.BigEndian.Uint16(b[2:]) != protocol {
			t.Errorf("packet %d: got %x, want protocol %04x, %x", i, b[:n], protocol, want)
		}
	}
	slots := make([]link.Slot, len(packets)) // the file is not read, and its interface drops packets in the end
	if n := testing.AllocsPerRun(50, func() {
		n := tx.Reserve(slots, time.Second)
		for i := range slots[:n] {
			slots[i].N = copy(slots[i].Data, packets[i])
		}
		if err := tx.Submit(slots[:n]); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations per batch, want 0", n)
	}
}

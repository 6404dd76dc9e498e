package wire

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Tun makes an interface whose far end is the file: the kernel's packets are read from it, and what is written to it the kernel
// receives, one IP packet at a time. It has the addresses, such as 10.77.0.1/24, and lasts until the test ends.
func Tun(t testing.TB, addresses ...string) *os.File {
	t.Helper()
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	must(t, err)
	name := fmt.Sprintf("tun%08x", rand.Uint32())
	req, err := unix.NewIfreq(name)
	must(t, err)
	req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	must(t, unix.IoctlIfreq(fd, unix.TUNSETIFF, req))
	file := os.NewFile(uintptr(fd), "tun")
	t.Cleanup(func() { _ = file.Close() })
	_ = os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/accept_dad", []byte("0"), 0)
	l := Find(t, name)
	for _, a := range addresses {
		addr, err := netlink.ParseAddr(a)
		must(t, err)
		addr.Flags = unix.IFA_F_NODAD
		if err := netlink.AddrAdd(l, addr); err != nil {
			t.Fatalf("add %s: %v", a, err)
		}
	}
	must(t, errors.Join(netlink.LinkSetTxQLen(l, 10_000), netlink.LinkSetUp(l)))
	return file
}

// Pump hands every packet of the kernel's that comes to the far end of a [Tun] to take, until the test ends, which waits for the last
// call. The packet is valid during the call only.
func Pump(t testing.TB, file *os.File, take func(packet []byte)) {
	t.Helper()
	done := make(chan struct{})
	t.Cleanup(func() {
		_ = file.Close() // Tun has it closed as well
		<-done
	})
	go func() {
		defer close(done)
		buf := make([]byte, 1<<16)
		for {
			n, err := file.Read(buf)
			if err != nil {
				return
			}
			take(buf[:n])
		}
	}()
}

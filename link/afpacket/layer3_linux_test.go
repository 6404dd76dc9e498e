package afpacket

import (
	"bytes"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/zmap-go/zmap/lab/wire"
	"github.com/zmap-go/zmap/link"
)

// newTun makes a tun interface of this test and returns it with the file that is its far end.
func newTun(t *testing.T, name string) (netlink.Link, *os.File) {
	t.Helper()
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	must(t, err)
	req, err := unix.NewIfreq(name)
	must(t, err)
	req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	must(t, unix.IoctlIfreq(fd, unix.TUNSETIFF, req))
	far := os.NewFile(uintptr(fd), "tun")
	t.Cleanup(func() { _ = far.Close() })
	l := wire.Find(t, name)
	_ = os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/disable_ipv6", []byte("1"), 0)
	must(t, netlink.LinkSetUp(l))
	return l, far
}

func TestInterfaceWithoutLinkHeader(t *testing.T) {
	tun, far := newTun(t, "tt0")
	filter := link.Filter{TCP: link.TCPAll, Local: []netip.Addr{netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("2001:db8::2")}}
	l := wire.Open(t, Engine{}, tun, link.Config{Filter: filter})
	v4 := segment()[14:]
	v6 := make([]byte, 60)
	v6[0], v6[5], v6[6], v6[7] = 0x60, 20, 6, 64
	copy(v6[8:], netip.MustParseAddr("2001:db8::1").AsSlice())
	copy(v6[24:], netip.MustParseAddr("2001:db8::2").AsSlice())
	copy(v6[40:], v4[20:40])
	packets := [][]byte{v4, v6, v4, v6}

	slots := make([]link.Slot, len(packets))
	if n := l.TX[0].Reserve(slots, time.Second); n != len(slots) {
		t.Fatalf("%d slots, want %d", n, len(slots))
	}
	for i := range slots {
		slots[i].N = copy(slots[i].Data, packets[i])
	}
	must(t, l.TX[0].Submit(slots))
	must(t, far.SetReadDeadline(time.Now().Add(5*time.Second)))
	for i, want := range packets {
		b := make([]byte, 2000)
		n, err := far.Read(b)
		must(t, err)
		if !bytes.Equal(b[:n], want) {
			t.Errorf("packet %d: got %x, want %x", i, b[:n], want)
		}
	}
	if got, want := l.TX[0].Stats(), (link.TXStats{Queued: 4, Sent: 4}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}

	other := bytes.Clone(v4)
	other[19] = 3 // to another address
	for _, p := range append([][]byte{other}, packets...) {
		_, err := far.Write(p)
		must(t, err)
	}
	var got [][]byte
	drain(t, l.RX[0], func(f *link.Frame) {
		if f.Ether || f.Len != len(f.Data) {
			t.Errorf("got Ether %v, length %d of %d bytes", f.Ether, f.Len, len(f.Data))
		}
		got = append(got, bytes.Clone(f.Data))
	})
	if len(got) != len(packets) {
		t.Fatalf("%d packets received, want %d", len(got), len(packets))
	}
	for i := range got {
		if !bytes.Equal(got[i], packets[i]) {
			t.Errorf("packet %d: got %x, want %x", i, got[i], packets[i])
		}
	}
}

func TestEthernetOnTunIsAnError(t *testing.T) {
	tun, _ := newTun(t, "tt1")
	_, err := Engine{}.Open(t.Context(), link.Config{Interface: tun.Attrs().Name, Ether: true})
	if err == nil || !strings.Contains(err.Error(), "no Ethernet header") {
		t.Errorf("got error %v, want one that says that the interface has no Ethernet header", err)
	}
}

package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A Tun is an interface without a link layer, such as VPNs make (Documentation/networking/tuntap.rst), in the scanner's
// namespace, with a world of its own at the far end. A goroutine of this process plays all hosts of that world, those of kind
// Kernel included, so it is no place for speed.
type Tun struct {
	truth *Truth
	file  *os.File // the far end
	name  string
	local netip.Addr
	done  chan struct{}
}

// OpenTun makes the interface with that name, largest packet and address, and routes the hosts of w over it. It is up when
// OpenTun returns; the caller must Close it. Sources, Detour, Loss, Tally and VLANs of w mean nothing here; the
// router of those who name none has the address after local.
func OpenTun(name string, mtu int, local netip.Addr, w World) (t *Tun, err error) {
	truth, err := w.Truth()
	if err != nil {
		return nil, err
	}
	if marked, err := isMarked(); err != nil || !marked {
		return nil, errors.Join(errors.New("make a tun interface: this is not a lab's network namespace"), err)
	}
	if err := silenceIPv6(); err != nil {
		return nil, err
	}
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/net/tun: %w", err)
	}
	defer func() {
		if err != nil {
			_ = unix.Close(fd)
		}
	}()
	req, err := unix.NewIfreq(name)
	if err != nil {
		return nil, fmt.Errorf("make tun interface %s: %w", name, err)
	}
	req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, req); err != nil {
		return nil, fmt.Errorf("make tun interface %s: %w", name, err)
	}
	if err := raiseTun(name, mtu, local, w); err != nil {
		return nil, err
	}
	t = &Tun{truth: truth, file: os.NewFile(uintptr(fd), "tun"), name: name, local: local, done: make(chan struct{})}
	go t.play()
	return t, nil
}

// raiseTun gives the interface its address and its routes. Its queue has room for a burst that the far end is slow to read.
func raiseTun(name string, mtu int, local netip.Addr, w World) error {
	l, err := lookUp(name)
	if err != nil {
		return err
	}
	const queue = 10_000
	if err := errors.Join(netlink.LinkSetMTU(l, mtu), netlink.LinkSetTxQLen(l, queue), netlink.LinkSetUp(l)); err != nil {
		return fmt.Errorf("set up interface %s: %w", name, err)
	}
	if err := addAddress(l, local, 32); err != nil {
		return err
	}
	for _, h := range w.Hosts {
		dst := &net.IPNet{IP: h.Prefix.Addr().AsSlice(), Mask: net.CIDRMask(h.Prefix.Bits(), 32)}
		route := &netlink.Route{LinkIndex: l.Attrs().Index, Scope: netlink.SCOPE_LINK, Src: local.AsSlice(), Dst: dst}
		if err := netlink.RouteAdd(route); err != nil {
			return fmt.Errorf("add route %v by %s: %w", h.Prefix, name, err)
		}
	}
	return nil
}

// Truth returns what every address behind the interface must answer.
func (t *Tun) Truth() *Truth { return t.truth }

// Name is the name of the interface.
func (t *Tun) Name() string { return t.name }

// Close removes the interface, and returns when nothing plays its far end any more.
func (t *Tun) Close() error {
	err := t.file.Close()
	<-t.done
	if err != nil {
		return fmt.Errorf("close tun interface %s: %w", t.name, err)
	}
	return nil
}

// play is the life of the far end, until Close. Packets become frames for the responder, and its frames packets.
func (t *Tun) play() {
	defer close(t.done)
	r := newResponder(t.truth, Link{Gateway: t.local.Next()}, func(frame []byte, _ Answer) {
		_, _ = t.file.Write(frame[etherLen:]) // refused when the interface is down: then it is lost, as on any wire
	})
	r.kernel = true
	frame := make([]byte, 1<<16)
	copy(frame[etherLen-2:], []byte{0x08, 0x00})
	for start := time.Now(); ; {
		deadline := time.Time{}
		if wait := r.release(time.Since(start)); wait >= 0 {
			deadline = time.Now().Add(wait)
		}
		_ = t.file.SetReadDeadline(deadline) // fails only when the file is closed, as Read does then
		n, err := t.file.Read(frame[etherLen:])
		switch {
		case err == nil:
			r.receive(frame[:etherLen+n], time.Since(start))
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return
		}
	}
}

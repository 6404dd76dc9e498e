package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A Net is a running test Internet. All methods are safe for concurrent use.
type Net struct {
	link     Link
	truth    *Truth
	made     []int // numbers of the interfaces to remove
	internet *child
	control  *client
	once     sync.Once
	closed   error

	mu       sync.Mutex // guards the fields below
	programs []*child   // all that Start has started
	closing  bool
}

// New starts the test Internet that w declares and returns when it is ready: the link is up and routed, every host
// answers. ctx bounds the start, not the life, of the Net; the caller must Close it.
//
// It must be called in a process that Main or Enter has brought into a fresh namespace, and returns an error elsewhere. A
// namespace has room for one Net at a time.
func New(ctx context.Context, w World) (*Net, error) {
	truth, err := w.Truth()
	if err != nil {
		return nil, err
	}
	if marked, err := isMarked(); err != nil {
		return nil, err
	} else if !marked {
		return nil, errors.New("start the test Internet: this is not a lab's network namespace: call lab.Main or lab.Enter first")
	}
	if _, err := netlink.LinkByName(scannerEnd); err == nil {
		return nil, fmt.Errorf("start the test Internet: interface %s exists: close the other Net of this process first", scannerEnd)
	}
	n := &Net{link: standardLink(), truth: truth}
	if err := n.start(ctx, w); err != nil {
		_ = n.Close() // what went wrong before says more
		return nil, fmt.Errorf("start the test Internet: %w", err)
	}
	return n, nil
}

// start runs the Internet's process, lays the link, and tells the process what to be. The process must have seen its
// namespace empty before the link's other end appears there.
func (n *Net) start(ctx context.Context, w World) error {
	if err := n.launch(); err != nil {
		return err
	}
	// Until the Internet is ready, a cancelled context ends its process, and with it every wait below.
	defer context.AfterFunc(ctx, func() { _ = n.internet.cmd.Process.Kill() })()
	if err := n.control.call(ctx, opHello, nil, nil); err != nil {
		return err
	}
	if err := n.layLink(w); err != nil {
		return err
	}
	if w.IPv6 != nil {
		if err := n.layIPv6(); err != nil {
			return err
		}
	}
	if w.Detour {
		if err := n.layDetour(); err != nil {
			return err
		}
	}
	if err := n.control.call(ctx, opBuild, build{World: w, Link: n.link}, nil); err != nil {
		return err
	}
	if err := waitOperational(ctx, scannerEnd); err != nil || !w.Detour {
		return err
	}
	return waitOperational(ctx, scannerDetour)
}

// launch starts the Internet's process in its own namespace, with one end of a socket pair.
func (n *Net) launch() error {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("make the control socket: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "control"), os.NewFile(uintptr(fds[1]), "control")
	defer ours.Close()
	defer theirs.Close()
	conn, err := net.FileConn(ours)
	if err != nil {
		return fmt.Errorf("open the control socket: %w", err)
	}
	cmd, err := rerun(roleInternet)
	if err != nil {
		_ = conn.Close()
		return err
	}
	cmd.Stderr = os.Stderr
	cmd.ExtraFiles = []*os.File{theirs} // controlFD
	cmd.SysProcAttr.Setpgid = true      // Ctrl-C is for the scanner: hosts do not go away because of it
	if n.internet, err = startChild(cmd); err != nil {
		_ = conn.Close()
		return fmt.Errorf("start its process: %w", err)
	}
	n.control = newClient(conn)
	return nil
}

// layLink makes the veth pair, its far end in the Internet's namespace at once, and routes everything over it.
func (n *Net) layLink(w World) error {
	if err := silenceIPv6(); err != nil {
		return err
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.HardwareAddr = scannerEnd, n.link.ScannerMAC
	queues := max(w.Queues, 1)
	attrs.NumTxQueues, attrs.NumRxQueues = queues, queues
	if err := netlink.LinkAdd(&netlink.Veth{
		LinkAttrs:        attrs,
		PeerNumTxQueues:  uint32(queues),
		PeerNumRxQueues:  uint32(queues),
		PeerName:         internetEnd,
		PeerHardwareAddr: n.link.GatewayMAC,
		PeerNamespace:    netlink.NsPid(n.internet.cmd.Process.Pid),
	}); err != nil {
		return fmt.Errorf("make veth pair: %w", err)
	}
	scan0, err := lookUp(scannerEnd)
	if err != nil {
		return err
	}
	n.link.Index = scan0.Attrs().Index
	n.made = append(n.made, n.link.Index)
	if queues > 1 {
		if err := spreadQueues(scannerEnd, queues); err != nil {
			return err
		}
	}
	for _, a := range n.link.sources(w.Sources) {
		if err := addAddress(scan0, a, n.link.Prefix.Bits()); err != nil {
			return err
		}
	}
	return n.raiseLink()
}

// Truth returns the ground truth: what every address must answer.
func (n *Net) Truth() *Truth { return n.truth }

// Link returns what the scanner needs to know about its interface.
func (n *Net) Link() Link { return n.link }

// LinkDown switches the scanner's interface off, as "ip link set scan0 down" does: sending on it fails with ENETDOWN, and
// the kernel drops its routes.
func (n *Net) LinkDown() error {
	scan0, err := lookUp(scannerEnd)
	if err != nil {
		return err
	}
	if err := netlink.LinkSetDown(scan0); err != nil {
		return fmt.Errorf("switch interface %s off: %w", scannerEnd, err)
	}
	return nil
}

// LinkUp undoes LinkDown: the interface is switched on and the default route set again. It returns when both ends carry
// frames, which takes milliseconds, and gives up after ten seconds.
func (n *Net) LinkUp() error {
	if err := n.raiseLink(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := waitOperational(ctx, scannerEnd); err != nil {
		return err
	}
	return n.control.call(ctx, opLink, nil, nil)
}

// MoveGateway gives the gateway another hardware address, as when one router takes over from another. Nobody is told; frames to the old
// one are lost. Only Kernel hosts answer from the new one.
func (n *Net) MoveGateway(ctx context.Context, mac net.HardwareAddr) error {
	if err := n.control.call(ctx, opMove, mac, nil); err != nil {
		return fmt.Errorf("move the gateway: %w", err)
	}
	return nil
}

// raiseLink switches the scanner's end on and sets the default route.
func (n *Net) raiseLink() error {
	scan0, err := lookUp(scannerEnd)
	if err != nil {
		return err
	}
	if err := netlink.LinkSetUp(scan0); err != nil {
		return fmt.Errorf("switch interface %s on: %w", scannerEnd, err)
	}
	via := &netlink.Route{LinkIndex: scan0.Attrs().Index, Gw: n.link.Gateway.AsSlice(), Src: n.link.Scanner.AsSlice()}
	if err := netlink.RouteReplace(via); err != nil {
		return fmt.Errorf("set the default route: %w", err)
	}
	return nil
}

// Stats asks the Internet what it has seen and done. Frames on their way are in none of the counts: for figures that agree
// with each other, ask when the link has been quiet for a moment.
func (n *Net) Stats(ctx context.Context) (Stats, error) {
	var st Stats
	if err := n.control.call(ctx, opStats, nil, &st); err != nil {
		return Stats{}, err
	}
	scan0, err := lookUp(scannerEnd)
	if err != nil {
		return Stats{}, err
	}
	// A frame that veth cannot hand to its peer is counted where it was sent (drivers/net/veth.c, veth_xmit).
	st.Link.InDropped += scan0.Attrs().Statistics.TxDropped
	st.Link.OutDropped += scan0.Attrs().Statistics.RxDropped
	return st, nil
}

// Close ends the Internet with the programs in it, and removes the link. It may be called more than once; later calls return what the first did.
func (n *Net) Close() error {
	n.once.Do(func() { n.closed = n.close() })
	return n.closed
}

func (n *Net) close() error {
	n.endPrograms()
	var errs []error
	for _, index := range n.made {
		if l, lookup := netlink.LinkByIndex(index); lookup == nil {
			if err := netlink.LinkDel(l); err != nil {
				errs = append(errs, fmt.Errorf("remove interface %s: %w", l.Attrs().Name, err))
			}
		}
	}
	if n.control != nil {
		_ = n.control.conn.Close()
	}
	if n.internet != nil {
		n.internet.kill()
	}
	return errors.Join(errs...)
}

func addAddress(l netlink.Link, a netip.Addr, bits int) error {
	ip := &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(bits, a.BitLen())}
	if err := netlink.AddrAdd(l, &netlink.Addr{IPNet: ip}); err != nil {
		return fmt.Errorf("give %v/%d to interface %s: %w", a, bits, l.Attrs().Name, err)
	}
	return nil
}

// waitOperational waits until the kernel hands frames to the interface. Up and carrier are not enough: until the kernel's
// link watch has run, an interface that was switched on before its peer drops what is sent (net/core/link_watch.c).
func waitOperational(ctx context.Context, name string) error {
	for {
		l, err := lookUp(name)
		if err != nil {
			return err
		}
		if l.Attrs().OperState == netlink.OperUp {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for interface %s: %w", name, ctx.Err())
		case <-time.After(time.Millisecond):
		}
	}
}

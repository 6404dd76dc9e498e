package afpacket

import (
	"context"
	"errors"
	"fmt"
	"net"

	"golang.org/x/sys/unix"

	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/link/mmsg"
)

var _ link.Engine = Engine{}

// Open opens the queues. A transmit queue's sockets never receive; no frame is sent to find out whether the link works,
// for a packet socket reports what goes wrong at once: the interface must be up and connected, and each socket bound.
func (Engine) Open(ctx context.Context, cfg link.Config) (*link.Link, error) {
	cfg, dev, err := Prepare(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return OpenQueues(Engine{}.Name(), cfg, func() (*mmsg.Queue, error) { return openTX(cfg, dev) })
}

// Check opens and closes one transmit queue, whose socket never receives, and compiles the capture filter. Beyond that only the
// kernel's version and its memory could keep Open from opening.
func (Engine) Check(ctx context.Context, cfg link.Config) (memory uint64, err error) {
	cfg, dev, err := Prepare(ctx, cfg)
	if err != nil {
		return 0, err
	}
	return CheckQueues(cfg, func() (*mmsg.Queue, error) { return openTX(cfg, dev) })
}

// Prepare fills in the defaults, and finds the interface to send on, before any socket is open.
func Prepare(ctx context.Context, cfg link.Config) (link.Config, Device, error) {
	cfg, err := cfg.WithDefaults()
	if err != nil {
		return cfg, Device{}, err
	}
	if err := ctx.Err(); err != nil {
		return cfg, Device{}, err
	}
	if cfg.Batch == 0 {
		cfg.Batch = mmsg.DefaultBatch
	}
	dev, err := sendingDevice(cfg)
	return cfg, dev, err
}

// A Device is an interface of a link.
type Device struct {
	Name  string
	Index int
	kind  uint16 // hardware type, ARPHRD_ (linux/if_arp.h)
}

// ether says whether frames of the interface begin with an Ethernet header.
func (d Device) ether() bool { return d.kind == unix.ARPHRD_ETHER || d.kind == unix.ARPHRD_LOOPBACK }

// sendingDevice finds the interface to send on, and checks that frames of the wanted kind can leave through it.
func sendingDevice(cfg link.Config) (Device, error) {
	d, err := LookUp(cfg.Interface, cfg.Index)
	switch {
	case err != nil || d.ether() == cfg.Ether:
		return d, err
	case cfg.Ether:
		return d, fmt.Errorf("interface %s has no Ethernet header (hardware type %d): send IP packets on it (--iplayer)", d.Name, d.kind)
	}
	return d, fmt.Errorf("interface %s wants an Ethernet header, which bare IP packets (--iplayer) have not: raw IP sockets take them (--link raw)", d.Name)
}

// receivingDevice finds the interface to receive on, and refuses what no socket can do there.
func receivingDevice(cfg link.Config) (Device, error) {
	if cfg.Filter.Withholds() {
		return Device{}, errors.New("sockets see answers when the host's stack has seen them: it resets what it did not open (--rst pass)")
	}
	if cfg.Receive != "" {
		return LookUp(cfg.Receive, 0)
	}
	return LookUp(cfg.Interface, cfg.Index)
}

// LookUp finds an interface by its number, or by its name if that is 0, and checks that it is up and connected. An error that
// says that it is not, or is gone, wraps [link.ErrDown].
func LookUp(name string, index int) (Device, error) {
	dev := Device{Name: name, Index: index}
	if dev.Name == "" && dev.Index == 0 {
		return dev, errors.New("look up interface: neither a name nor a number is given")
	}
	if dev.Index == 0 {
		i, err := net.InterfaceByName(dev.Name)
		if err != nil {
			return dev, fmt.Errorf("look up interface %s: %w", dev.Name, err)
		}
		dev.Index = i.Index
	}
	if dev.Name == "" {
		i, err := net.InterfaceByIndex(dev.Index)
		if err != nil {
			return dev, fmt.Errorf("look up interface number %d: %w", dev.Index, err)
		}
		dev.Name = i.Name
	}
	return dev, dev.ask()
}

// ask asks for the state and the hardware type, with the requests of man 7 netdevice, which any socket may make.
func (d *Device) ask() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open socket: %w", err)
	}
	defer func() { _ = unix.Close(fd) }()
	req, err := unix.NewIfreq(d.Name)
	if err != nil {
		return fmt.Errorf("look up interface %s: %w", d.Name, err)
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, req); err != nil {
		return fmt.Errorf("look up flags of interface %s: %w", d.Name, downOr(err))
	}
	flags := req.Uint16()
	if flags&unix.IFF_UP == 0 {
		return fmt.Errorf("interface %s is switched off (ip link set %s up): %w", d.Name, d.Name, link.ErrDown)
	}
	if flags&unix.IFF_RUNNING == 0 {
		return fmt.Errorf("interface %s is not connected (no carrier: cable, peer or tunnel is missing): %w", d.Name, link.ErrDown)
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFHWADDR, req); err != nil {
		return fmt.Errorf("look up hardware type of interface %s: %w", d.Name, err)
	}
	d.kind = req.Uint16()
	return nil
}

// socket opens a packet socket that receives nothing until it is bound to a protocol.
func socket(ether bool) (int, error) {
	kind := unix.SOCK_RAW
	if !ether {
		kind = unix.SOCK_DGRAM
	}
	fd, err := unix.Socket(unix.AF_PACKET, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	switch {
	case err == nil:
		return fd, nil
	case errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES):
		return -1, fmt.Errorf("open packet socket: %w: %s", err, link.HowToAllow("cap_net_raw"))
	case errors.Is(err, unix.EAFNOSUPPORT):
		return -1, &link.UnsupportedError{Feature: "packet sockets (CONFIG_PACKET)"}
	}
	return -1, fmt.Errorf("open packet socket: %w", err)
}

// bind attaches a packet socket to the interface; with protocol 0 it receives nothing.
func bind(fd int, dev Device, protocol uint16) error {
	err := unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: dev.Index, Protocol: networkOrder(protocol)})
	if err != nil {
		return fmt.Errorf("bind to interface %s: %w", dev.Name, downOr(err))
	}
	return nil
}

// networkOrder swaps a number for fields that the kernel wants in network order.
func networkOrder(v uint16) uint16 {
	var b [2]byte
	b[0], b[1] = byte(v>>8), byte(v)
	return nativeUint16(b)
}

// downOr returns link.ErrDown for the errors that say that the interface is down or gone, else err.
func downOr(err error) error {
	var errno unix.Errno
	if errors.As(err, &errno) && isDown(errno) {
		return fmt.Errorf("%w (%w)", link.ErrDown, errno)
	}
	return err
}

// isDown names the errors with which packet_snd, packet_do_bind and packet_notifier (net/packet/af_packet.c) say that the
// interface is down or gone.
func isDown(errno unix.Errno) bool {
	return errno == unix.ENETDOWN || errno == unix.ENXIO || errno == unix.ENODEV
}

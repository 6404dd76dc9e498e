//go:build amd64 || arm64

package xdp

import (
	"errors"
	"fmt"
	"net"

	"golang.org/x/sys/unix"

	"github.com/zmap-go/zmap/link"
)

const (
	etherLen = 14
	vlanLen  = 4
)

// A device is the interface that a link is on. It may be used by several goroutines.
type device struct {
	name  string
	index int
	mac   net.HardwareAddr
	mtu   int
}

// lookUp finds the interface, which must be one that Ethernet frames can leave through.
func lookUp(cfg link.Config) (*device, error) {
	if !cfg.Ether {
		return nil, &link.UnsupportedError{Feature: "XDP on interfaces without an Ethernet header"}
	}
	find := func() (*net.Interface, error) { return net.InterfaceByName(cfg.Interface) }
	if cfg.Index != 0 {
		find = func() (*net.Interface, error) { return net.InterfaceByIndex(cfg.Index) }
	}
	i, err := find()
	if err != nil {
		return nil, fmt.Errorf("look up interface %s: %w", cfg.Interface, err)
	}
	if i.Flags&net.FlagLoopback != 0 || len(i.HardwareAddr) != 6 {
		return nil, &link.UnsupportedError{Feature: "XDP on the interface " + i.Name + ", which is not Ethernet"}
	}
	d := &device{name: i.Name, index: i.Index, mac: i.HardwareAddr, mtu: i.MTU}
	return d, d.connected()
}

// check returns an error that wraps [link.ErrDown] if the interface is switched off or gone. Without a carrier it is neither:
// frames are refused until it is back.
func (d *device) check() error {
	_, err := d.flags()
	return err
}

// connected returns the error of check, or one that wraps [link.ErrDown] if there is no carrier.
func (d *device) connected() error {
	flags, err := d.flags()
	if err == nil && flags&unix.IFF_RUNNING == 0 {
		err = fmt.Errorf("interface %s is not connected (no carrier: cable or peer is missing): %w", d.name, link.ErrDown)
	}
	return err
}

// flags asks for the interface's flags, with the requests of man 7 netdevice, by its number: its name may be another's now.
func (d *device) flags() (uint16, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("open socket: %w", err)
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq(d.name)
	if err != nil {
		return 0, fmt.Errorf("look up interface %s: %w", d.name, err)
	}
	req.SetUint32(uint32(d.index))
	err = unix.IoctlIfreq(fd, unix.SIOCGIFNAME, req)
	if err == nil {
		err = unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, req)
	}
	switch {
	case errors.Is(err, unix.ENODEV):
		return 0, fmt.Errorf("interface %s is gone: %w", d.name, link.ErrDown)
	case err != nil:
		return 0, fmt.Errorf("look up flags of interface %s: %w", d.name, err)
	}
	flags := req.Uint16()
	if flags&unix.IFF_UP == 0 {
		err = fmt.Errorf("interface %s is switched off (ip link set %[1]s up): %w", req.Name(), link.ErrDown)
	}
	return flags, err
}

// driver returns the name of the interface's driver, "unknown" if it has none.
func (d *device) driver() string {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return "unknown"
	}
	defer unix.Close(fd)
	info, err := unix.IoctlGetEthtoolDrvinfo(fd, d.name)
	if err != nil {
		return "unknown"
	}
	return unix.ByteSliceToString(info.Driver[:])
}

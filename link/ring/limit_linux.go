package ring

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/link/afpacket"
)

// Lengths that the kernel adds to an interface's MTU (tpacket_snd in net/packet/af_packet.c).
const (
	etherLen = 14
	vlanLen  = 4
)

// A limit keeps frames from the kernel that are too long for an interface by any measure: it would refuse them, too, but not
// without a line in its log for each (tpacket_parse_header). Those that are only too long without a VLAN tag are its own to
// refuse, which it does in silence.
type limit struct {
	fd      int
	req     *unix.Ifreq
	head    int
	longest int
}

// newLimit asks for the MTU with a request that any socket may make.
func newLimit(fd int, cfg link.Config, dev afpacket.Device) (*limit, error) {
	req, err := unix.NewIfreq(dev.Name)
	if err != nil {
		return nil, fmt.Errorf("look up MTU of interface %s: %w", dev.Name, err)
	}
	l := &limit{fd: fd, req: req}
	if cfg.Ether {
		l.head = etherLen
	}
	if err := l.ask(); err != nil {
		return nil, fmt.Errorf("look up MTU of interface %s: %w", dev.Name, err)
	}
	return l, nil
}

// ask looks whether the MTU is another one now. With an error the last one stays.
func (l *limit) ask() error {
	if err := unix.IoctlIfreq(l.fd, unix.SIOCGIFMTU, l.req); err != nil {
		return err
	}
	l.longest = int(l.req.Uint32()) + l.head + vlanLen
	return nil
}

// exceeds says whether a frame of n bytes is too long, after another look if it seems so.
func (l *limit) exceeds(n int) bool {
	if n <= l.longest {
		return false
	}
	_ = l.ask() // nobody can know better than the kernel, which is asked next if the interface is gone
	return n > l.longest
}

package lab

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// namespaceMark is the alias that the lab gives to the loopback device of a namespace it owns. The mark lives as long as
// the namespace, and every process in it can see it.
const namespaceMark = "zmap lab: scanner"

// namespaceNumber identifies the network namespace of this process (namespaces(7): the inode of its file in /proc).
func namespaceNumber() (uint64, error) {
	var st unix.Stat_t
	if err := unix.Stat("/proc/thread-self/ns/net", &st); err != nil {
		return 0, fmt.Errorf("look up the network namespace: %w", err)
	}
	return st.Ino, nil
}

// requireFresh returns an error unless this process is in another namespace than the one it was started from and nobody
// has used that yet: every interface in it is down. It is the guard before all that the lab does.
func requireFresh(left uint64) error {
	here, err := namespaceNumber()
	if err != nil {
		return err
	}
	if here == left {
		return errors.New("refuse to go on: this is not a fresh network namespace but the one the program was started in")
	}
	// Netlink, because /sys/class/net can show the interfaces of the namespace it was mounted in.
	links, err := netlink.LinkList()
	if err != nil {
		return fmt.Errorf("list interfaces: %w", err)
	}
	for _, l := range links {
		if l.Attrs().Flags&net.FlagUp != 0 {
			return fmt.Errorf("refuse to go on: this network namespace is in use: interface %s is up", l.Attrs().Name)
		}
	}
	return nil
}

// claimNamespace verifies that the scanner's namespace is fresh, marks it, and switches its loopback on.
func claimNamespace(left uint64) error {
	if err := requireFresh(left); err != nil {
		return err
	}
	lo, err := loopbackUp()
	if err != nil {
		return err
	}
	if err := netlink.LinkSetAlias(lo, namespaceMark); err != nil {
		return fmt.Errorf("mark the network namespace: %w", err)
	}
	return nil
}

// isMarked reports whether this process is in a namespace that claimNamespace has marked.
func isMarked() (bool, error) {
	lo, err := lookUp("lo")
	if err != nil {
		return false, err
	}
	return lo.Attrs().Alias == namespaceMark, nil
}

func lookUp(name string) (netlink.Link, error) {
	l, err := netlink.LinkByName(name)
	if err != nil {
		return nil, fmt.Errorf("look up interface %s: %w", name, err)
	}
	return l, nil
}

func loopbackUp() (netlink.Link, error) {
	lo, err := lookUp("lo")
	if err != nil {
		return nil, err
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return nil, fmt.Errorf("switch interface lo on: %w", err)
	}
	return lo, nil
}

// sysctl sets a variable below /proc/sys/net, which shows those of the caller's namespace. It writes only what differs, so
// that a read-only /proc with the right values will do.
func sysctl(name, value string) error {
	path := "/proc/sys/net/" + strings.ReplaceAll(name, ".", "/")
	now, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read sysctl net.%s: %w", name, err)
	}
	if strings.TrimSpace(string(now)) == value {
		return nil
	}
	if err := os.WriteFile(path, []byte(value), 0); err != nil {
		return fmt.Errorf("set sysctl net.%s to %s: %w", name, value, err)
	}
	return nil
}

// silenceIPv6 keeps interfaces made from now on from sending router and neighbour solicitations by themselves, so that
// every frame on the link is one that somebody asked for. A kernel without IPv6 is silent already.
func silenceIPv6() error {
	err := sysctl("ipv6.conf.default.disable_ipv6", "1")
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

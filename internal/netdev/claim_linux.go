package netdev

import (
	"errors"
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// Claim takes a name for this process, for as long as it lives or until release, if no other process of the network namespace has it:
// a Unix socket with an abstract name (unix(7)), to which nobody talks. [ErrClaimed] says that another has it.
func Claim(name string) (release func() error, err error) {
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: "@" + name, Net: "unixgram"})
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		return nil, fmt.Errorf("%s: %w", name, ErrClaimed)
	case err != nil:
		return nil, fmt.Errorf("claim %s: %w", name, err)
	}
	return c.Close, nil
}

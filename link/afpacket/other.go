//go:build !linux

package afpacket

import (
	"context"

	"github.com/zmap-go/zmap/link"
)

// Open reports that there are no packet sockets here.
func (Engine) Open(context.Context, link.Config) (*link.Link, error) {
	return nil, &link.UnsupportedError{Feature: "packet sockets: they exist on Linux only"}
}

//go:build !linux

package afpacket

import (
	"context"

	"github.com/zmap-go/zmap/link"
)

// Open reports that there are no packet sockets here.
func (Engine) Open(context.Context, link.Config) (*link.Link, error) {
	return nil, unsupported()
}

// Check reports the same.
func (Engine) Check(context.Context, link.Config) (uint64, error) { return 0, unsupported() }

func unsupported() error {
	return &link.UnsupportedError{Feature: "packet sockets: they exist on Linux only"}
}

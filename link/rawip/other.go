//go:build !linux

package rawip

import (
	"context"

	"github.com/zmap-go/zmap/link"
)

var _ link.Engine = Engine{}

// Open reports that there is no such engine here.
func (Engine) Open(context.Context, link.Config) (*link.Link, error) {
	return nil, &link.UnsupportedError{Feature: "raw IP sockets by interface: they exist on Linux only"}
}

// Check reports that there is no such engine here.
func (Engine) Check(context.Context, link.Config) (uint64, error) {
	return 0, &link.UnsupportedError{Feature: "raw IP sockets by interface: they exist on Linux only"}
}

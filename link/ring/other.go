//go:build !linux

package ring

import (
	"context"

	"github.com/zmap-go/zmap/link"
)

var _ link.Engine = Engine{}

// Open reports that there are no transmit rings here.
func (Engine) Open(context.Context, link.Config) (*link.Link, error) {
	return nil, unsupported()
}

// Check reports the same.
func (Engine) Check(context.Context, link.Config) (uint64, error) { return 0, unsupported() }

func unsupported() error {
	return &link.UnsupportedError{Feature: "transmit rings of packet sockets: they exist on Linux only"}
}

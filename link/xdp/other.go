//go:build !linux || !(amd64 || arm64)

package xdp

import (
	"context"

	"github.com/zmap-go/zmap/link"
)

// Open returns a [link.UnsupportedError]: there is XDP on Linux alone, and the program is built for 64-bit machines that
// keep the low byte first.
func (Engine) Open(context.Context, link.Config) (*link.Link, error) { return nil, unsupported() }

// Check returns what Open returns.
func (Engine) Check(context.Context, link.Config) (uint64, error) { return 0, unsupported() }

func unsupported() error { return &link.UnsupportedError{Feature: "XDP (Linux on amd64 or arm64)"} }

//go:build !linux

package firewall

import "github.com/zmap-go/zmap/link"

// A wall is what there is none of here.
type wall struct{}

// Close does nothing.
func (*wall) Close() error { return nil }

func raise(link.Config) (*wall, error) { return nil, check() }

func check() error { return &link.UnsupportedError{Feature: "nftables: they exist on Linux only"} }

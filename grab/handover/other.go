//go:build !linux

package handover

import (
	"net/netip"
	"os"

	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/link"
)

// Check reports that the kernel takes no connections here.
func Check([]netip.Addr) error { return unsupported() }

func open(*Config, *grab.Half) (*os.File, error) { return nil, unsupported() }

func unsupported() error {
	return &link.UnsupportedError{Feature: "handover of connections to the kernel: it exists on Linux only"}
}

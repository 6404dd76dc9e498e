//go:build !linux

package netdev

import (
	"errors"
	"fmt"
	"runtime"
)

// openKernel says that there is no other kernel than Linux.
func openKernel() (kernel, error) {
	return nil, fmt.Errorf("find network interfaces and routes on %s: %w (scanning needs Linux; --dryrun works)",
		runtime.GOOS, errors.ErrUnsupported)
}

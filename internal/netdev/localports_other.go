//go:build !linux

package netdev

import "errors"

// LocalPorts is Linux's.
func LocalPorts() (first, last uint16, err error) { return 0, 0, errors.ErrUnsupported }

//go:build unix

package cli

import "syscall"

// openFiles returns how many files the process may have open, 0 if nobody knows.
func openFiles() uint64 {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return 0
	}
	return uint64(l.Cur) //nolint:unconvert // int64 on some systems
}

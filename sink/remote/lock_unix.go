//go:build unix && !solaris && !aix

package remote

import (
	"os"
	"syscall" // for flock: the lock goes with the process, however that ends
)

// lockFile locks f against other processes until it is closed.
func lockFile(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}

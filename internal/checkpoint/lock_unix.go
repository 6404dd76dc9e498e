//go:build unix && !solaris && !aix

package checkpoint

import (
	"os"
	"syscall" // for flock: the lock goes with the process, however that ends
)

// lock keeps other processes from f until it is closed.
func lock(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}

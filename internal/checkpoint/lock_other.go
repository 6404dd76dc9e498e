//go:build !unix || solaris || aix

package checkpoint

import "os"

// lock does nothing where the standard library has no locks.
func lock(*os.File) error { return nil }

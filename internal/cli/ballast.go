package cli

import "runtime"

// ballastBytes is memory that grabs hold and never touch, which therefore costs none. The garbage collector runs when the heap has
// doubled: with a few megabytes alive and half a gigabyte a second of short-lived documents that is a hundred times a second.
const ballastBytes = 64 << 20

// holdBallast holds it until the function that it returns is called.
func holdBallast() (release func()) {
	b := make([]byte, ballastBytes)
	return func() { runtime.KeepAlive(b) }
}

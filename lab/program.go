package lab

import "io"

// A Program is a server, or any other program, for the test Internet: what answers there is then neither a kernel nor of
// the lab's making.
type Program struct {
	// Args are the program, looked up in PATH as usual, and its arguments. It must stay in the foreground: when it ends,
	// so do all processes it has started.
	Args []string
	// Env are the variables it gets besides those of this process.
	Env []string
	// Dir is the folder it runs in. Empty means that of this process.
	Dir string
	// Empty are folders that it finds empty and can write to: what it leaves in them goes with it, and two programs do not
	// meet there. They must exist.
	Empty []string
	// Output gets what it writes to its standard output and error, from another goroutine. Nil throws that away.
	Output io.Writer
}

// Package grabtest is what every supplier of connections for grabs must pass, whoever carries its segments: the same cases, over
// connections of user space, connections given to the kernel, and plain ones.
//
//	grabtest.Conformance(t, func(t *testing.T, way grabtest.Way, serve func(*net.TCPConn)) net.Conn {
//		// lay such a way to a kernel's listener, connect over it, and let serve have the far end
//	})
//
// Only tests import it.
package grabtest

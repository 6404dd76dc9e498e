// Package wire lays virtual cables for tests of what moves frames: both ends are in the network namespace that the tests run
// in, which lab.Main has made, so that nothing they send can leave it. Only tests import it.
//
//	w := wire.Lay(t, wire.Plan{})
//	l := wire.Open(t, afpacket.Engine{}, w.A, link.Config{Ether: true})
package wire

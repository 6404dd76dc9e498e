// Package link moves frames: it defines what a transmit queue, a receive queue and a capture filter are, and chooses
// between the engines that provide them (link/afpacket on any Linux, link/linktest in memory for tests).
//
// The send ring owns the frames. A sender reserves [Slot]s, writes a template once into each, patches a dozen bytes for
// every probe afterwards and submits:
//
//	n := tx.Reserve(slots[:], time.Millisecond)
//	for i := range slots[:n] {
//		slots[i].N = encoder.Patch(slots[i].Data, &shot)
//	}
//	err := tx.Submit(slots[:n])
//
// The package knows nothing of probes: a frame is bytes.
package link

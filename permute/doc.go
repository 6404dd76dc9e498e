// Package permute decides in what order a scan visits its targets. It walks a
// grid of addresses and ports in a pseudo-random order that a 64-bit seed
// fixes completely, without remembering where it has been: the walk is the
// orbit of a generator of a multiplicative group modulo a prime a little larger
// than the grid, so every target comes exactly once and the whole state is one
// number. The order is that of C zmap for the same seed.
//
// The words used here, from small to large:
//
//	element   a number x in 1..p-1; the walk goes from x to x*generator mod p
//	index     x-1, when it lies in the grid: row<<Bits(Cols) | column
//	Walk      a run of consecutive elements that one goroutine goes through
//	Shard     a run of elements that one machine goes through: one walk a thread
//	Cycle     all p-1 elements: the group, its generator and a starting point
//	Mark      a place in a walk, to continue from after a restart
//	position  how many steps of the cycle it takes to come to an index
//	Listed    a walk that gives only the indexes on a list, and jumps to them
//
// A scan makes one Cycle and hands each sender its own Walk:
//
//	cycle, err := permute.New(seed, permute.Grid{Rows: addresses, Cols: ports})
//	walks, err := cycle.Walks(permute.Shard{N: 0, Of: 1}, senders)
//	for n := walks[i].Fill(batch); n > 0; n = walks[i].Fill(batch) {
//		send(batch[:n])
//	}
//
// The package knows nothing about addresses, ports or lists: package target
// turns an index into a target. It is not a source of secrets either: anyone
// who knows the seed, or sees a few targets in order, knows the rest.
package permute

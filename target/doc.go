// Package target decides what a scan may probe: it reads allow and block lists, port lists and address lists, and turns
// them into a [Space], a counted set of targets in which every target has an index.
//
//	b := target.Builder{Resolver: net.DefaultResolver, Ports: ports}
//	if err := b.Add(target.Allow, "198.51.100.0/24"); err != nil { ... }
//	if err := b.ReadFile(target.Block, "blocklist.conf"); err != nil { ... }
//	space, err := b.Build(ctx)
//	...
//	space.Fill(index, &t)                   // index -> target, the sender's side
//	index, ok := space.Index(t.Addr, t.Port) // target -> index, the receiver's side
//
// The order of the indexes is that of C zmap, so that a permutation of them visits the same targets for the same seed.
// The package knows no permutation, no packets and no flags, logs nothing and sends nothing itself: names are looked up
// through the [Resolver] it is given.
//
// Words used here: an entry is what a user typed; a row is the number of an allowed address, a column that of a port; a
// span is a range of addresses with both ends included.
package target

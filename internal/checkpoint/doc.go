// Package checkpoint keeps on disk how far a scan is, so that another process can carry it on after this one was killed.
//
//	scan.checkpoint       the [State]: written anew every second, in one step, so that it is always whole
//	scan.checkpoint.seen  the [Journal]: the targets that have answered, in the order of their rows; it only grows
//
// A State names how much of the journal and of each output is its own: what is behind that came after it, and is dropped. Both files are
// their owner's alone, for the state has the key of the probes.
package checkpoint

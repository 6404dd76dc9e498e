// Package plan keeps what many machines need to share one scan, and what answers later whether a packet was the scan's: targets, seed,
// shards and the key of the probes, in one file.
//
//	zmap-plan 1 SHA256
//	{ "made": ..., "seed": ..., "key": ..., "networks": [ ... ] }
//
// The first line has the version of the format and the SHA-256 of all that follows, in hexadecimal: a file that was cut, or changed in
// one bit, is no plan. Whoever has the key can forge answers to the scan's probes: the file is its owner's alone.
package plan

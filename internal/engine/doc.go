// Package engine runs one scan: it ties a walk, a target space, a probe module and a link together, paces the senders,
// receives until the end of the cooldown, and ends for one named reason.
//
// Data flow:
//
//	sender (one per TX queue)                       receiver (one per RX queue)
//	  1. ask the gate and the pacer for a share       1. poll the link
//	  2. reserve slots                                2. decode, match the tag, look the target up
//	  3. walk -> target -> tag -> patch               3. deduplicate, fill a row
//	  4. submit                                       4. hand batches of rows over
//	                                                              |
//	                                            collector (one): annotate -> filter -> sink
//
// A slow collector closes the gate: the scan slows, rows are not lost. Hooks are told by senders and the collector; package
// zmap puts what they are told into a queue, and holds the gate when that fills up. The engine knows no command line, no file
// and no network configuration; package zmap resolves those.
package engine

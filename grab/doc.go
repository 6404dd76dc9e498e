// Package grab is the seam between a connection to a host that answered and the protocols that are spoken over it: what a
// [Module] is, what it is given ([Session]), how what it learned is written down ([Grab]), and what it must keep to ([Limits],
// [Operator]).
//
// The way of a grab through the rooms around this one:
//
//	SYN-ACK ──> Half ──> oneshot.Stack   (connections in user space)     ┐
//	              └────> handover.Maker  (TCP_REPAIR: the kernel's)      ├──> net.Conn ──> Module.Grab ──> Grab ──> row
//	target  ───────────> a plain dial                                    ┘
//
// Package pool admits, runs and accounts for them; package service has the protocols, one a file; package hello reads TLS
// without its cryptography. Nothing here or there logs in, guesses, writes or takes data: a grab proves that a service is
// there and what it says of itself to everybody.
package grab

// Package mmsg is a transmit queue over sockets, for the link engines that send through the kernel: frames leave with
// sendmmsg(2), a batch a call. It is to sending what a [link.TX] promises: slots, retries while a driver is busy, and an exact
// account of what left and what was refused.
//
// What the engines have of their own are the sockets, the addresses that frames go to, and what errors mean:
//
//	q := mmsg.New(mmsg.Config{Interface: "eth0", Batch: 64, Sockets: []int{fd}, Verdict: verdict})
//	n := q.Reserve(slots, 0)
//
// Sending is synchronous: Submit returns when the kernel has the frames or refused them. The package opens no socket, and
// exists on Linux only.
package mmsg

// Package oneshot carries on half-open connections in user space, over the link of the scan itself: no socket, no second SYN,
// nothing of the kernel's. It suits a question with one answer, tens of thousands of times a second.
//
//	s := oneshot.New(oneshot.Config{TX: l.Control, Ether: true, SourceMAC: mac, TTL: 64})
//	c, err := s.Open(ctx, target, half) // a net.Conn; its first Write carries the last step of the handshake
//
//	receivers ── Input ──> conn ──┐ what there is to send       ┌── Read, Write, Close ── modules
//	                         │    └──> ready list ──> sender ──>│   link.TX: Reserve, Submit
//	                         └── data ──> stretch ──────────────┘
//
// It is a client's TCP after RFC 9293, modest but whole: retransmission with back-off and fast retransmit (RFC 6298, 5681,
// 6582), reassembly, windows both ways with probes of a closed one, delayed acknowledgements, checks of RST and ACK against
// blind attackers (RFC 5961), FIN both ways. It offers no options but the MSS of the scan's SYN.
//
// A connection has no goroutine here. One goroutine owns the transmit queue, the timers and everything that is sent; whoever
// has something for it (callers, receivers) puts the connection onto its ready list. Locks are taken in the order connection,
// table, ready list.
//
// What may come in is bounded: windows of at most 64 KiB each way, a number of connections, of gaps in what has arrived, of
// segments without a connection. Path MTU messages are not listened to: packets of IPv4 may be fragmented on their way, and
// those of IPv6 are of the size that every path takes.
package oneshot

// Package handover gives half-open connections to the kernel: the SYN was a scan's, sent past the stack, and the SYN-ACK was kept
// from it; the socket that is made is told both sequence numbers, and carries on as if it had sent the SYN itself. So a long or
// chatty protocol, or a large answer, has the kernel's retransmission, flow control and selective acknowledgement, over the
// connection by which its host was found.
//
//	SYN-ACK ──> grab.Half ──> socket in repair mode: addresses, sequence numbers, connect, options, windows ──> mode off ──> net.Conn
//
// The kernel does all of this by TCP_REPAIR (include/uapi/linux/tcp.h, tcp_repair_set in net/ipv4/tcp.c), which was made to
// restore processes from checkpoints. It sends nothing meanwhile, and takes CAP_NET_ADMIN in the network namespace.
//
// Until there is a socket, the kernel must not see the SYN-ACK, or it resets the connection: see [link.RSTHandover]. From then on
// it must see all, repeats of the SYN-ACK too, for it is the kernel that answers those.
package handover

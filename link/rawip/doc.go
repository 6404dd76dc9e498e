// Package rawip is the link engine "raw": raw IP sockets (man 7 raw), to which the kernel is the network. It takes IP packets
// without a link header (option -X), finds the next hop of each, and sends them by one interface, of whatever kind.
//
//	l, err := link.Open(ctx, link.Config{Interface: "eth0", Filter: filter}, link.Auto, afpacket.Engine{}, rawip.Engine{})
//
// Each packet is sent to its own destination, so the kernel's routes decide about each: targets on the link get their own
// hardware address, others that of the right gateway. The host's firewall and connection tracking see the packets. What the
// kernel does not send is counted as refused, packet by packet.
//
// Some things are the kernel's doing. It writes the total length and the checksum of IPv4 headers anew, and an identification
// where it is zero (raw_send_hdrinc in net/ipv4/raw.c). Since the sockets are bound to an interface, it takes an IPv4 target
// without a route for one on the link (ip_route_output_key_hash_rcu in net/ipv4/route.c). It keeps packets for a neighbour that
// it has to ask for its hardware address, and drops them without a word when there are too many
// (net.ipv4.neigh.*.unres_qlen_bytes, some 270 short ones) or nobody answers: those count as sent. And it has room for so many
// neighbours (net.ipv4.neigh.default.gc_thresh3); packets to others are refused.
//
// Answers come in by a packet socket, as with engine "socket" (package afpacket), for raw sockets get copies of what the kernel
// would answer itself.
//
// It needs root or the capability CAP_NET_RAW. On other systems everything compiles and reports errors.ErrUnsupported.
package rawip

// Package afpacket is the link engine "socket": packet sockets (man 7 packet), which every Linux has.
//
// Frames leave with sendmmsg(2), a batch a call (package mmsg), past the queueing discipline unless that is wanted
// (PACKET_QDISC_BYPASS). They arrive in a ring of blocks shared with the kernel (TPACKET_V3), behind a filter that the kernel
// runs and that is in place before the first frame can arrive. The kernel counts what it had no room for, exactly.
//
// An interface without a link header (tun, VPN) is served with sockets that begin at the IP header. WireGuard and ppp look no
// different from here, but only tun devices are tested.
//
//	l, err := link.Open(ctx, link.Config{Interface: "eth0", Ether: true, Filter: filter}, link.Auto, afpacket.Engine{})
//
// Sending is synchronous: Submit returns when the driver or the queueing discipline has the frames or refused them. What
// the package does not do is find out which interface, address or neighbour to use.
//
// It needs root or the capability CAP_NET_RAW. On other systems everything compiles and reports errors.ErrUnsupported.
package afpacket

// Package ring is the link engine "ring": packet sockets whose frames to send are in memory shared with the kernel
// (PACKET_TX_RING, Documentation/networking/packet_mmap.rst), so that a probe is written once, where the driver reads it.
//
//	l, err := link.Open(ctx, link.Config{Interface: "eth0", Ether: true, Filter: filter}, "ring", afpacket.Engine{}, ring.Engine{})
//
// Sending is synchronous, as with engine "socket" (package afpacket): one system call for some dozens of frames, and Submit
// returns when the driver, or the queueing discipline where that is not bypassed, has each or refused it. What a frame's slot
// says afterwards is less than it seems: that it is available again means that the kernel has let the frame go
// (tpacket_destruct_skb in net/packet/af_packet.c), be it behind the wire's beginning or into the void. So nothing is counted
// by that; it only says which memory may be written again. Frames are counted as sent by the call's having gone past them,
// which it does for those that the driver took and for no others. A driver that takes a frame and drops it, or a discipline
// that drops an older frame for a new one, tells nobody, whatever the engine.
//
// Slots go round the ring: what is reserved next is the memory that was sent longest ago. A slot that the driver has not let
// go is not handed out, so a driver that is slow makes Reserve wait. Some drivers let go of a frame before they have read it
// (virtio_net without NAPI on its transmit side, the loopback interface); with them, the room that a ring has beyond a batch
// is what keeps it from being written again too early. The ends of virtual cables are safe from Linux 4.20 on.
//
// Answers come in as with engine "socket". It measured slower than that, which copies frames of some 60 bytes faster than the
// kernel keeps count of pages, so nothing chooses it on its own: it is for cards and kernels where it measures faster.
//
// It needs root or the capability CAP_NET_RAW. On other systems everything compiles and reports errors.ErrUnsupported.
package ring

// Package xdp is the link that keeps packets out of the kernel's stack and out of system calls of their own: one BPF
// program both makes frames and taps answers.
//
//	sender ── Submit ──> slots (shared memory) ── BPF_PROG_RUN, live frames ──> scan: copy, redirect ──> ndo_xdp_xmit ──> wire
//	                                                                                     verdict (trace point) <──┘
//	receiver <── Poll ── answers (BPF ring buffer) <── scan: is it an answer? copy <── XDP of the interface <── wire
//	                                                       └──> pass, reset or withhold
//
// Sending: the slots of a [TX] are entries of a BPF map that user space and kernel share. Submit makes one system call for
// all of them, bpf(2) with BPF_PROG_RUN and live frames (Linux 5.18): the kernel makes that many frames and runs the program
// on each, which copies the next slot in and has the driver send it. No socket buffer, no queueing discipline, no system
// call per frame. Submit is synchronous: when it returns, the driver has said of every frame whether it took it, and what
// it did not take has been offered again.
//
// Receiving: the program is attached to the interface, natively if the driver can. It copies what passes the link's filter into a ring buffer
// and counts exactly what does not fit. While the buffer is more than half full, Submit waits: answers are not lost because
// a reader is slow.
//
// It needs CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON, Linux 5.18 with BTF, and a driver that sends for XDP. Where one of them is
// missing, or somebody else's XDP program is on the interface, Open says so and the next engine gets its turn.
package xdp

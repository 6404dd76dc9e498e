/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The driver's verdict. A redirect only puts a frame into a bulk of up to 16; what became of the bulk is told by the trace
 * point behind ndo_xdp_xmit (bq_xmit_all in kernel/bpf/devmap.c), while the thread that called still runs: the frames of
 * a bulk are consecutive descriptors, and those that the driver did not take are its tail.
 */
#pragma once
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "sender.h"

#define MAX_BULK 64 /* DEV_MAP_BULK_SIZE is 16 */

struct net_device {
	int ifindex;
} __attribute__((preserve_access_index));

static __always_inline void note_verdict(struct sender *sender, __u32 who, __u32 sent, __u32 drops)
{
	__u32 first = sender->done + sent;

	/* Frames that others redirect meanwhile on this thread are none of ours: nothing of ours is waiting then. */
	if (sender->next - sender->done < sent + drops)
		return;
	sender->done = first + drops;
	sender->refused += drops;
	for (__u32 i = 0; i < MAX_BULK && i < drops; i++) {
		__u32 at = who * batch + first + i;
		struct descriptor *desc = bpf_map_lookup_elem(&descriptors, &at);

		if (desc)
			desc->refused = 1;
	}
}

SEC("tp_btf/xdp_devmap_xmit")
int BPF_PROG(verdict, const struct net_device *from, const struct net_device *to, int sent, int drops, int err)
{
	__u32 thread = (__u32)bpf_get_current_pid_tgid();

	if (to->ifindex != out_index)
		return 0;
	for (__u32 i = 0; i < count; i++) {
		__u32 who = i;
		struct sender *sender = bpf_map_lookup_elem(&senders, &who);

		if (!sender)
			return 0;
		if (sender->thread == thread) {
			note_verdict(sender, who, sent, drops);
			return 0;
		}
	}
	return 0;
}

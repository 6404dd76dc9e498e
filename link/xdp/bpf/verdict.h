/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * What became of the frames, told by trace points while the thread that called still runs. A redirect only puts a frame into
 * a bulk of up to 16, or fails (xdp_do_redirect_frame in net/core/filter.c); what became of a bulk is told by the one behind
 * ndo_xdp_xmit (bq_xmit_all in kernel/bpf/devmap.c): what the driver did not take is its tail.
 */
#pragma once
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "sender.h"

#define MAX_BULK 64 /* DEV_MAP_BULK_SIZE is 16 */
#define NO_ROOM 105 /* ENOBUFS in include/uapi/asm-generic/errno.h */

struct net_device {
	int ifindex;
} __attribute__((preserve_access_index));

struct bpf_prog;

/* The sender whose call this thread is in, and its number. */
static __always_inline struct sender *calling(__u32 *number)
{
	__u64 task = bpf_get_current_task();

	for (__u32 i = 0; i < count; i++) {
		__u32 who = i;
		struct sender *sender = bpf_map_lookup_elem(&senders, &who);

		if (!sender)
			return 0;
		if (sender->task == task) {
			*number = who;
			return sender;
		}
	}
	return 0;
}

SEC("tp_btf/xdp_devmap_xmit")
int BPF_PROG(verdict, const struct net_device *from, const struct net_device *to, int sent, int drops, int err)
{
	struct sender *sender;
	__u32 who, first;

	if (to->ifindex != out_index)
		return 0;
	sender = calling(&who);
	/* Frames that others redirect meanwhile on this thread are none of ours: nothing of ours is waiting then. */
	if (!sender || sender->next - sender->done < sent + drops)
		return 0;
	first = sender->done + sent;
	sender->done = first + drops;
	sender->refused += drops;
	for (__u32 i = 0; i < MAX_BULK && i < drops; i++) {
		__u32 at = who * batch + first + i;
		struct descriptor *desc = bpf_map_lookup_elem(&descriptors, &at);

		if (desc)
			desc->error = err ? -err : NO_ROOM;
	}
	return 0;
}

SEC("tp_btf/xdp_redirect_err")
int BPF_PROG(unsent, const struct net_device *from, const struct bpf_prog *program, const void *target, int err, int map_type,
	     __u32 map, __u32 to)
{
	struct sender *sender;
	__u32 who;

	if (to != out_index || from->ifindex != LOOPBACK)
		return 0;
	sender = calling(&who);
	if (sender && sender->next > sender->done)
		set_aside(sender, who, -err);
	return 0;
}

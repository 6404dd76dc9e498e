/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The in-kernel sender. BPF_PROG_RUN with live frames makes frames from its page pool and runs the program on each
 * (Documentation/bpf/bpf_prog_run.rst); the program copies the next slot into the frame and redirects it to the
 * interface's driver. User space wrote the slots before the call and waits for its end, so nothing here is concurrent:
 * a sender, its slots and its descriptors belong to the one thread that makes the call.
 */
#pragma once
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "wire.h"

#define LOOPBACK 1 /* LOOPBACK_IFINDEX in include/net/net_namespace.h: where the frames of a sender come from */

/*
 * The state of one sender, alone on its cache lines. User space sets all of it before each call.
 *
 *	0 .......... done .......... next .......... end .......... frames of the call
 *	| has a verdict | in the bulk  | to be sent    | set aside
 *
 * A bulk is what redirects have gathered and the driver has not seen. Its frames are consecutive descriptors, for those that
 * got into none change places with the last ones.
 */
struct sender {
	__u64 task;    /* that calls, set with its first frame: threads have other numbers in other namespaces */
	__u32 key;     /* in front of its frames */
	__u32 next;
	__u32 end;
	__u32 done;
	__u32 refused; /* frames that the driver did not take */
	__u32 unused[25];
};

/* What to send: so many bytes of a slot. User space reads back why it did not leave: 0 if it did. */
struct descriptor {
	__u16 len;
	__u16 slot;
	__u32 error;
};

/*
 * What is in front of a frame: the sender, and the key by which the program knows that the number is one. The kernel writes
 * it once and uses the memory for many frames of a call, and whoever receives one at the other end of a virtual cable may
 * have written over it.
 */
struct mark {
	__u32 number;
	__u32 key;
};

#define TOO_LONG 90 /* EMSGSIZE in include/uapi/asm-generic/errno.h */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* set when the program is loaded: senders */
	__type(key, __u32);
	__type(value, struct sender);
} senders SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* set when the program is loaded: senders * batch */
	__type(key, __u32);
	__type(value, struct descriptor);
} descriptors SEC(".maps");

#define MAX_SLOT 1536 /* room for the longest frame, in whole words */

struct slot {
	__u64 words[MAX_SLOT / 8];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* set when the program is loaded: senders * batch */
	__type(key, __u32);
	__type(value, struct slot); /* the size is set when the program is loaded: slot_len */
} slots SEC(".maps");

/* Constants that are set when the program is loaded. The verifier removes what they make unreachable. */
const volatile __u32 out_index = 0; /* number of the interface */
const volatile __u32 batch = 1;     /* slots of one sender */
const volatile __u32 slot_len = MAX_SLOT;
const volatile __u32 frame_len = 0; /* length that the frames are made with: that of most probes */
const volatile __u32 count = 1;     /* senders */

#define UNROLLED 16 /* words that are copied without a helper: 128 bytes */

/* Takes the frame that was the next one out of what is to be sent. */
static __always_inline void set_aside(struct sender *sender, __u32 who, __u32 error)
{
	__u32 at = who * batch + sender->next - 1, last = who * batch + sender->end - 1;
	struct descriptor *failed = bpf_map_lookup_elem(&descriptors, &at);
	struct descriptor *other = bpf_map_lookup_elem(&descriptors, &last);
	struct descriptor moved;

	if (!failed || !other)
		return;
	failed->error = error;
	moved = *failed;
	*failed = *other;
	*other = moved;
	sender->next--;
	sender->end--;
}

/* Copies a slot into a frame of just frame_len bytes. */
static __always_inline int copy_usual(struct xdp_md *ctx, struct slot *slot)
{
	__u8 *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	const __u32 words = frame_len / 8, rest = frame_len % 8;

	if (frame_len > UNROLLED * 8 || frame_len > slot_len)
		return bpf_xdp_store_bytes(ctx, 0, slot, frame_len > slot_len ? slot_len : frame_len);
	if ((void *)(data + frame_len) > end)
		return -1;
#pragma unroll
	for (__u32 i = 0; i < UNROLLED; i++) {
		if (i < words)
			((__u64 *)data)[i] = slot->words[i];
	}
#pragma unroll
	for (__u32 i = 0; i < 7; i++)
		if (i < rest)
			data[words * 8 + i] = ((__u8 *)slot)[words * 8 + i];
	return 0;
}

/* Copies a slot into a frame of another length. */
static __always_inline int copy_other(struct xdp_md *ctx, struct slot *slot, __u32 len)
{
	if (len < ETHER_LEN || len > slot_len)
		return -1;
	if (bpf_xdp_adjust_tail(ctx, (int)len - (int)frame_len))
		return -1;
	return bpf_xdp_store_bytes(ctx, 0, slot, len);
}

/* Copies the slot that the descriptor names into the frame. */
static __always_inline int copy(struct xdp_md *ctx, struct descriptor *desc, __u32 first)
{
	__u32 at = first + desc->slot;
	struct slot *slot = bpf_map_lookup_elem(&slots, &at);

	if (!slot)
		return -1;
	return desc->len == frame_len ? copy_usual(ctx, slot) : copy_other(ctx, slot, desc->len);
}

/* Turns the frame into the next one to send. */
static __always_inline int send_next(struct xdp_md *ctx)
{
	struct mark *mark = (void *)(long)ctx->data_meta;
	struct descriptor *desc;
	struct sender *sender;
	__u32 who, at;

	if ((void *)(mark + 1) > (void *)(long)ctx->data)
		return XDP_DROP;
	who = mark->number;
	sender = bpf_map_lookup_elem(&senders, &who);
	if (!sender || sender->key != mark->key || sender->next >= sender->end)
		return XDP_DROP;
	if (!sender->task)
		sender->task = bpf_get_current_task();
	at = who * batch + sender->next++;
	desc = bpf_map_lookup_elem(&descriptors, &at);
	if (desc && !copy(ctx, desc, who * batch))
		return bpf_redirect(out_index, 0);
	set_aside(sender, who, TOO_LONG);
	return XDP_DROP;
}

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Which packets get lost. The nth packet of a kind has the same fate in every run: a kind is a direction, a host's address and
 * port, a protocol, and a segment's flags or a message's type. Loss.loses in Go is the same function.
 */
#ifndef LOSS_H
#define LOSS_H

#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define IN 0
#define OUT 1

#define LOSS_ICMP 1
#define LOSS_TCP 6
#define LOSS_UDP 17
#define LOSS_LONGEST (14 + 2 * 4 + 60 + 14) /* Ethernet, two VLANs, IPv4 with options, TCP up to its flags */

/* Set when the program is loaded. */
const volatile __u64 loss_in = 0;  /* share of the packets, in 2^32nds */
const volatile __u64 loss_out = 0;
const volatile __u64 loss_seed = 0;

struct fates {
	__u64 packets, lost;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct fates);
} fates SEC(".maps");

/* How many packets of a kind there were. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 18);
	__type(key, __u64);
	__type(value, __u32);
} kinds SEC(".maps");

/* The finalizer of SplitMix64, a bijection of 64 bits (Guy Steele, Doug Lea, Christine Flood, 2014). */
static __always_inline __u64 mix64(__u64 x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

/* The number of packets of the kind before this one. A kind that was forgotten for lack of room begins anew. */
static __always_inline __u32 before(__u64 kind)
{
	__u32 one = 1, *n = bpf_map_lookup_elem(&kinds, &kind);

	if (n)
		return __sync_fetch_and_add(n, 1);
	bpf_map_update_elem(&kinds, &kind, &one, BPF_NOEXIST);
	return 0;
}

/* Says whether a frame gets lost, and counts it. Frames that are not IPv4 never do. */
static __always_inline int lost(void *data, void *end, __u32 direction)
{
	__u8 *at = data, proto, detail = 0;
	__u16 type, port = 0;
	__u32 host, words;
	__u64 kind, threshold = direction == IN ? loss_in : loss_out;
	struct fates *f;
	int i;

	if (!threshold || (void *)(at + 14) > end)
		return 0;
	type = at[12] << 8 | at[13];
	at += 14;
	for (i = 0; i < 2 && (type == 0x8100 || type == 0x88a8); i++) {
		if ((void *)(at + 4) > end)
			return 0;
		type = at[2] << 8 | at[3];
		at += 4;
	}
	if (type != 0x0800 || (void *)(at + 20) > end || at[0] >> 4 != 4)
		return 0;
	proto = at[9];
	host = bpf_ntohl(direction == IN ? *(__be32 *)(at + 16) : *(__be32 *)(at + 12));
	words = at[0] & 15;
	if (!((at[6] & 0x1f) | at[7])) { /* no later fragment */
		at += words * 4;
		if ((proto == LOSS_TCP || proto == LOSS_UDP) && (void *)(at + 4) <= end)
			port = direction == IN ? at[2] << 8 | at[3] : at[0] << 8 | at[1];
		if (proto == LOSS_TCP && (void *)(at + 14) <= end)
			detail = at[13];
		if (proto == LOSS_ICMP && (void *)(at + 1) <= end)
			detail = at[0];
	}
	f = bpf_map_lookup_elem(&fates, &direction);
	if (!f)
		return 0;
	f->packets++;
	kind = mix64(mix64((__u64)host << 32 | (__u32)port << 16 | proto << 8 | detail) + direction);
	if (mix64(kind + mix64(mix64(loss_seed) + before(kind))) >> 32 >= threshold)
		return 0;
	f->lost++;
	return 1;
}

#endif

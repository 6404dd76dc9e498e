// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * A crowd of hosts: answers the SYNs to its addresses with SYN-ACKs, at the speed of the link, from the interface's driver.
 * Which addresses have a host follows from the address alone: Crowd.Has in Go is the same function. What is not TCP to the
 * crowd is the kernel's.
 */
#include "loss.h"

#define ETHER_LEN 14
#define TYPE_IPV4 bpf_htons(0x0800)
#define PROTO_TCP 6
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

struct frame {
	__u8 dst_mac[6], src_mac[6];
	__be16 type;
	__u8 version_words, tos;
	__be16 len, id, fragment;
	__u8 ttl, proto;
	__sum16 ip_check;
	__be32 src, dst;
	__be16 src_port, dst_port;
	__be32 seq, ack;
	__u8 words, flags;
	__be16 window;
	__sum16 check;
	__be16 urgent;
} __attribute__((packed));

/* Set when the program is loaded. */
const volatile __u32 network = 0;   /* the crowd's addresses, host order */
const volatile __u32 mask = 0;
const volatile __u64 threshold = 0; /* share of the addresses with a host, in 2^32nds */
const volatile __u32 stamps = 0;    /* SYNs whose time is kept, from the first on */

struct counts {
	__u64 syns, answered, resets, others;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct counts);
} tally SEC(".maps");

/* When the SYNs came, in nanoseconds of CLOCK_MONOTONIC, and how many there were. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* set when the program is loaded: stamps */
	__type(key, __u32);
	__type(value, __u64);
} times SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} stamped SEC(".maps");

static __always_inline void stamp(void)
{
	__u32 at = 0;
	__u64 *next = bpf_map_lookup_elem(&stamped, &at), *time;

	if (!next)
		return;
	at = __sync_fetch_and_add(next, 1);
	time = bpf_map_lookup_elem(&times, &at);
	if (time)
		*time = bpf_ktime_get_ns();
}

/* The finalizer of MurmurHash3, a bijection of 32 bits (Austin Appleby, public domain). */
static __always_inline __u32 mix(__u32 x)
{
	x ^= x >> 16;
	x *= 0x85ebca6b;
	x ^= x >> 13;
	x *= 0xc2b2ae35;
	return x ^ x >> 16;
}

/* Adds a changed word to a checksum (RFC 1624): ~(~sum + ~old + new). */
static __always_inline __u32 change32(__u32 sum, __be32 old, __be32 new)
{
	old = ~old;
	return sum + (old & 0xffff) + (old >> 16) + (new & 0xffff) + (new >> 16);
}

static __always_inline void answer(struct frame *f)
{
	__u8 mac[6];
	__be32 addr = f->src, seq = f->seq, ack = f->ack;
	__be16 port = f->src_port;
	__u32 sum = (__u16)~f->check;
	__u16 old = *(__u16 *)&f->words, new;

	__builtin_memcpy(mac, f->dst_mac, 6);
	__builtin_memcpy(f->dst_mac, f->src_mac, 6);
	__builtin_memcpy(f->src_mac, mac, 6);
	f->src = f->dst;
	f->dst = addr;
	f->src_port = f->dst_port;
	f->dst_port = port;
	f->ack = bpf_htonl(bpf_ntohl(seq) + 1);
	f->seq = bpf_htonl(mix(bpf_ntohl(seq)));
	f->flags = TCP_SYN | TCP_ACK;
	new = *(__u16 *)&f->words;
	sum = change32(sum, seq, f->seq);
	sum = change32(sum, ack, f->ack);
	sum += (__u16)~old + new;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	f->check = ~sum;
}

SEC("xdp")
int crowd(struct xdp_md *ctx)
{
	struct frame *f = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	__u32 zero = 0, host;
	struct counts *n;

	if (lost(f, end, IN))
		return XDP_DROP;
	if ((void *)(f + 1) > end || f->type != TYPE_IPV4 || f->version_words != 0x45 || f->proto != PROTO_TCP)
		return XDP_PASS;
	host = bpf_ntohl(f->dst);
	n = bpf_map_lookup_elem(&tally, &zero);
	if ((host & mask) != network || !n)
		return XDP_PASS;
	if ((f->flags & (TCP_SYN | TCP_ACK | TCP_RST)) != TCP_SYN) {
		if (f->flags & TCP_RST)
			n->resets++;
		else
			n->others++;
		return XDP_DROP;
	}
	n->syns++;
	if (stamps)
		stamp();
	if (mix(host) >= threshold)
		return XDP_DROP;
	n->answered++;
	answer(f);
	return lost(f, end, OUT) ? XDP_DROP : XDP_TX;
}

// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * A crowd of hosts: answers the SYNs to its addresses with SYN-ACKs, at the speed of the link, from the interface's driver.
 * Which addresses have a host follows from the address alone: Crowd.Has in Go is the same function. What is not TCP to the
 * crowd is the kernel's.
 */
#include <linux/pkt_cls.h>
#include "loss.h"

#define ETHER_LEN 14
#define TYPE_IPV4 bpf_htons(0x0800)
#define PROTO_TCP 6
#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_ACK 0x10
#define MAX_REPLY 1448

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
const volatile __u32 ipv6 = 0;      /* SYNs of IPv6 are counted, and not answered */
const volatile __u32 stamps = 0;    /* SYNs whose time is kept, from the first on */
const volatile __u32 reply_len = 0; /* bytes that are said when somebody says something; 0 for a crowd that says nothing */
const volatile __u32 reply_sum = 0; /* their part of a checksum, in network order */
const volatile __u32 hang_up = 0;   /* FIN goes with them */
const volatile __u8 reply[MAX_REPLY] = {};

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

static __always_inline __u16 fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static __always_inline __u32 sum_of(const void *from, __u32 len)
{
	const __be16 *words = from;
	__u32 sum = 0;

#pragma unroll
	for (__u32 i = 0; i < len / 2; i++)
		sum += words[i];
	return sum;
}

/* Makes a segment the answer to it, without options and with len bytes of data to come. Checksums are made anew: those of a
 * kernel's segments are not whole yet on a virtual cable. What a host knows stands in the segment: nothing is kept. */
static __always_inline void turn_round(struct frame *f, __u8 flags, __be32 seq, __u32 ack, __u32 len)
{
	struct frame was = *f;

	__builtin_memcpy(f->dst_mac, was.src_mac, 6);
	__builtin_memcpy(f->src_mac, was.dst_mac, 6);
	f->tos = 0;
	f->len = bpf_htons(40 + len);
	f->ttl = 64;
	f->src = was.dst;
	f->dst = was.src;
	f->ip_check = 0;
	f->ip_check = fold(sum_of(&f->version_words, 20));
	f->src_port = was.dst_port;
	f->dst_port = was.src_port;
	f->seq = seq;
	f->ack = bpf_htonl(ack);
	f->words = 5 << 4;
	f->flags = flags;
	f->window = bpf_htons(0xffff);
	f->urgent = 0;
	f->check = 0;
	f->check = fold(sum_of(&f->src_port, 20) + sum_of(&f->src, 8) + bpf_htons(PROTO_TCP) + bpf_htons(20 + len) + (len ? reply_sum : 0));
}

/* Answers a segment with one without data. */
static __always_inline int nod(struct xdp_md *ctx, struct frame *f, __u8 flags, __be32 seq, __u32 ack)
{
	turn_round(f, flags, seq, ack, 0);
	return bpf_xdp_adjust_tail(ctx, (int)sizeof(struct frame) - (int)bpf_xdp_get_buff_len(ctx)) ? XDP_DROP : XDP_TX;
}

/* The bytes of data of a segment. */
static __always_inline __u32 said(struct frame *f)
{
	__u32 header = 20 + (f->words >> 4) * 4, all = bpf_ntohs(f->len);

	return all > header ? all - header : 0;
}

/* The least that somebody says to be answered: an alert of TLS, say, is less. */
#define QUESTION 16

/* Says what a host that talks does with a segment that is no RST. */
static __always_inline int converse(struct xdp_md *ctx, struct frame *f)
{
	__u32 seq = bpf_ntohl(f->seq), len = said(f);

	if (f->flags & TCP_SYN)
		return nod(ctx, f, TCP_SYN | TCP_ACK, bpf_htonl(mix(seq)), seq + 1);
	if (len >= QUESTION)
		return XDP_PASS; /* to speak: a driver's frame cannot grow as far */
	if (f->flags & TCP_FIN)
		return nod(ctx, f, TCP_ACK | (hang_up ? 0 : TCP_FIN), f->ack, seq + len + 1);
	if (len)
		return nod(ctx, f, TCP_ACK, f->ack, seq + len);
	return XDP_DROP;
}

/* Answers what converse has passed on. */
SEC("tc")
int speak(struct __sk_buff *skb)
{
	struct frame *f = (void *)(long)skb->data;
	__u32 len;

	if (!reply_len || (void *)(f + 1) > (void *)(long)skb->data_end || f->type != TYPE_IPV4 || f->version_words != 0x45 ||
	    f->proto != PROTO_TCP || (bpf_ntohl(f->dst) & mask) != network)
		return TC_ACT_OK;
	len = said(f);
	turn_round(f, TCP_PSH | TCP_ACK | (hang_up ? TCP_FIN : 0), f->ack, bpf_ntohl(f->seq) + len, reply_len);
	if (bpf_skb_change_tail(skb, sizeof(struct frame) + reply_len, 0) ||
	    bpf_skb_store_bytes(skb, sizeof(struct frame), (void *)reply, reply_len, 0))
		return TC_ACT_SHOT;
	return bpf_redirect(skb->ifindex, 0);
}

#define TYPE_IPV6 bpf_htons(0x86dd)
#define IPV6_LEN 40

/* Whether a frame is a SYN of IPv6 without extension headers. */
static __always_inline int is_wide(struct frame *f, void *end)
{
	__u8 *ip = (void *)&f->version_words;

	if (f->type != TYPE_IPV6 || (void *)(ip + IPV6_LEN + 20) > end || ip[6] != PROTO_TCP)
		return 0;
	return (ip[IPV6_LEN + 13] & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN;
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
	if ((void *)(f + 1) > end)
		return XDP_PASS;
	if (ipv6 && is_wide(f, end)) {
		n = bpf_map_lookup_elem(&tally, &zero);
		if (n)
			n->syns++;
		return XDP_DROP;
	}
	if (f->type != TYPE_IPV4 || f->version_words != 0x45 || f->proto != PROTO_TCP)
		return XDP_PASS;
	host = bpf_ntohl(f->dst);
	n = bpf_map_lookup_elem(&tally, &zero);
	if ((host & mask) != network || !n)
		return XDP_PASS;
	if ((f->flags & (TCP_SYN | TCP_ACK | TCP_RST)) != TCP_SYN) {
		if (f->flags & TCP_RST) {
			n->resets++;
			return XDP_DROP;
		}
		n->others++;
		return reply_len && mix(host) < threshold ? converse(ctx, f) : XDP_DROP;
	}
	n->syns++;
	if (stamps)
		stamp();
	if (mix(host) >= threshold)
		return XDP_DROP;
	n->answered++;
	if (reply_len)
		return converse(ctx, f);
	answer(f);
	return lost(f, end, OUT) ? XDP_DROP : XDP_TX;
}

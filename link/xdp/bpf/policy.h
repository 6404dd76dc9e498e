/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * What the rest of the kernel sees of a candidate answer. Packets of connections that this host has itself are always passed:
 * the socket tables say which those are.
 */
#pragma once
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "tap.h"
#include "used.h"

const volatile __u32 watched = 0; /* used_ports is kept up to date */

#ifndef BPF_F_CURRENT_NETNS
#define BPF_F_CURRENT_NETNS (-1L)
#endif

static __always_inline __u32 policy_of(__be16 port)
{
	__u32 p = bpf_ntohs(port);

	for (__u32 i = 0; i < MAX_POLICIES && i < policy_count; i++)
		if (policies[i].first <= p && p <= policies[i].last)
			return policies[i].what;
	return POLICY_PASS;
}

static __always_inline int is_used(__be16 port)
{
	__u32 p = bpf_ntohs(port), at = p >> 6;
	__u64 *word = bpf_map_lookup_elem(&used_ports, &at);

	return !word || ((*word >> (p & 63)) & 1);
}

/* Whether a socket of this host has the other end of the packet for a peer, or listens at its port. Sockets that are handed a
 * connection send no SYN, so that a port may have one and not be noted: only where none is made is the note enough. */
static __always_inline int has_socket(struct xdp_md *ctx, struct view *v, __u32 policy)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *sk;
	__be16 ends[2];

	if (watched && policy == POLICY_RESET && (v->flags & TCP_SYN) && !is_used(v->port))
		return 0;
	if (LOAD(ctx, v->transport, &ends))
		return 1;
	if (v->six) {
		struct ipv6 ip;

		if (LOAD(ctx, v->ip, &ip))
			return 1;
		__builtin_memcpy(tuple.ipv6.saddr, ip.src, sizeof(ip.src));
		__builtin_memcpy(tuple.ipv6.daddr, ip.dst, sizeof(ip.dst));
		tuple.ipv6.sport = ends[0];
		tuple.ipv6.dport = ends[1];
		sk = bpf_skc_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv6), BPF_F_CURRENT_NETNS, 0);
	} else {
		struct ipv4 ip;

		if (LOAD(ctx, v->ip, &ip))
			return 1;
		tuple.ipv4.saddr = ip.src;
		tuple.ipv4.daddr = ip.dst;
		tuple.ipv4.sport = ends[0];
		tuple.ipv4.dport = ends[1];
		sk = bpf_skc_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
	}
	if (!sk)
		return 0;
	bpf_sk_release(sk);
	return 1;
}

static __always_inline __sum16 fold(__u32 sum)
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

#define RESET_TTL 64
#define DONT_FRAGMENT 0x4000

/* Makes the RST of a segment, but for its checksum. */
static __always_inline void make_reset(struct tcp *tcp)
{
	*tcp = (struct tcp){
		.src = tcp->dst,
		.dst = tcp->src,
		.seq = tcp->ack,
		.words = (TCP_LEN / 4) << 4,
		.flags = TCP_RST,
	};
}

static __always_inline void turn_ether(struct ether *ether)
{
	__u8 mac[6];

	__builtin_memcpy(mac, ether->dst, 6);
	__builtin_memcpy(ether->dst, ether->src, 6);
	__builtin_memcpy(ether->src, mac, 6);
}

/* Turns a SYN-ACK round into the RST that this host's own stack would answer it with (RFC 9293 section 3.10.7.1: the sequence
 * number is what was acknowledged, and nothing is acknowledged). */
static __always_inline int reset(struct xdp_md *ctx, struct view *v)
{
	struct ether *ether;
	struct ipv4 *ip;
	struct tcp *tcp;
	__u32 at = v->ip & 31; /* 14, or 18 or 22 behind tags: the verifier wants a bound */

	if (bpf_xdp_adjust_tail(ctx, (int)(at + IPV4_LEN + TCP_LEN) - (int)bpf_xdp_get_buff_len(ctx)))
		return XDP_PASS;
	ether = (void *)(long)ctx->data;
	ip = (void *)(long)ctx->data + at;
	tcp = (void *)(ip + 1);
	if ((void *)(ether + 1) > (void *)(long)ctx->data_end || (void *)(tcp + 1) > (void *)(long)ctx->data_end)
		return XDP_DROP;
	turn_ether(ether);
	*ip = (struct ipv4){
		.version_words = 0x45,
		.len = bpf_htons(IPV4_LEN + TCP_LEN),
		.fragment = bpf_htons(DONT_FRAGMENT),
		.ttl = RESET_TTL,
		.proto = PROTO_TCP,
		.src = ip->dst,
		.dst = ip->src,
	};
	ip->check = fold(sum_of(ip, sizeof(*ip)));
	make_reset(tcp);
	tcp->check = fold(sum_of(tcp, sizeof(*tcp)) + sum_of(&ip->src, 8) + bpf_htons(PROTO_TCP) + bpf_htons(TCP_LEN));
	return XDP_TX;
}

/* Is reset for IPv6. */
static __always_inline int reset6(struct xdp_md *ctx, struct view *v)
{
	struct ether *ether;
	struct ipv6 *ip;
	struct tcp *tcp;
	__u32 at = v->ip & 31;
	__be32 src[4];

	if (bpf_xdp_adjust_tail(ctx, (int)(at + IPV6_LEN + TCP_LEN) - (int)bpf_xdp_get_buff_len(ctx)))
		return XDP_PASS;
	ether = (void *)(long)ctx->data;
	ip = (void *)(long)ctx->data + at;
	tcp = (void *)(ip + 1);
	if ((void *)(ether + 1) > (void *)(long)ctx->data_end || (void *)(tcp + 1) > (void *)(long)ctx->data_end)
		return XDP_DROP;
	turn_ether(ether);
	__builtin_memcpy(src, ip->dst, sizeof(src));
	__builtin_memcpy(ip->dst, ip->src, sizeof(src));
	__builtin_memcpy(ip->src, src, sizeof(src));
	ip->version_flow = bpf_htonl(6 << 28);
	ip->payload = bpf_htons(TCP_LEN);
	ip->next = PROTO_TCP;
	ip->hops = RESET_TTL;
	make_reset(tcp);
	tcp->check = fold(sum_of(tcp, sizeof(*tcp)) + sum_of(ip->src, 32) + bpf_htons(PROTO_TCP) + bpf_htons(TCP_LEN));
	return XDP_TX;
}

/* Copies the candidate, and says what becomes of it. */
static __always_inline int take_candidate(struct xdp_md *ctx, struct view *v)
{
	__u32 policy = POLICY_PASS;

	if (policy_count && v->proto == PROTO_TCP && v->simple)
		policy = policy_of(v->port);
	if (policy == POLICY_PASS) {
		copy_answer(ctx);
		return XDP_PASS;
	}
	if (has_socket(ctx, v, policy))
		return XDP_PASS;
	copy_answer(ctx);
	if (policy != POLICY_RESET)
		return XDP_DROP;
	if (v->flags & TCP_RST)
		return XDP_DROP;
	return v->six ? reset6(ctx, v) : reset(ctx, v);
}

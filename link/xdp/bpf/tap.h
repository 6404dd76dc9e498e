/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The response tap: recognises frames that can be answers to probes, copies them into a ring buffer, and decides what the
 * rest of the kernel sees of them. What it wants is link.Filter of the Go code, in constants and tables; Filter.Match there
 * is the twin that it is tested against.
 */
#pragma once
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "wire.h"

/* What is to be done with a candidate answer to a port. The numbers are those of link.RSTPolicy. */
#define POLICY_PASS 0     /* the kernel sees it, and resets what it did not open */
#define POLICY_RESET 1    /* we reset it: neither stack of this host nor a socket of it is troubled */
#define POLICY_HANDOVER 2 /* withheld until a socket exists for it, which then gets everything */
#define POLICY_ONESHOT 3  /* every segment is copied and withheld: the connection is user space's */

/* Which TCP segments are candidates. The numbers are those of link.TCPMatch. */
#define TCP_NONE 0
#define TCP_ANSWERS 1
#define TCP_ALL 2

/* Constants that are set when the program is loaded. */
const volatile __u32 snap = 0;       /* bytes copied of a frame at most */
const volatile __u32 receivers = 1;  /* rings, which share the interface's queues */
const volatile __u32 want_tcp = TCP_NONE;
const volatile __u32 want_udp = 0;
const volatile __u32 want_echo = 0;
const volatile __u32 want_errors = 0;
const volatile __u32 any_local = 0;  /* every destination is ours */
const volatile __u32 one_local = 0;  /* there is one, local; else they are in locals */
const volatile __be32 local[4] = {}; /* IPv4 addresses are mapped: ::ffff:a.b.c.d */
const volatile __u64 ports[65536 / 64] = {}; /* a bit for each destination port that is ours */

#define MAX_POLICIES 8
struct policy {
	__u16 first, last;
	__u32 what;
};
const volatile struct policy policies[MAX_POLICIES] = {}; /* other than POLICY_PASS */
const volatile __u32 policy_count = 0;

struct address {
	__be32 words[4];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, struct address);
	__type(value, __u8);
} locals SEC(".maps");

/* A copied frame. */
struct answer {
	__u64 at;  /* nanoseconds of CLOCK_MONOTONIC */
	__u32 len; /* on the wire, without what the hardware took off */
	__u32 cap; /* bytes of it in data */
	__u8 data[];
};

struct ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096); /* set when the program is loaded */
};

/* One ring for each of user space's receive queues. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1); /* set when the program is loaded: receivers */
	__type(key, __u32);
	__array(values, struct ring);
} rings SEC(".maps");

struct tally {
	__u64 received; /* frames that passed the filter */
	__u64 lost;     /* of these, for which there was no room */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1); /* set when the program is loaded: receivers */
	__type(key, __u32);
	__type(value, struct tally);
} tallies SEC(".maps");

/* What has been found out about a frame that is looked at. */
struct view {
	__u32 ip;        /* offset of the IP header */
	__u32 transport; /* offset of what is behind it and its extensions */
	__u8 proto;
	__u8 flags;      /* of a TCP segment */
	__u8 simple;     /* IPv4 without options, or IPv6 without extension headers */
	__u8 six;        /* IPv6 */
	__be16 port;     /* destination port of a segment or datagram */
	struct address dst;
};

/* Copies n bytes at offset at. It is an error if the frame ends before. */
#define LOAD(ctx, at, to) bpf_xdp_load_bytes(ctx, at, to, sizeof(*(to)))

static __always_inline void map_address(struct address *a, __be32 v4)
{
	a->words[0] = 0;
	a->words[1] = 0;
	a->words[2] = bpf_htonl(0xffff);
	a->words[3] = v4;
}

static __always_inline int same_address(const struct address *a, const struct address *b)
{
	return a->words[0] == b->words[0] && a->words[1] == b->words[1] && a->words[2] == b->words[2] &&
	       a->words[3] == b->words[3];
}

static __always_inline int is_local(struct address *a)
{
	if (any_local)
		return 1;
	if (one_local)
		return a->words[0] == local[0] && a->words[1] == local[1] && a->words[2] == local[2] && a->words[3] == local[3];
	return bpf_map_lookup_elem(&locals, a) != 0;
}

/* Looks at an IPv4 header: later fragments are never wanted, first ones like whole packets. */
static __always_inline int view_ipv4(struct xdp_md *ctx, struct view *v)
{
	struct ipv4 ip;
	__u32 len;

	if (LOAD(ctx, v->ip, &ip))
		return 0;
	len = (ip.version_words & 0x0f) * 4;
	if (len < IPV4_LEN || (ip.fragment & bpf_htons(0x1fff)))
		return 0;
	map_address(&v->dst, ip.dst);
	v->proto = ip.proto;
	v->transport = v->ip + len;
	v->six = 0;
	v->simple = len == IPV4_LEN && !(ip.fragment & bpf_htons(0x2000));
	return is_local(&v->dst);
}

/* Looks at an IPv6 header and passes over extension headers. */
static __always_inline int view_ipv6(struct xdp_md *ctx, struct view *v)
{
	struct ipv6 ip;
	__u8 head[4];
	__u8 next;

	if (LOAD(ctx, v->ip, &ip))
		return 0;
	__builtin_memcpy(&v->dst, ip.dst, sizeof(v->dst));
	if (!is_local(&v->dst))
		return 0;
	next = ip.next;
	v->transport = v->ip + IPV6_LEN;
	for (int i = 0; i < EXT_MAX; i++) {
		__u32 len;
		__u8 last;

		if (next != EXT_HOP_BY_HOP && next != EXT_ROUTING && next != EXT_OPTIONS && next != EXT_FRAGMENT)
			break;
		if (LOAD(ctx, v->transport, &head))
			return 0;
		if (next == EXT_FRAGMENT) {
			if (head[2] || (head[3] & 0xf8))
				return 0;
			len = 8;
		} else {
			len = (head[1] + 1) * 8;
		}
		/* The whole header must be there. */
		if (LOAD(ctx, v->transport + len - 1, &last))
			return 0;
		next = head[0];
		v->transport += len;
	}
	v->proto = next;
	v->six = 1;
	v->simple = v->transport == v->ip + IPV6_LEN;
	return 1;
}

static __always_inline int is_error4(__u8 type)
{
	return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

/* An ICMP error goes to whoever sent the packet that it quotes; one too short to tell is wanted. */
static __always_inline int quotes_us(struct xdp_md *ctx, struct view *v, int six)
{
	struct address src;
	__be32 v4;

	if (six) {
		if (LOAD(ctx, v->transport + 8 + 8, &src))
			return 1;
	} else {
		if (LOAD(ctx, v->transport + 8 + 12, &v4))
			return 1;
		map_address(&src, v4);
	}
	return same_address(&src, &v->dst);
}

static __always_inline int view_icmp(struct xdp_md *ctx, struct view *v)
{
	int six = v->proto == PROTO_ICMP6;
	__u8 type;

	if (LOAD(ctx, v->transport, &type))
		return 0;
	if (type == (six ? ICMP6_ECHO_REPLY : ICMP4_ECHO_REPLY))
		return want_echo;
	if (!want_errors || !(six ? type >= 1 && type <= 4 : is_error4(type)))
		return 0;
	return quotes_us(ctx, v, six);
}

static __always_inline int is_our_port(__be16 port)
{
	__u32 p = bpf_ntohs(port);

	return (ports[p >> 6] >> (p & 63)) & 1;
}

static __always_inline int is_wanted_segment(__u8 flags)
{
	return want_tcp == TCP_ALL ||
	       (want_tcp == TCP_ANSWERS && ((flags & TCP_RST) || (flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK)));
}

static __always_inline int view_tcp(struct xdp_md *ctx, struct view *v)
{
	__u8 head[14];

	if (want_tcp == TCP_NONE || LOAD(ctx, v->transport, &head))
		return 0;
	v->flags = head[13];
	v->port = *(__be16 *)(head + 2);
	return is_wanted_segment(v->flags) && is_our_port(v->port);
}

static __always_inline int view_udp(struct xdp_md *ctx, struct view *v)
{
	__be16 head[2];

	if (!want_udp || LOAD(ctx, v->transport, &head))
		return 0;
	v->port = head[1];
	return is_our_port(v->port);
}

/* The frame that most answers are: whole, IPv4 without options, TCP, no tags. */
struct plain {
	struct ether ether;
	struct ipv4 ip;
	struct tcp tcp;
} __attribute__((packed));

#define PLAIN_NOT 0    /* it is another sort of frame: look closer */
#define PLAIN_WANTED 1
#define PLAIN_OTHER 2  /* it is one, and nothing that is wanted */

/* Looks at a plain frame without a helper: the same answer as is_candidate gives in several times the time. */
static __always_inline int view_plain(struct xdp_md *ctx, struct view *v)
{
	struct plain *f = (void *)(long)ctx->data;

	if ((void *)(f + 1) > (void *)(long)ctx->data_end || f->ether.type != TYPE_IPV4 || f->ip.version_words != 0x45 ||
	    f->ip.proto != PROTO_TCP || (f->ip.fragment & bpf_htons(0x3fff)))
		return PLAIN_NOT;
	v->flags = f->tcp.flags;
	v->port = f->tcp.dst;
	if (!is_wanted_segment(v->flags) || !is_our_port(v->port))
		return PLAIN_OTHER;
	map_address(&v->dst, f->ip.dst);
	if (!is_local(&v->dst))
		return PLAIN_OTHER;
	v->ip = ETHER_LEN;
	v->transport = ETHER_LEN + IPV4_LEN;
	v->proto = PROTO_TCP;
	v->simple = 1;
	v->six = 0;
	return PLAIN_WANTED;
}

/* Says whether the frame can be an answer, and what it is. */
static __always_inline int is_candidate(struct xdp_md *ctx, struct view *v)
{
	struct ether ether;
	__u8 version;
	__be16 type;

	if (LOAD(ctx, 0, &ether))
		return 0;
	type = ether.type;
	v->ip = ETHER_LEN;
	for (int i = 0; i < MAX_VLANS; i++) {
		__be16 tag[2];

		if (type != TYPE_VLAN && type != TYPE_QINQ)
			break;
		if (LOAD(ctx, ETHER_LEN + i * VLAN_LEN, &tag))
			return 0;
		type = tag[1];
		v->ip += VLAN_LEN;
	}
	if (LOAD(ctx, v->ip, &version))
		return 0;
	version >>= 4;
	if (type == TYPE_IPV4 && version == 4) {
		if (!view_ipv4(ctx, v))
			return 0;
		if (v->proto == PROTO_ICMP4)
			return view_icmp(ctx, v);
	} else if (type == TYPE_IPV6 && version == 6) {
		if (!view_ipv6(ctx, v))
			return 0;
		if (v->proto == PROTO_ICMP6)
			return view_icmp(ctx, v);
	} else {
		return 0;
	}
	if (v->proto == PROTO_TCP)
		return view_tcp(ctx, v);
	if (v->proto == PROTO_UDP)
		return view_udp(ctx, v);
	return 0;
}

/* Sizes of records, for reserving needs constants: a SYN-ACK, a short answer, a whole frame with tags. */
#define SMALL 112
#define MIDDLE 496
#define LARGE 2032

static __always_inline struct answer *reserve(void *ring, __u32 cap)
{
	if (cap <= SMALL)
		return bpf_ringbuf_reserve(ring, sizeof(struct answer) + SMALL, 0);
	if (cap <= MIDDLE)
		return bpf_ringbuf_reserve(ring, sizeof(struct answer) + MIDDLE, 0);
	return bpf_ringbuf_reserve(ring, sizeof(struct answer) + LARGE, 0);
}

/* Copies the frame to user space. What comes by one queue of the interface goes into one ring: cards keep the frames of a
 * connection together, and in order. */
static __always_inline void copy_answer(struct xdp_md *ctx)
{
	__u32 who = receivers > 1 ? ctx->rx_queue_index % receivers : 0;
	__u32 len = bpf_xdp_get_buff_len(ctx);
	struct tally *tally = bpf_map_lookup_elem(&tallies, &who);
	void *ring = bpf_map_lookup_elem(&rings, &who);
	__u32 cap = len;
	struct answer *a;

	if (!tally || !ring)
		return;
	tally->received++;
	if (cap > snap)
		cap = snap;
	if (cap > LARGE)
		cap = LARGE;
	a = reserve(ring, cap);
	if (!a) {
		tally->lost++;
		return;
	}
	a->at = bpf_ktime_get_ns();
	a->len = len;
	a->cap = cap;
	if (cap == 0 || cap > LARGE || bpf_xdp_load_bytes(ctx, 0, a->data, cap)) {
		tally->lost++;
		bpf_ringbuf_discard(a, 0);
		return;
	}
	bpf_ringbuf_submit(a, 0);
}

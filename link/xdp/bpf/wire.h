/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Headers as they are on the wire, and the numbers in them. Multi-byte fields are in network order. */
#pragma once
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>

#define ETHER_LEN 14
#define VLAN_LEN 4
#define MAX_VLANS 2 /* tags passed over at most */
#define IPV4_LEN 20
#define IPV6_LEN 40
#define TCP_LEN 20

#define TYPE_IPV4 bpf_htons(0x0800)
#define TYPE_IPV6 bpf_htons(0x86dd)
#define TYPE_VLAN bpf_htons(0x8100) /* IEEE 802.1Q */
#define TYPE_QINQ bpf_htons(0x88a8) /* IEEE 802.1ad */

#define PROTO_ICMP4 1
#define PROTO_TCP 6
#define PROTO_UDP 17
#define PROTO_ICMP6 58

/* Extension headers of IPv6 that are passed over, and how many of them (RFC 8200 section 4). */
#define EXT_HOP_BY_HOP 0
#define EXT_ROUTING 43
#define EXT_FRAGMENT 44
#define EXT_OPTIONS 60
#define EXT_MAX 4

#define ICMP4_ECHO_REPLY 0
#define ICMP6_ECHO_REPLY 129

#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

struct ether {
	__u8 dst[6];
	__u8 src[6];
	__be16 type;
} __attribute__((packed));

struct ipv4 {
	__u8 version_words; /* version, length of the header in words of 4 bytes */
	__u8 tos;
	__be16 len;
	__be16 id;
	__be16 fragment;
	__u8 ttl;
	__u8 proto;
	__sum16 check;
	__be32 src;
	__be32 dst;
} __attribute__((packed));

struct ipv6 {
	__be32 version_flow;
	__be16 payload;
	__u8 next;
	__u8 hops;
	__be32 src[4];
	__be32 dst[4];
} __attribute__((packed));

struct tcp {
	__be16 src;
	__be16 dst;
	__be32 seq;
	__be32 ack;
	__u8 words; /* length of the header in words of 4 bytes, in the upper half */
	__u8 flags;
	__be16 window;
	__sum16 check;
	__be16 urgent;
} __attribute__((packed));

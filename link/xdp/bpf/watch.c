// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Notes the local port of every TCP connection that this host begins, before its SYN leaves: packets of the host's own
 * stack pass this trace point on their way to an interface (__dev_queue_xmit in net/core/dev.c), in every namespace and of
 * either version of IP. Frames that are sent past the stack do not.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "used.h"

/* Of the two licences, the one that the kernel asks for in programs that look at its structures. */
char program_license[] SEC("license") = "GPL";

#define SYN_SENT 2 /* TCP_SYN_SENT in include/net/tcp_states.h; sockets that are not TCP's are never in it */

struct sock_common {
	unsigned char skc_state;
	__u16 skc_num;
} __attribute__((preserve_access_index));

struct sock {
	struct sock_common __sk_common;
} __attribute__((preserve_access_index));

struct sk_buff {
	struct sock *sk;
} __attribute__((preserve_access_index));

SEC("tp_btf/net_dev_queue")
int BPF_PROG(leaving, struct sk_buff *skb)
{
	struct sock *sk = skb->sk;
	__u64 *word;
	__u32 at;
	__u16 port;

	if (!sk || sk->__sk_common.skc_state != SYN_SENT)
		return 0;
	port = sk->__sk_common.skc_num;
	at = port >> 6;
	word = bpf_map_lookup_elem(&used_ports, &at);
	if (word)
		__sync_fetch_and_or(word, 1ULL << (port & 63));
	return 0;
}

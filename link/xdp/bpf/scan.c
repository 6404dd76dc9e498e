// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * The program of a link. It is one program for both directions, told apart by where a frame comes from: attached to the
 * scan's interface it is the response tap; run by user space, which names the loopback device, it is the sender. One
 * program, because BPF_PROG_RUN of a program that is attached nowhere has the kernel patch its dispatcher of XDP programs
 * before and after every call (bpf_prog_change_xdp in net/bpf/test_run.c), and wait 25 ms for it; of one that is attached
 * it has not, and a call costs 10 us.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "sender.h"
#include "tap.h"
#include "policy.h"
#include "verdict.h"

/* Of the two licences, the one that the kernel asks for in programs that look at its structures. */
char program_license[] SEC("license") = "GPL";

SEC("xdp")
int scan(struct xdp_md *ctx)
{
	struct view v = {};
	int plain;

	if (ctx->ingress_ifindex == LOOPBACK)
		return send_next(ctx);
	plain = view_plain(ctx, &v);
	if (plain == PLAIN_OTHER || (plain == PLAIN_NOT && !is_candidate(ctx, &v)))
		return XDP_PASS;
	return take_candidate(ctx, &v);
}

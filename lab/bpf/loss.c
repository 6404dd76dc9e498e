// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * A cable that loses packets. What arrives is dropped in the driver, before packet sockets see it. What leaves is dropped
 * without a word to whoever sent it: on a real cable nobody would know either.
 */
#include <linux/pkt_cls.h>
#include "loss.h"

SEC("xdp")
int arrive(struct xdp_md *ctx)
{
	return lost((void *)(long)ctx->data, (void *)(long)ctx->data_end, IN) ? XDP_DROP : XDP_PASS;
}

SEC("tc")
int leave(struct __sk_buff *skb)
{
	bpf_skb_pull_data(skb, skb->len < LOSS_LONGEST ? skb->len : LOSS_LONGEST);
	return lost((void *)(long)skb->data, (void *)(long)skb->data_end, OUT) ? TC_ACT_STOLEN : TC_ACT_OK;
}

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Local TCP ports from which this host connects, or did since the link was opened: a SYN-ACK to any other port is for no socket,
 * and need not be looked up in the kernel's table, whose memory is in no cache.
 */
#pragma once
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 65536 / 64);
	__type(key, __u32);
	__type(value, __u64); /* a bit for each port, never cleared */
} used_ports SEC(".maps");

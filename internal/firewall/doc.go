// Package firewall keeps answers to a scan from the host's own stack where the scan's link cannot, which sees frames only beside
// the stack: packet sockets. The stack would reset connections that it knows nothing of.
//
//	interface ─┬─> packet socket (the scan)
//	           └─> prerouting: to one of the scan's addresses and ports, and no socket is concerned ──> drop
//
// The rules are those of an nftables table of our own, which belongs to the netlink socket that made it (the flag owner,
// NFT_TABLE_F_OWNER in include/uapi/linux/netfilter/nf_tables.h, since Linux 5.12): no other program changes it meanwhile, and
// it goes when the socket does, also with a process that is killed. No other rule is touched, and no sysctl.
package firewall

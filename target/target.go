package target

import "net/netip"

// A Target is one question to ask: an address, a port (0 for protocols without ports) and the target's index in its
// [Space]. Indexes are what the permutation walks over and what deduplication is keyed by.
type Target struct {
	Index uint64
	Addr  netip.Addr
	Port  uint16
}

package target

// A Limit is a number of targets, or a share of all that there could be: 2^32 addresses and those of IPv6 times the ports, whatever
// the lists allow of IPv4, as in C zmap. The zero Limit is no limit.
type Limit struct {
	N       uint64
	Percent float64 // if above 0, N does not count
}

// Share returns how many targets the limit leaves to a shard, one of so many counted from 0, of most that there could be, and how many to all of them
// together. Both are 0 if there is no limit. A share of less than one target is one target. The first shards get what
// cannot be divided evenly; with fewer targets than shards the last ones get none, so callers should check for that.
func (l Limit) Share(most float64, shard, shards uint32) (own, all uint64) {
	all = l.N
	if l.Percent > 0 {
		all = max(1, uint64(min(l.Percent*most/100, most)))
	}
	own = all / uint64(shards)
	if uint64(shard) < all%uint64(shards) {
		own++
	}
	return own, all
}

package permute

import "fmt"

// maxThreads keeps a mistyped number of threads from filling the memory.
const maxThreads = 1 << 16

// Shard names one of Of equal parts of a cycle, N counting from 0, as a machine
// gets by --shard N --shards Of. The whole cycle is shard 0 of 1.
type Shard struct {
	N  uint32 `json:"n"`
	Of uint32 `json:"of"`
}

// Walks cuts a shard into one walk for each thread, in the order of the cycle.
// Each walk then belongs to one goroutine.
//
// Where shards meet does not depend on threads, so machines with different
// numbers of threads still share a cycle without gap or overlap. A shard
// walked by one thread, and the one shard of an unshared scan walked by any
// number, begin and end exactly where they do in C zmap.
//
// Parts have floor(length/parts) elements; the last also takes the remainder.
// With more parts than elements all but the last are empty, and their walks
// end at once. Walks fails when s does not exist, or when threads is not
// within 1..65536.
func (c *Cycle) Walks(s Shard, threads int) ([]*Walk, error) {
	if s.N >= s.Of {
		return nil, fmt.Errorf("cut shard: there is no shard %d of %d: shards count from 0", s.N, s.Of)
	}
	if threads < 1 || threads > maxThreads {
		return nil, fmt.Errorf("cut shard: %d threads: choose 1 to %d", threads, maxThreads)
	}
	start, length := part(c.Order(), uint64(s.N), uint64(s.Of))
	walks := make([]*Walk, threads)
	for t := range walks {
		begin, size := part(length, uint64(t), uint64(threads))
		w := &Walk{
			cycle: c, start: start + begin, length: size,
			shard: s, thread: uint32(t), threads: uint32(threads),
		}
		w.goTo(0)
		walks[t] = w
	}
	return walks, nil
}

// part returns where part i of the given number of parts begins, and its size.
func part(length, i, parts uint64) (begin, size uint64) {
	size = length / parts
	begin = size * i
	if i == parts-1 {
		size = length - begin
	}
	return begin, size
}

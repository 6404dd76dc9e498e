package oneshot

import (
	"net/netip"
	"sync"

	"github.com/zmap-go/zmap/packet"
)

// A key is what tells connections apart, in a form that is quick to hash.
type key struct {
	local, remote [16]byte
	ports         uint32 // the local one in the upper half
}

func newKey(local, remote netip.AddrPort) key {
	return key{local.Addr().As16(), remote.Addr().As16(), uint32(local.Port())<<16 | uint32(remote.Port())}
}

// keyOf is the key of the connection that a received segment belongs to.
func keyOf(p *packet.Parsed) key {
	return key{p.Dst.As16(), p.Src.As16(), uint32(p.DstPort)<<16 | uint32(p.SrcPort)}
}

// A table has all connections. It may be used by any number of goroutines.
type table struct {
	shards [tableShards]struct {
		mu    sync.RWMutex
		conns map[key]*conn
	}
}

const tableShards = 64

// shard returns the number of the shard of a key.
func (k *key) shard() int {
	return int((k.ports ^ uint32(k.remote[15]) ^ uint32(k.remote[14])*5) % tableShards)
}

func (t *table) find(k key) *conn {
	s := &t.shards[k.shard()]
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.conns[k]
}

// add returns false if there is such a connection.
func (t *table) add(c *conn) bool {
	k := newKey(c.local, c.remote)
	s := &t.shards[k.shard()]
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.conns[k]; taken {
		return false
	}
	if s.conns == nil {
		s.conns = make(map[key]*conn)
	}
	s.conns[k] = c
	return true
}

func (t *table) remove(c *conn) {
	k := newKey(c.local, c.remote)
	s := &t.shards[k.shard()]
	s.mu.Lock()
	delete(s.conns, k)
	s.mu.Unlock()
}

// all returns the connections that there are.
func (t *table) all() []*conn {
	var all []*conn
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.RLock()
		for _, c := range s.conns {
			all = append(all, c)
		}
		s.mu.RUnlock()
	}
	return all
}

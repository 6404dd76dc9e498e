package cert

import (
	"bytes"
	"container/list"
	"crypto/sha256"
	"sync"
)

// A Store parses each certificate once. It keeps those that were seen last, up to a number of bytes, and may be used by any
// number of goroutines.
type Store struct {
	mu    sync.Mutex
	limit int
	used  int
	byKey map[[32]byte]*list.Element // of *entry
	order *list.List                 // the one seen last in front
	stats StoreStats
}

// StoreStats say how well a store served.
type StoreStats struct {
	Hits, Misses uint64 // certificates that were there, and that had to be parsed
	Kept         int    // certificates there now
	Bytes        int    // that they take, as it is reckoned
}

type entry struct {
	sum  [32]byte
	cost int
	once sync.Once
	c    *Certificate
}

// overhead is what a parsed certificate takes beside five times its DER, which is there itself, in fields, and as JSON.
const overhead = 4 << 10

// NewStore returns an empty store for about that many bytes.
func NewStore(limit int) *Store {
	return &Store{limit: limit, byKey: make(map[[32]byte]*list.Element), order: list.New()}
}

// Get returns the certificate with these bytes, parsed now or before. It keeps no reference to der.
func (s *Store) Get(der []byte) *Certificate {
	sum := sha256.Sum256(der)
	e := s.entry(sum, len(der))
	e.once.Do(func() { e.c, _ = parse(bytes.Clone(der), sum) }) // the error is in the certificate
	return e.c
}

// entry returns the entry for a hash, made if need be. Entries that were dropped live on with who holds them.
func (s *Store) entry(sum [32]byte, size int) *entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at, ok := s.byKey[sum]; ok {
		s.stats.Hits++
		s.order.MoveToFront(at)
		return at.Value.(*entry)
	}
	s.stats.Misses++
	e := &entry{sum: sum, cost: 5*min(size, MaxBytes) + overhead}
	s.used += e.cost
	s.byKey[sum] = s.order.PushFront(e)
	for s.used > s.limit && s.order.Len() > 1 {
		last := s.order.Remove(s.order.Back()).(*entry)
		delete(s.byKey, last.sum)
		s.used -= last.cost
	}
	return e
}

// Stats returns how the store served so far.
func (s *Store) Stats() StoreStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Kept, st.Bytes = s.order.Len(), s.used
	return st
}

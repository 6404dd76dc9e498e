package cert

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"time"
)

// A Census counts what certificates hosts have: each certificate once, however many hosts have it. It takes some hundred bytes for
// a distinct certificate, beside its names, and some fifty for a host. It is owned by one goroutine.
type Census struct {
	seed    maphash.Seed
	hosts   uint64
	leaves  map[[32]byte]*Leaf
	holders map[[32]byte]*holders
	sighted map[uint64]struct{} // hashes of a key with a host
	words   map[string]string   // one copy of each word that many certificates have
}

// A Leaf is what a [Census] remembers of a certificate.
type Leaf struct {
	SHA256, SPKI        [32]byte
	Subject, Issuer     string
	Key, Signature      string // "RSA 2048", "SHA256-RSA"
	NotBefore, NotAfter time.Time
	SelfSigned          bool
	Unreadable          bool   // it could not be parsed: only SHA256 is set of what it says
	Hosts               uint64 // that have shown it
	Host                string // the first of them
}

// holders are who has a key.
type holders struct{ hosts, certificates uint64 }

// NewCensus returns an empty census.
func NewCensus() *Census {
	return &Census{
		seed: maphash.MakeSeed(), leaves: make(map[[32]byte]*Leaf), holders: make(map[[32]byte]*holders),
		sighted: make(map[uint64]struct{}), words: make(map[string]string),
	}
}

// Add counts a host, by whatever name, and the certificate that it has shown, and says whether that is the first of its kind. A host
// may be added several times.
func (c *Census) Add(host string, crt *Certificate) (fresh bool) {
	c.hosts++
	l := c.leaves[crt.SHA256]
	if fresh = l == nil; fresh {
		l = &Leaf{
			SHA256: crt.SHA256, SPKI: crt.SPKI, Subject: crt.Subject, Issuer: c.word(crt.Issuer), Key: c.word(keyWords(crt)), Signature: c.word(crt.Signature),
			NotBefore: crt.NotBefore, NotAfter: crt.NotAfter, SelfSigned: crt.SelfSigned, Unreadable: crt.Err != nil, Host: host,
		}
		c.leaves[crt.SHA256] = l
	}
	l.Hosts++
	if l.Unreadable {
		return fresh
	}
	h := c.holders[crt.SPKI]
	if h == nil {
		h = &holders{}
		c.holders[crt.SPKI] = h
	}
	if fresh {
		h.certificates++
	}
	pair := maphash.Comparable(c.seed, struct {
		key  [32]byte
		host string
	}{crt.SPKI, host})
	if _, seen := c.sighted[pair]; !seen {
		c.sighted[pair] = struct{}{}
		h.hosts++
	}
	return fresh
}

// keyWords says of what sort a key is.
func keyWords(c *Certificate) string {
	if c.KeyBits == 0 {
		return c.KeyType
	}
	return fmt.Sprintf("%s %d", c.KeyType, c.KeyBits)
}

// word returns the copy that all have of a word.
func (c *Census) word(s string) string {
	if w, ok := c.words[s]; ok {
		return w
	}
	c.words[s] = s
	return s
}

// A Count is how many distinct certificates have something in common.
type Count struct {
	What         string `json:"what"`
	Certificates uint64 `json:"certificates"`
}

// A SharedKey is a key that several hosts have. One that comes in several certificates, or with appliances in their firmware, is
// nobody's secret.
type SharedKey struct {
	SPKI         string `json:"spki_sha256"` // hex
	Hosts        uint64 `json:"hosts"`
	Certificates uint64 `json:"certificates"`
}

// A Summary is what a census came to. Shares are of the distinct certificates that could be read.
type Summary struct {
	Observations uint64      `json:"observations"` // hosts with a certificate, each as often as it was added
	Distinct     uint64      `json:"distinct_certificates"`
	Unreadable   uint64      `json:"unreadable_certificates"`
	SelfSigned   uint64      `json:"self_signed"`
	Expired      uint64      `json:"expired"`
	NotYet       uint64      `json:"not_yet_valid"`
	Within30Days uint64      `json:"expiring_within_30_days"` // of those that are valid
	DistinctKeys uint64      `json:"distinct_keys"`
	Issuers      []Count     `json:"issuers"`    // the most frequent first, as in all lists
	Keys         []Count     `json:"keys"`       // sort and size
	Signatures   []Count     `json:"signatures"` // algorithm
	SharedKeys   []SharedKey `json:"shared_keys"`
}

// Summary sums up as of now. Lists have at most so many entries.
func (c *Census) Summary(now time.Time, entries int) *Summary {
	s := &Summary{Observations: c.hosts, Distinct: uint64(len(c.leaves)), DistinctKeys: uint64(len(c.holders))}
	issuers, keys, signatures := make(map[string]uint64), make(map[string]uint64), make(map[string]uint64)
	for _, l := range c.leaves {
		if l.Unreadable {
			s.Unreadable++
			continue
		}
		issuers[l.Issuer]++
		keys[l.Key]++
		signatures[l.Signature]++
		if l.SelfSigned {
			s.SelfSigned++
		}
		switch {
		case now.After(l.NotAfter):
			s.Expired++
		case now.Before(l.NotBefore):
			s.NotYet++
		case now.AddDate(0, 0, 30).After(l.NotAfter):
			s.Within30Days++
		}
	}
	s.Issuers, s.Keys, s.Signatures = top(issuers, entries), top(keys, entries), top(signatures, entries)
	s.SharedKeys = []SharedKey{}
	for spki, h := range c.holders {
		if h.hosts > 1 {
			s.SharedKeys = append(s.SharedKeys, SharedKey{fmt.Sprintf("%x", spki), h.hosts, h.certificates})
		}
	}
	slices.SortFunc(s.SharedKeys, func(a, b SharedKey) int {
		return cmp.Or(cmp.Compare(b.Hosts, a.Hosts), cmp.Compare(a.SPKI, b.SPKI))
	})
	s.SharedKeys = s.SharedKeys[:min(len(s.SharedKeys), entries)]
	return s
}

// top lists the most frequent words.
func top(n map[string]uint64, entries int) []Count {
	all := make([]Count, 0, len(n))
	for _, what := range slices.Sorted(maps.Keys(n)) {
		all = append(all, Count{what, n[what]})
	}
	slices.SortStableFunc(all, func(a, b Count) int { return cmp.Compare(b.Certificates, a.Certificates) })
	return all[:min(len(all), entries)]
}

// Expiring returns the certificates that are no longer valid at that time but were at now, the first to expire first.
func (c *Census) Expiring(now, by time.Time) []*Leaf {
	var list []*Leaf
	for _, l := range c.leaves {
		if !l.Unreadable && !l.NotAfter.Before(now) && l.NotAfter.Before(by) {
			list = append(list, l)
		}
	}
	slices.SortFunc(list, func(a, b *Leaf) int {
		return cmp.Or(a.NotAfter.Compare(b.NotAfter), slices.Compare(a.SHA256[:], b.SHA256[:]))
	})
	return list
}

package fingerprint

import (
	"cmp"
	"encoding/json"
	"slices"
	"sync"
)

// A Fingerprint is what one rule says of one host.
type Fingerprint struct {
	Name       string `json:"name"`                 // of the rule
	Vendor     string `json:"vendor,omitempty"`     // who makes it
	Product    string `json:"product,omitempty"`    // what it is
	Version    string `json:"version,omitempty"`    // as the service says it
	CPE        string `json:"cpe,omitempty"`        // a CPE 2.3 formatted string (NISTIR 7695 section 6.2)
	Confidence int    `json:"confidence,omitempty"` // 1 to 100: how sure the rule is
}

// A Set is rules, compiled. It is immutable, and may be used by any number of goroutines.
type Set struct {
	rules []*rule
	paths *paths
	state sync.Pool // of *state
}

// A rule is one rule, compiled.
type rule struct {
	name       string
	vendor     template
	product    template
	version    template
	cpe        template
	confidence int
	hello      []uint16 // what must have been offered, sorted; nil if that does not matter
	when       condition
	groups     []string // of its regular expressions
	at         place
}

// A state is what one call of Match works with.
type state struct {
	walker
	groups []group
}

// A group is a named part of a regular expression, with what it matched.
type group struct {
	name string
	text []byte
}

// Len returns how many rules there are.
func (s *Set) Len() int { return len(s.rules) }

// Match returns what the rules say of data, the surest first and otherwise in the rules' order: a JSON object whose keys are
// modules and whose values are their grabs. Of malformed JSON what stands before the mistake is looked at. It keeps nothing of data.
func (s *Set) Match(data []byte) []Fingerprint {
	st, _ := s.state.Get().(*state)
	if st == nil {
		st = &state{}
	}
	defer s.state.Put(st)
	st.walk(data, s.paths)
	var found []Fingerprint
	for _, r := range s.rules {
		st.groups = st.groups[:0]
		if r.holds(st) {
			found = append(found, r.fingerprint(st))
		}
	}
	st.forget()
	slices.SortStableFunc(found, func(a, b Fingerprint) int { return cmp.Compare(b.Confidence, a.Confidence) })
	return found
}

// Identify is Match in the form of a row's field: a JSON array; nil if no rule holds, and if s is nil.
func (s *Set) Identify(data []byte) []byte {
	if s == nil {
		return nil
	}
	found := s.Match(data)
	if len(found) == 0 {
		return nil
	}
	doc, _ := json.Marshal(found) // of strings and numbers
	return doc
}

// holds says whether the rule's condition holds, and the hello was the one that it needs.
func (r *rule) holds(st *state) bool {
	if r.hello != nil && !offered(st.values[offeredSlot], r.hello) {
		return false
	}
	return r.when.holds(st)
}

func (r *rule) fingerprint(st *state) Fingerprint {
	return Fingerprint{
		Name: r.name, Vendor: r.vendor.fill(st.groups, plain), Product: r.product.fill(st.groups, plain),
		Version: r.version.fill(st.groups, plain), CPE: r.cpe.fill(st.groups, component), Confidence: r.confidence,
	}
}

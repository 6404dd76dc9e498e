package fingerprint

import (
	"fmt"
	"strings"
)

// Bounds of paths.
const (
	maxPath     = 512 // bytes of one
	maxSegments = 32
)

// A word is short for the beginning of a path.
type word struct{ name, path string }

// words are where things stand in the grabs of all modules that have them.
var words = []word{
	{"$banner", "*.result.banner"},
	{"$cert", "**.server_certificates.certificate.parsed"},
	{"$hello", "**.server_hello"},
	{"$http", "*.result.response"},
	{"$ssh", "*.result.server_id"},
}

// offeredPath is where a grab says which suites its ClientHello offered, and offeredSlot has its values.
const (
	offeredPath = "**.client_hello.cipher_suites.value"
	offeredSlot = 0
)

// paths are a tree of all paths that a set asks for. Each has a slot, the same for the same path.
type paths struct {
	root  *step
	slots map[string]int
}

// A step is a place in the tree: what follows under a key, under any key ("*"), and at any depth ("**").
type step struct {
	next map[string]*step
	any  *step
	deep *step // reached together with this one
	loop bool  // stays, whatever the key
	slot int   // of the path that ends here; -1 if none does
}

func newStep() *step { return &step{slot: -1} }

func newPaths() *paths {
	p := &paths{root: newStep(), slots: make(map[string]int)}
	if slot, err := p.add(offeredPath); err != nil || slot != offeredSlot {
		panic("fingerprint: offeredPath is no path") // a constant of this file
	}
	return p
}

// add returns the slot of a path.
func (p *paths) add(path string) (int, error) {
	segments, err := splitPath(path)
	if err != nil {
		return 0, err
	}
	full := strings.Join(segments, ".")
	if slot, ok := p.slots[full]; ok {
		return slot, nil
	}
	at := p.root
	for _, s := range segments {
		at = at.grow(s)
	}
	at.slot = len(p.slots)
	p.slots[full] = at.slot
	return at.slot, nil
}

// grow returns the step under s, which it makes if there is none.
func (t *step) grow(s string) *step {
	var to **step
	switch s {
	case "*":
		to = &t.any
	case "**":
		to = &t.deep
	default:
		if t.next == nil {
			t.next = make(map[string]*step)
		}
		if t.next[s] == nil {
			t.next[s] = newStep()
		}
		return t.next[s]
	}
	if *to == nil {
		*to = newStep()
		(*to).loop = s == "**"
	}
	return *to
}

// leaf says that nothing follows.
func (t *step) leaf() bool { return t.next == nil && t.any == nil && t.deep == nil && !t.loop }

// splitPath returns the segments of a path, its word replaced. Of several "**" in a row one is left.
func splitPath(path string) ([]string, error) {
	if path == "" || len(path) > maxPath {
		return nil, fmt.Errorf("a path has 1 to %d bytes, not %d", maxPath, len(path))
	}
	full := path
	if path[0] == '$' {
		first, rest, more := strings.Cut(path, ".")
		for _, w := range words {
			if w.name == first {
				full = w.path
			}
		}
		if full == path {
			return nil, fmt.Errorf("there is no word %s: %s", first, knownWords())
		}
		if more {
			full += "." + rest
		}
	}
	var segments []string
	for s := range strings.SplitSeq(full, ".") {
		if s == "" {
			return nil, fmt.Errorf("path %q has an empty part", path)
		}
		if s == "**" && len(segments) > 0 && segments[len(segments)-1] == "**" {
			continue
		}
		segments = append(segments, s)
	}
	if len(segments) > maxSegments {
		return nil, fmt.Errorf("path %q has %d parts, more than %d", path, len(segments), maxSegments)
	}
	if segments[len(segments)-1] == "**" {
		return nil, fmt.Errorf("path %q ends nowhere", path)
	}
	return segments, nil
}

func knownWords() string {
	names := make([]string, len(words))
	for i, w := range words {
		names[i] = w.name
	}
	return strings.Join(names, ", ")
}

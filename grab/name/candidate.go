package name

import (
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/net/idna"
)

// A candidate is a name that can be asked for.
type candidate struct{ name, source string }

// A list collects candidates, each name once: of the source that is added first among those of one weight, else of the heavier.
type list struct{ all []candidate }

// add adds a name as somebody wrote it. A wildcard is its domain, then www. in it. What is no host name, or tells nothing but the
// address, is left out.
func (l *list) add(name, source string, a netip.Addr) {
	if domain, ok := strings.CutPrefix(name, "*."); ok {
		l.add(domain, source, a)
		name = "www." + domain
	}
	name, ok := Clean(name)
	if !ok || len(l.all) >= maxCandidates || encodes(name, a) {
		return
	}
	if i := slices.IndexFunc(l.all, func(c candidate) bool { return c.name == name }); i >= 0 {
		if weights[source] > weights[l.all[i].source] {
			l.all[i].source = source
		}
		return
	}
	l.all = append(l.all, candidate{name, source})
}

// Clean returns a host name in the form in which it is asked for: lower case, ASCII (IDNA), without a final dot. It is false for
// what is no host name of several labels: addresses, single words, other characters, more than 253 bytes (RFC 1035 section 2.3).
func Clean(name string) (string, bool) {
	name = strings.TrimSuffix(strings.TrimSpace(name), ".")
	if len(name) > 1000 {
		return "", false
	}
	if strings.IndexFunc(name, func(r rune) bool { return r >= 0x80 }) >= 0 {
		ascii, err := idna.Lookup.ToASCII(name)
		if err != nil {
			return "", false
		}
		name = ascii
	}
	name = strings.ToLower(name)
	if len(name) > 253 || !strings.Contains(name, ".") {
		return "", false
	}
	last := ""
	for label := range strings.SplitSeq(name, ".") {
		if !isLabel(label) {
			return "", false
		}
		last = label
	}
	if strings.Trim(last, "0123456789") == "" { // an address, or something like it
		return "", false
	}
	return name, true
}

// isLabel says whether s can stand between the dots of a host name. Underscores are no part of such, but are seen.
func isLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// covers says whether a certificate of these names is for the name (RFC 6125 section 6.4.3).
func covers(names []string, name string) bool {
	_, parent, _ := strings.Cut(name, ".")
	return slices.ContainsFunc(names, func(n string) bool {
		n = strings.ToLower(strings.TrimSuffix(n, "."))
		return n == name || parent != "" && n == "*."+parent
	})
}

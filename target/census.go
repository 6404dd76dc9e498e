package target

import "slices"

// A Source is where entries of one of the two lists came from, and what they do. Name is that of the file or other origin;
// entries of the command line have none.
type Source struct {
	Name    string
	BuiltIn bool   // the entry for 0.0.0.0, which nobody wrote
	Entries int    // host names count once for each of their addresses
	Addrs   uint64 // see [Space.Sources]
}

// Sources returns the sources of the entries of one list, in the order in which they were given. Each address counts for
// the first of them that names it: the Addrs of the allowlist are those that it adds, and the Addrs of the blocklist those
// that it takes from what is allowed. So the former less the latter are [Space.Allowed], where an allowlist that was not
// given, which has no sources, stands for 2^32 addresses.
func (s *Space) Sources(v Verdict) []Source {
	rules, left := s.allow, []span{everything()}
	if v == Block {
		rules = s.block
		if len(s.allow)+len(s.allow6) > 0 {
			left = union(spansOf(s.allow))
		}
	}
	var out []Source
	var groups [][]rule
	for _, r := range rules {
		from := Source{BuiltIn: r.source == builtIn}
		if !from.BuiltIn {
			from.Name = originOf(s.sources, r).Name
		}
		i := slices.Index(out, from)
		if i < 0 {
			i = len(out)
			out, groups = append(out, from), append(groups, nil)
		}
		groups[i] = append(groups[i], r)
	}
	for i, group := range groups {
		rest := subtract(left, union(spansOf(group)))
		out[i].Entries, out[i].Addrs = len(group), addrsIn(left)-addrsIn(rest)
		left = rest
	}
	return out
}

// addrsIn returns the number of addresses in spans that do not overlap.
func addrsIn(spans []span) uint64 {
	n := uint64(0)
	for _, x := range spans {
		n += uint64(x.hi) - uint64(x.lo) + 1
	}
	return n
}

// A Density says how the addresses of a space spread over networks of one size.
type Density struct {
	Nets uint64 // networks with an address in the space
	Most uint64 // addresses in the one that has most of them
}

// Density returns how the addresses spread over the networks of the given prefix length, 0 to 32.
func (s *Space) Density(length int) Density {
	var d Density
	shift := 32 - length
	net, here := uint64(0), uint64(0) // the network that was begun, and its addresses so far
	for x := range s.spans {
		for lo, end := uint64(x.lo), uint64(x.hi)+1; lo < end; {
			if here == 0 || lo>>shift != net {
				net, here = lo>>shift, 0
				d.Nets++
			}
			next := min((net+1)<<shift, end)
			here += next - lo
			d.Most = max(d.Most, here)
			lo = next
			if whole := (end - lo) >> shift; lo&(1<<shift-1) == 0 && whole > 0 {
				d.Nets += whole
				d.Most = 1 << shift
				lo += whole << shift
				net = lo>>shift - 1
			}
		}
	}
	return d
}

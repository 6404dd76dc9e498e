package link

import (
	"fmt"
	"strings"
	"testing"
)

func TestSpans(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"[]", "[]"},
		{"[{1 1} {2 2} {3 3}]", "[{1 3}]"},
		{"[{5 9} {1 3}]", "[{1 3} {5 9}]"},
		{"[{1 9} {2 3} {4 12}]", "[{1 12}]"},
		{"[{0 4294967295} {7 7}]", "[{0 4294967295}]"},
	} {
		var in []span
		for part := range strings.SplitSeq(strings.Trim(c.in, "[]{}"), "} {") {
			var s span
			if _, err := fmt.Sscan(part, &s.lo, &s.hi); err == nil {
				in = append(in, s)
			}
		}
		if got := fmt.Sprint(merge(in)); got != c.want {
			t.Errorf("merge(%s) = %s, want %s", c.in, got, c.want)
		}
	}
}

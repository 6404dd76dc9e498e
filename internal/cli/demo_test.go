package cli

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/zmap-go/zmap"
)

// The demo tells a scan that missed or invented hosts from one that did not.
func TestCompare(t *testing.T) {
	there := []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.3")}
	for _, c := range []struct {
		name, found string
		want        string // in the output
		ok          bool
	}{
		{"all", "10.0.0.2\n10.0.0.1\n10.0.0.3\n", "3 hosts answer in truth: 0 missed, 0 wrong", true},
		{"none", "", "3 hosts answer in truth: 3 missed, 0 wrong", false},
		{"one missed", "10.0.0.2\n10.0.0.1\n", "1 missed, 0 wrong", false},
		{"one invented", "10.0.0.2\n10.0.0.1\n10.0.0.3\n10.0.0.4\n", "0 missed, 1 wrong", false},
		{"one twice", "10.0.0.2\n10.0.0.1\n10.0.0.3\n10.0.0.1\n", "0 missed, 1 wrong", false},
		{"one twice, one missed", "10.0.0.2\n10.0.0.1\n10.0.0.1\n", "1 missed, 1 wrong", false},
	} {
		var out strings.Builder
		err := checkFound(&out, &zmap.Report{}, c.found, there)
		if (err == nil) != c.ok || !strings.Contains(out.String(), c.want) {
			t.Errorf("%s: error %v, output %q; want %q, ok %v", c.name, err, out.String(), c.want, c.ok)
		}
	}
}

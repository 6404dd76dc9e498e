package zmap

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/zmap-go/zmap/validate"
)

// TestExcludeKeepsTheOrder asks all but what is excluded, in the order that there is without, and counts the others. The numbers in the
// probes are those of the key.
func TestExcludeKeepsTheOrder(t *testing.T) {
	probes := func(exclude string, key *validate.Key) ([]string, *Report) {
		r, out := dryRun(t, Config{
			Networks: []string{"10.0.0.0/24"}, AllowSpecial: private(), Ports: "443", Seed: seed(5), Senders: 1, Exclude: exclude, Key: key,
			Sources: []netip.Addr{netip.MustParseAddr("192.0.2.2")},
		}, false)
		return slices.DeleteFunc(strings.Split(out, strings.Repeat("-", 54)+"\n"), func(s string) bool { return s == "" }), r
	}
	list := filepath.Join(t.TempDir(), "out")
	if err := os.WriteFile(list, []byte("10.0.0.16/28 # asked us\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	key := &validate.Key{1, 2, 3}
	all, _ := probes("", key)
	left, r := probes(list, key)
	if r.PassedOver != 16 || r.Targets != 256 || len(left) != 240 {
		t.Errorf("%d passed over of %d, %d probes", r.PassedOver, r.Targets, len(left))
	}
	at := 0
	for _, line := range all {
		if at < len(left) && left[at] == line {
			at++
		}
	}
	if at != len(left) {
		t.Errorf("probe %d of those that are left, %s, is not among all in their order", at, left[at])
	}
	if other, _ := probes("", nil); slices.Equal(other, all) {
		t.Error("without a key the probes have the numbers of one")
	}
}

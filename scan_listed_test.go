package zmap

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// order returns the addresses and ports of a dry run, in order.
func order(t *testing.T, c Config) []netip.AddrPort {
	t.Helper()
	var out bytes.Buffer
	c.DryRun, c.Outputs, c.Rate, c.Senders = &DryRun{W: &out, Fast: true}, to(&table{}), Unlimited, 1
	if _, err := Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	var list []netip.AddrPort
	for b := out.Bytes(); len(b) >= 6; b = b[6:] {
		list = append(list, netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[:4])), uint16(b[4])<<8|uint16(b[5])))
	}
	return list
}

// TestAddressListKeepsTheOrder checks that a scan of listed addresses asks them in the order in which the scan of all
// that is allowed would, and none twice, in every shard.
func TestAddressListKeepsTheOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 9))
	listed := make(map[netip.Addr]bool)
	var text bytes.Buffer
	for range 300 {
		a := netip.AddrFrom4([4]byte{10, byte(r.IntN(2)), byte(r.IntN(256)), byte(r.IntN(256))})
		listed[a] = true
		fmt.Fprintf(&text, "%s\n%s # again\n", a, a)
	}
	path := filepath.Join(t.TempDir(), "list.txt")
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	for shard := range uint32(3) {
		c := Config{Networks: []string{"10.0.0.0/16"}, AllowSpecial: private(), Ports: "80,443,8080", Seed: seed(77), Shard: shard, Shards: 3}
		var want []netip.AddrPort
		for _, p := range order(t, c) {
			if listed[p.Addr()] {
				want = append(want, p)
			}
		}
		if len(want) < 50 {
			t.Fatalf("shard %d has only %d listed targets: the test says nothing", shard, len(want))
		}
		c.AddressList = path
		if diff := cmp.Diff(want, order(t, c), cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
			t.Errorf("shard %d: order differs (-want +got):\n%s", shard, diff)
		}
	}
}

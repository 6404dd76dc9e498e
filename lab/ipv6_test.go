package lab

import (
	"net/netip"
	"strings"
	"testing"
)

// TestIPv6Check refuses networks that the lab cannot play.
func TestIPv6Check(t *testing.T) {
	for _, bad := range []string{"10.0.0.0/8", "2001:db8::1/32", "2001:db8:ffff::/48", "2600::/32", "2001:d00::/24"} {
		w := World{IPv6: &IPv6{Hosts: []netip.Prefix{netip.MustParsePrefix(bad)}}}
		if _, err := w.Truth(); err == nil || !strings.Contains(err.Error(), "IPv6: "+bad+" must be") {
			t.Errorf("%s: error %v", bad, err)
		}
	}
	w := World{IPv6: &IPv6{Hosts: []netip.Prefix{netip.MustParsePrefix("2001:db8:1::/48")}, Unreachable: []netip.Prefix{netip.MustParsePrefix("2001:db8:2::1/128")}}}
	if _, err := w.Truth(); err != nil {
		t.Error(err)
	}
}

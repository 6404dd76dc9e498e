package target

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"
)

func TestParseEntry(t *testing.T) {
	for _, c := range []struct {
		text string
		want string // address/length as typed, a name/length, or "v6"
	}{
		{"10.0.0.0/8", "10.0.0.0/8"},
		{"10.1.2.3/8", "10.1.2.3/8"},
		{"10.1.2.3", "10.1.2.3/32"},
		{"20.0.0", "20.0.0.0/32"},
		{"20", "0.0.0.20/32"},
		{"10.1/16", "10.0.0.1/16"},
		{"0x0a000000/0", "10.0.0.0/0"},
		{"10.0.0.0/08", "10.0.0.0/8"},
		{"10.0.0.0/00000032", "10.0.0.0/32"},
		{"www.example.com", "www.example.com/32"},
		{"www.example.com./24", "www.example.com./24"},
		{"a_b-c.example", "a_b-c.example/32"},
		{"10-20.example", "10-20.example/32"},
		{"localhost", "localhost/32"},
		{"0x.com", "0x.com/32"},
		{"::1", "::1/128 128"},
		{"2001:db8::/32", "2001:db8::/32 128"},
		{"2001:db8::1/32-64", "2001:db8::1/32 64"},
		{"2001:db8::/32-32", "2001:db8::/32 32"},
		{"::/0-0", "::/0 0"},
		{"::ffff:10.0.0.1/120", "10.0.0.1/24"},
		{"::ffff:10.0.0.1", "10.0.0.1/32"},
		{"::ffff:0:0/95", "::ffff:0.0.0.0/95 128"},
	} {
		e, err := parseEntry(c.text)
		got := netip.PrefixFrom(addr4(e.addr), int(e.bits)).String()
		switch {
		case e.prefix.IsValid():
			got = fmt.Sprintf("%s %d", e.prefix, e.asked)
		case e.name != "":
			got = e.name + got[strings.Index(got, "/"):]
		}
		if err != nil || got != c.want {
			t.Errorf("parseEntry(%q) = %q, %v, want %q", c.text, got, err, c.want)
		}
	}
}

func TestParseEntryErrors(t *testing.T) {
	for _, c := range []struct {
		text      string
		want      string // what the message must say
		badLength bool   // never ignored
	}{
		{"", "write an address", false},
		{"fe80::1%eth0", "leave out the zone", false},
		{"2001:db8::/129", "write a number from 0 to 128", true},
		{"2001:db8::/64-", "no prefix length", true},
		{"2001:db8::/-64", "no prefix length", true},
		{"2001:db8::/64-32", "holds none of length /32", true},
		{"2001:db8::/32-64-96", "bad prefix length", true},
		{"10.0.0.0/33", "bad prefix length \"33\": write a number from 0 to 32", true},
		{"10.0.0.0/99999999999999999999", "write a number from 0 to 32", true},
		{"10.0.0.0/-1", "bad prefix length", true},
		{"10.0.0.0/+8", "bad prefix length", true},
		{"10.0.0.0/0x8", "bad prefix length", true},
		{"10.0.0.0/2O", "bad prefix length", true},
		{"10.0.0.0/8/9", "bad prefix length", true},
		{"10.0.0.0/", "no prefix length after the slash", true},
		{"www.example.com/40", "bad prefix length", true},
		{"2001:db8::/129", "write a number from 0 to 128", true},
		{"10.0.0.0/8,11.0.0.0/8", "each network as an entry of its own", true},
		{"10.0.0.0,11.0.0.0", "commas are not supported", false},
		{"10.0.0.0-10.0.0.255", "write 10.0.0.0/24, each", false},
		{"10.0.0.1-10.0.0.4", "write 10.0.0.1/32 10.0.0.2/31 10.0.0.4/32, each", false},
		{"10.0.0.1-10.0.1.254", "10.0.0.8/29 and 12 more, each", false},
		{"0.0.0.0-255.255.255.255", "write 0.0.0.0/0, each", false},
		{"10.0.0.9-10.0.0.1", "ranges are not supported: write networks as address/length", false},
		{"10.0.0.0:80", "without scheme or port", false},
		{"http://example.com/", "without scheme or port", false},
		{"1.2.3.4::", "without scheme or port", false},
		{"10.0.0.256", "not an IPv4 address", false},
		{"10.0.0.0.0", "not an IPv4 address", false},
		{"1.2.3.08", "not an IPv4 address", false},
		{"1.2.3.0xfff", "not an IPv4 address", false},
		{"4294967296", "not an IPv4 address", false},
		{"10.0.0.*", "not an address, a network or a host name", false},
		{"a..b", "not an address, a network or a host name", false},
		{".", "not an address, a network or a host name", false},
		{"-", "not an address, a network or a host name", false},
		{"a.-b", "not an address, a network or a host name", false},
		{"a-.b", "not an address, a network or a host name", false},
		{"a b", "not an address, a network or a host name", false},
		{"a\x11b", "not an address, a network or a host name", false},
		{strings.Repeat("a", 64) + ".com", "not an address, a network or a host name", false},
		{strings.Repeat("a.", 127) + "com", "not an address, a network or a host name", false},
		{"bücher.example", "xn--", false},
	} {
		e, err := parseEntry(c.text)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("parseEntry(%q) = %+v, error %v, want one that says %q", c.text, e, err, c.want)
		}
		if _, got := errors.AsType[lengthError](err); got != c.badLength {
			t.Errorf("parseEntry(%q): %v: is about the length: %v, want %v", c.text, err, got, c.badLength)
		}
	}
}

// hostName is what RFC 1123 allows, and the underscore.
var hostName = regexp.MustCompile(`(?i)^([a-z0-9_]([a-z0-9_-]*[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?\.?$`)

// FuzzParseEntry checks addresses against the twin of inet_aton, and that what is taken for something else is that.
func FuzzParseEntry(f *testing.F) {
	for _, s := range []string{
		"", "10.0.0.0/8", "20", "0x14.0x1", "020.1.1.1", "1.2.3.4/33", "1.2.3.4/", "a.b/24", "::1/64", "1-2", "1,2", "08", "0x", "4294967296", "1.2.3.4.5", "10.0.0.0/2O",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		e, err := parseEntry(s)
		host, _, _ := strings.Cut(s, "/")
		addr, isAddr := atonTwin(host)
		if a, ok := aton(host); a != addr || ok != isAddr {
			t.Fatalf("aton(%q) = %v, %v, the twin says %v, %v", host, a, ok, addr, isAddr)
		}
		if err != nil {
			if err.Error() == "" || len(err.Error()) > 1000 {
				t.Fatalf("parseEntry(%q): an error of %d bytes", s, len(err.Error()))
			}
			return
		}
		switch {
		case e.prefix.IsValid():
			if a, err := netip.ParseAddr(host); err != nil || !a.Is6() {
				t.Fatalf("parseEntry(%q) took it for IPv6", s)
			}
		case e.name != "":
			if isAddr || e.name != host || !hostName.MatchString(host) {
				t.Fatalf("parseEntry(%q) took %q for a name", s, e.name)
			}
		case !isAddr || e.addr != addr || e.bits > 32:
			t.Fatalf("parseEntry(%q) = %+v, the twin says %v, %v", s, e, addr, isAddr)
		}
		// A network that netip knows must come out the same. It knows neither short forms nor octal.
		if p, perr := netip.ParsePrefix(s); perr == nil && p.Addr().Is4() {
			if got := netip.PrefixFrom(addr4(e.addr), int(e.bits)); got != p {
				t.Fatalf("parseEntry(%q) = %v, netip says %v", s, got, p)
			}
		}
	})
}

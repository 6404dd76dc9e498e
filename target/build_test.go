package target

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A fakeResolver knows the names in it; it never asks anybody.
type fakeResolver map[string][]string

var errNoSuchHost = errors.New("no such host")

func (r fakeResolver) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if network != "ip4" {
		return nil, fmt.Errorf("network %s, want ip4", network)
	}
	found, ok := r[host]
	if !ok {
		return nil, fmt.Errorf("lookup %s: %w", host, errNoSuchHost)
	}
	var addrs []netip.Addr
	for _, a := range found {
		addrs = append(addrs, netip.MustParseAddr(a))
	}
	return addrs, nil
}

func texts(prefixes []netip.Prefix) string {
	return strings.Trim(fmt.Sprint(prefixes), "[]")
}

func TestHostNames(t *testing.T) {
	b := Builder{Resolver: fakeResolver{
		"many.example": {"10.0.0.9", "::ffff:10.0.1.9", "2001:db8::1", "10.0.2.9"},
		"one.example":  {"10.0.1.200"},
	}}
	list := "192.0.2.1/31\nmany.example/24\n192.0.2.9\n"
	if err := b.Read(Allow, strings.NewReader(list), "allow"); err != nil {
		t.Fatal(err)
	}
	if err := b.Add(Block, "one.example/25"); err != nil {
		t.Fatal(err)
	}
	s, err := b.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := texts(s.AllowEntries()), "192.0.2.1/31 10.0.0.9/24 10.0.1.9/24 10.0.2.9/24 192.0.2.9/32"; got != want {
		t.Errorf("AllowEntries() = %s, want %s", got, want)
	}
	if got, want := texts(s.BlockEntries()), "10.0.1.200/25 0.0.0.0/32"; got != want {
		t.Errorf("BlockEntries() = %s, want %s", got, want)
	}
	if s.Addrs() != 2+3*256-128+1 {
		t.Errorf("Addrs() = %d, want %d", s.Addrs(), 2+3*256-128+1)
	}
}

func TestHostNameErrors(t *testing.T) {
	resolver := fakeResolver{"six.example": {"2001:db8::1"}}
	add := func(b *Builder) {
		if err := b.Read(Block, strings.NewReader("\nnone.example\nsix.example/8\n"), "block"); err != nil {
			t.Fatal(err)
		}
	}
	b := Builder{Resolver: resolver}
	add(&b)
	_, err := b.Build(t.Context())
	want := "block:2: \"none.example\": lookup none.example: no such host: write its address or remove the entry\n" +
		"block:3: \"six.example\": the host name has no IPv4 address: remove the entry"
	if err == nil || err.Error() != want || !errors.Is(err, errNoSuchHost) {
		t.Errorf("Build: error %v, want\n%s", err, want)
	}

	b = Builder{Resolver: resolver, IgnoreErrors: true}
	add(&b)
	s, err := b.Build(t.Context())
	if err != nil {
		t.Fatalf("Build with IgnoreErrors: %v", err)
	}
	if _, n := b.Ignored(); n != 2 || s.Addrs() != 1<<32-1 {
		t.Errorf("Ignored() = %d, Addrs() = %d, want 2 and all", n, s.Addrs())
	}

	b = Builder{}
	if err := b.Add(Allow, "none.example"); err == nil || !strings.Contains(err.Error(), "write the address") {
		t.Errorf("Add of a name without resolver: error %v", err)
	}

	b = Builder{Resolver: resolver}
	add(&b)
	b.Resolver = nil
	if _, err := b.Build(t.Context()); !errors.Is(err, errNoResolver) {
		t.Errorf("Build after the resolver was taken away: error %v", err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b = Builder{Resolver: resolver, IgnoreErrors: true}
	add(&b)
	if _, err := b.Build(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Build with a cancelled context: error %v, want it even with IgnoreErrors", err)
	}
}

func TestEntriesAsTyped(t *testing.T) {
	s := build(t, Ports{}, []string{"10.1.2.3/8", "20", "10.1.2.3/8"}, []string{"010.0.0.0/9", "1.1.1.1"})
	if got, want := texts(s.AllowEntries()), "10.1.2.3/8 0.0.0.20/32 10.1.2.3/8"; got != want {
		t.Errorf("AllowEntries() = %s, want %s", got, want)
	}
	if got, want := texts(s.BlockEntries()), "8.0.0.0/9 1.1.1.1/32 0.0.0.0/32"; got != want {
		t.Errorf("BlockEntries() = %s, want %s", got, want)
	}
	if n := len(build(t, Ports{}, nil, nil).AllowEntries()); n != 0 {
		t.Errorf("without allowlist: %d AllowEntries, want 0", n)
	}
}

func TestEmptySpaceNamesWhoIsToBlame(t *testing.T) {
	const advice = "to scan them, take those lines out of a copy of the blocklist and name the copy as the blocklist"
	list := func(v Verdict, name, text string) func(*Builder) error {
		return func(b *Builder) error { return b.Read(v, strings.NewReader(text), name) }
	}
	arg := func(v Verdict, text string) func(*Builder) error {
		return func(b *Builder) error { return b.Add(v, text) }
	}
	for _, c := range []struct {
		name string
		do   []func(*Builder) error
		want string // after the text of ErrEmpty
	}{
		{
			"private network and the shipped blocklist",
			[]func(*Builder) error{arg(Allow, "10.1.0.0/16"), list(Block, "blocklist.conf", strings.Join(shippedBlocklist, "\n"))},
			": the blocklist covers all that is allowed\n  10.1.0.0/16 (argument) is covered by 10.0.0.0/8 (blocklist.conf:2)\n" + advice,
		},
		{
			"covered by several", // the /24 inside the /9 is not to blame
			[]func(*Builder) error{list(Allow, "a", "\n10.0.0.0/8"), list(Block, "b", "10.128.0.0/9\n10.7.0.0/24\n10.0.0.0/9\n11.0.0.0/8")},
			": the blocklist covers all that is allowed\n  10.0.0.0/8 (a:2) is covered by 10.0.0.0/9 (b:3) and 10.128.0.0/9 (b:1)\n" + advice,
		},
		{
			"many",
			[]func(*Builder) error{
				list(Allow, "a", "1.1.1.1\n1.1.1.2\n1.1.1.3\n1.0.0.0/29\n1.1.1.5\n1.1.1.6"),
				list(Block, "b", "1.1.1.0/24\n1.0.0.0\n1.0.0.1\n1.0.0.2\n1.0.0.3\n1.0.0.4/30"),
			},
			": the blocklist covers all that is allowed\n" +
				"  1.1.1.1/32 (a:1) is covered by 1.1.1.0/24 (b:1)\n" +
				"  1.1.1.2/32 (a:2) is covered by 1.1.1.0/24 (b:1)\n" +
				"  1.1.1.3/32 (a:3) is covered by 1.1.1.0/24 (b:1)\n" +
				"  1.0.0.0/29 (a:4) is covered by 1.0.0.0/32 (b:2) and 1.0.0.1/32 (b:3) and 1.0.0.2/32 (b:4) and 2 more\n" +
				"  and 2 more\n" + advice,
		},
		{
			"the address that is never scanned",
			[]func(*Builder) error{arg(Allow, "0.0.0.0")},
			": the blocklist covers all that is allowed\n  0.0.0.0/32 (argument) is covered by 0.0.0.0/32 (never scanned)\n" + advice,
		},
		{
			"all of IPv4 blocked",
			[]func(*Builder) error{list(Block, "b", "0.0.0.0/1\n128.0.0.0/1")},
			": the blocklist covers all of IPv4, with 0.0.0.0/1 (b:1) and 128.0.0.0/1 (b:2)\n" + advice,
		},
		{
			"an allowlist with nothing in it does not allow everything",
			[]func(*Builder) error{list(Allow, "a", "# none\n")},
			": the allowlist holds no network; write at least one, such as 192.0.2.0/24",
		},
		{
			"IPv6",
			[]func(*Builder) error{arg(Allow, "2001:db8::/32-64"), arg(Block, "2001:db8::/33"), arg(Block, "2001:db8:8000::/33")},
			": the blocklist covers all that is allowed\n  2001:db8::/32-64 (argument) is covered by 2001:db8::/33 (argument) and 2001:db8:8000::/33 (argument)\n" + advice,
		},
	} {
		var b Builder
		for _, do := range c.do {
			if err := do(&b); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
		}
		_, err := b.Build(t.Context())
		if !errors.Is(err, ErrEmpty) {
			t.Errorf("%s: error %v, want ErrEmpty", c.name, err)
			continue
		}
		if diff := cmp.Diff(ErrEmpty.Error()+c.want, err.Error()); diff != "" {
			t.Errorf("%s: error differs (-want +got):\n%s", c.name, diff)
		}
	}
}

// TestIgnoredAllowEntriesDoNotAllowEverything is about the worst that ignoring an error could do.
func TestIgnoredAllowEntriesDoNotAllowEverything(t *testing.T) {
	b := Builder{IgnoreErrors: true}
	if err := b.Add(Allow, "10.0.0.0-10.0.0.9"); err != nil {
		t.Fatal(err)
	}
	if s, err := b.Build(t.Context()); !errors.Is(err, ErrEmpty) {
		t.Errorf("Build: %v, error %v, want ErrEmpty", s, err)
	}
}

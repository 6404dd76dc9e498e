package name

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zmap-go/zmap/grab"
	"golang.org/x/net/dns/dnsmessage"
)

// A zone is what a server of the tests knows, by name and kind.
type zone map[string][]dnsmessage.ResourceBody

// serve answers questions over UDP on the loopback, each after a forged answer with another ID, and counts them.
func (z zone) serve(t *testing.T) (netip.AddrPort, *atomic.Int32) {
	t.Helper()
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	var asked atomic.Int32
	go func() {
		for in := make([]byte, 600); ; {
			n, from, err := c.ReadFromUDPAddrPort(in)
			if err != nil {
				return
			}
			asked.Add(1)
			var m dnsmessage.Message
			if m.Unpack(in[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			q := m.Questions[0]
			m.Response = true
			m.ID++
			forged, _ := m.Pack()
			c.WriteToUDPAddrPort(forged, from)
			m.ID--
			for _, body := range z[q.Type.String()[4:]+" "+q.Name.String()] {
				m.Answers = append(m.Answers, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class}, Body: body})
			}
			out, err := m.Pack()
			if err != nil {
				t.Error(err)
			}
			c.WriteToUDPAddrPort(out, from)
		}
	}()
	return c.LocalAddr().(*net.UDPAddr).AddrPort(), &asked
}

func ptr(name string) *dnsmessage.PTRResource {
	return &dnsmessage.PTRResource{PTR: dnsmessage.MustNewName(name)}
}

func TestPointers(t *testing.T) {
	server, asked := zone{
		"PTR 1.2.0.192.in-addr.arpa.": {ptr("192-0-2-1.example.net."), ptr("gone.example.net."), ptr("mail.example.org.")},
		"A gone.example.net.":         {&dnsmessage.AResource{A: [4]byte{192, 0, 2, 2}}},
		"A mail.example.org.":         {&dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName("x.example.")}, &dnsmessage.AResource{A: [4]byte{192, 0, 2, 2}}, &dnsmessage.AResource{A: [4]byte{192, 0, 2, 1}}},
		"A moved.example.com.":        {&dnsmessage.AResource{A: [4]byte{192, 0, 2, 9}}},
	}.serve(t)
	r, err := NewResolver(server, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := New(Config{Max: 9, Resolver: r})
	target := grab.Target{Addr: netip.MustParseAddr("192.0.2.1")}
	for range 2 { // the second time without questions
		got := askAll(t, c, &target, func(sni string) shown {
			if sni != "" {
				return nil
			}
			return sans("moved.example.com", "unknown.example.com")
		})
		if diff := cmp.Diff([]string{"", "unknown.example.com san", "mail.example.org ptr"}, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		if n := asked.Load(); n != 5 {
			t.Errorf("asked %d questions, want 5: the pointer, and four names", n)
		}
	}
}

func TestResolverIsGuarded(t *testing.T) {
	_, err := NewResolver(netip.MustParseAddrPort("192.0.2.53:53"), func(a netip.Addr) bool { return a != netip.MustParseAddr("192.0.2.53") })
	if !errors.Is(err, grab.ErrBlocked) {
		t.Errorf("got %v, want ErrBlocked", err)
	}
}

// TestSilentResolver: a scan that ends waits for nobody.
func TestSilentResolver(t *testing.T) {
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r, err := NewResolver(c.LocalAddr().(*net.UDPAddr).AddrPort(), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		c.ReadFromUDPAddrPort(make([]byte, 600))
		cancel()
	}()
	if got := r.pointers(ctx, netip.MustParseAddr("192.0.2.1")); got != nil {
		t.Errorf("got %q of nobody", got)
	}
}

func TestReverse(t *testing.T) {
	for a, want := range map[string]string{
		"192.0.2.1":   "1.2.0.192.in-addr.arpa.",
		"2001:db8::1": "1." + strings.Repeat("0.", 23) + "8.b.d.0.1.0.0.2.ip6.arpa.",
	} {
		if got := reverse(netip.MustParseAddr(a)); got != want {
			t.Errorf("%s: got %s, want %s", a, got, want)
		}
	}
}

// FuzzAnswer reads answers of any content.
func FuzzAnswer(f *testing.F) {
	q := question{"1.2.0.192.in-addr.arpa.", dnsmessage.TypePTR}
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 7, Response: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(q.name), Type: q.kind, Class: dnsmessage.ClassINET}},
		Answers:   []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(q.name), Class: dnsmessage.ClassINET}, Body: ptr("a.example.")}},
	}
	b, err := m.Pack()
	if err != nil {
		f.Fatal(err)
	}
	if got, ours := parseAnswer(b, 7, q); !ours || !slices.Equal(got, []string{"a.example."}) {
		f.Fatalf("got %q, %v", got, ours)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, in []byte) {
		if got, _ := parseAnswer(in, 7, q); len(got) > maxRecords {
			t.Errorf("got %d records", len(got))
		}
	})
}

package zmap

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zmap-go/zmap/citizen"
	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/lab"
	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/probe"
)

// worldIPv6 is an Internet of IPv4 and IPv6: of the 2^20 /64s of 2001:db8::/44 those of 256 /56s are hosts, which makes 65,536, and one /52 is
// answered for by its router.
func worldIPv6(t *testing.T) (*lab.Net, []netip.Prefix) {
	t.Helper()
	w := lab.World{Ports: []uint16{80}, Crowd: &lab.Crowd{Prefix: prefix("10.255.0.0/16")}, Hosts: []lab.Hosts{{Prefix: prefix("10.13.0.0/24"), Kind: lab.Kernel}}, IPv6: &lab.IPv6{Unreachable: []netip.Prefix{prefix("2001:db8:f:f000::/52")}}}
	for i := range 256 {
		w.IPv6.Hosts = append(w.IPv6.Hosts, prefix(fmt.Sprintf("2001:db8:%x:%x00::/56", i/16, i%16*16+i/16)))
	}
	return startWorld(t, w), w.IPv6.Hosts
}

// scanIPv6 is a SYN scan of some networks, of both families.
func scanIPv6(networks ...string) (Config, *table) {
	c, rows := synScan(networks...)
	c.AllowSpecial = append(c.AllowSpecial, citizen.Documentation)
	c.Cooldown = time.Second
	return c, rows
}

// TestScanIPv6 asks a window of 2^16 /64s and IPv4 hosts in one scan, on every link: all hosts are found, each once, and no other, and errors
// of the router belong to the targets that they are about.
func TestScanIPv6(t *testing.T) {
	_, hosts := worldIPv6(t)
	window := prefix("2001:db8:f::/48")
	for _, by := range []struct {
		way string
		rst link.RSTPolicy
	}{{"socket", link.RSTPass}, {"xdp", link.RSTPass}, {"ring", link.RSTPass}, {"raw", link.RSTPass}, {"xdp", link.RSTReset}} {
		way := by.way
		c, rows := scanIPv6("2001:db8:f::/48-64", "10.13.0.0/24")
		c.Link, c.RST, c.Rate = way, by.rst, 50_000
		r := run(t, c)
		want := map[classed]bool{}
		for _, h := range hosts {
			for net := h.Addr(); h.Contains(net) && window.Contains(net); net = next64(net) {
				want[classed{net.Next(), "synack"}] = true
			}
		}
		for net := prefix("2001:db8:f:f000::/52").Addr(); prefix("2001:db8:f:f000::/52").Contains(net); net = next64(net) {
			if !want[classed{net.Next(), "synack"}] {
				want[classed{net.Next(), "icmp"}] = true
			}
		}
		for a := range addrsOf(prefix("10.13.0.0/24")) {
			want[classed{a, "synack"}] = true
		}
		eachOnce(t, way, rows.classes(), maps.Keys(want))
		if r.Targets != 1<<16+256 || r.Sent != r.Targets || r.Link != way {
			t.Errorf("%s: %d targets by %s, %d sent", way, r.Targets, r.Link, r.Sent)
		}
	}
}

// TestScanIPv6Modules asks hosts and what is behind a router by ICMPv6, UDP and DNS.
func TestScanIPv6Modules(t *testing.T) {
	worldIPv6(t)
	answers := func(class string) iter.Seq[classed] {
		return func(yield func(classed) bool) {
			for i := range 256 {
				a := prefix("2001:db8::/56").Addr().As16()
				a[7], a[15] = byte(i), 1
				if !yield(classed{netip.AddrFrom16(a), class}) {
					return
				}
			}
			yield(classed{netip.MustParseAddr("2001:db8:f:f000::1"), map[bool]string{true: "icmp", false: "unreach"}[class != "echoreply"]})
		}
	}
	for _, c := range []struct{ module, args, ports, class string }{
		{"icmp_echoscan", "", "", "echoreply"},
		{"udp", "text:hello", "9", "icmp"}, // nobody listens there: port unreachable
		{"dns", "A,example.com", "53", "icmp"},
	} {
		p, err := probe.New(c.module, probe.Args{Text: c.args})
		if err != nil {
			t.Fatal(err)
		}
		conf, rows := scanIPv6("2001:db8::/55-64", "2001:db8:f:f000::/64-64")
		conf.Probe, conf.Ports, conf.Rate = p, c.ports, 2000
		run(t, conf)
		if c.module == "icmp_echoscan" { // whose errors keep the responder's address
			for _, r := range rows.rows {
				if r.class() == "unreach" && r.addr("saddr") != netip.MustParseAddr("2001:db8:ffff::2") {
					t.Errorf("an error is from %s", r.addr("saddr"))
				}
			}
			eachOnce(t, c.module, rows.classes(), func(yield func(classed) bool) {
				for x := range answers(c.class) {
					if x.class == "unreach" {
						x.addr = netip.MustParseAddr("2001:db8:ffff::2")
					}
					if !yield(x) {
						return
					}
				}
			})
			continue
		}
		eachOnce(t, c.module, rows.classes(), answers(c.class))
	}
}

// TestScanIPv6Lists asks single addresses, pairs and low bytes, without what lists block before or during the scan.
func TestScanIPv6Lists(t *testing.T) {
	worldIPv6(t)
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	special, err := citizen.Builtin(citizen.ListSpecial)
	if err != nil {
		t.Fatal(err)
	}
	block := file("block", strings.ReplaceAll(strings.ReplaceAll(special, "2001:db8::/32", "2001:db8:0:3::/64"), "10.0.0.0/8", "10.13.0.7"))
	for _, c := range []struct {
		what   string
		change func(*Config)
		want   string
	}{
		{"addresses", func(c *Config) {
			c.AddressList = file("list", "2001:db8::5\n2001:db8:0:3::5\n10.13.0.1\n2001:db8:0:100::5\n2001:db8:f:f000::9\n10.13.0.7\n")
		}, "10.13.0.1 2001:db8::5 2001:db8:f:f000::9"},
		{"addresses of some networks", func(c *Config) {
			c.AddressList, c.Networks = file("list", "2001:db8::5\n2001:db8:0:ff::5\n10.13.0.1\n"), []string{"2001:db8::/57"}
		}, "2001:db8::5"},
		{"pairs", func(c *Config) {
			c.Ports = ""
			c.Pairs = func(yield func(netip.AddrPort, error) bool) {
				for _, p := range []string{"[2001:db8::9]:80", "[2001:db8::9]:81", "10.13.0.2:80", "[2001:db8:0:3::9]:80", "[2001:db8::9]:80"} {
					if !yield(netip.MustParseAddrPort(p), nil) {
						return
					}
				}
			}
		}, "10.13.0.2 2001:db8::9 2001:db8::9"},
		{"low bytes", func(c *Config) {
			c.Networks, c.Suffixes = []string{"2001:db8::/62-64", "2001:db8:f:f000::/64-64"}, "low:1-2,::abcd"
			c.Exclude = file("exclude", "2001:db8:0:1::/64\n2001:db8:0:2::2/127\n")
		}, "2001:db8::1 2001:db8::2 2001:db8::abcd 2001:db8:0:2::1 2001:db8:0:2::abcd 2001:db8:f:f000::1 2001:db8:f:f000::2 2001:db8:f:f000::abcd"},
	} {
		conf, rows := scanIPv6()
		conf.Networks, conf.AllowSpecial, conf.Blocklist = nil, nil, block
		c.change(&conf)
		run(t, conf)
		var got []string
		for _, r := range rows.rows {
			got = append(got, r.addr("saddr").String())
		}
		slices.SortFunc(got, func(a, b string) int { return netip.MustParseAddr(a).Compare(netip.MustParseAddr(b)) })
		if text := strings.Join(got, " "); text != c.want {
			t.Errorf("%s: rows of %s, want %s", c.what, text, c.want)
		}
	}
}

// TestAliasCheck tells networks of which every address answers from single hosts, by all probes, also of hosts that answer last.
func TestAliasCheck(t *testing.T) {
	w := lab.World{Ports: []uint16{80}, IPv6: &lab.IPv6{Hosts: []netip.Prefix{prefix("2001:db8:1::/56")}}}
	for i := range 64 {
		w.IPv6.Hosts = append(w.IPv6.Hosts, prefix(fmt.Sprintf("2001:db8:2:%x::1/128", i)))
	}
	// Nine of the sixteen sub-networks of this one answer, which is asked a second time.
	for i := range 9 {
		w.IPv6.Hosts = append(w.IPv6.Hosts, prefix(fmt.Sprintf("2001:db8:3:0:%x000::/68", i)))
	}
	startWorld(t, w)
	for _, module := range []string{"tcp_synscan", "icmp_echoscan"} {
		p, err := probe.New(module, probe.Args{})
		if err != nil {
			t.Fatal(err)
		}
		c, rows := scanIPv6("2001:db8:1::/55-64", "2001:db8:2::/56-64", "2001:db8:3::/56-64")
		c.Probe, c.AliasCheck, c.Cooldown, c.Rate = p, true, 4*time.Second, 2000
		if module == "icmp_echoscan" {
			c.Ports = ""
		}
		r := run(t, c)
		type verdict struct {
			addr    netip.Addr
			aliased string
		}
		got, want := map[verdict]int{}, map[verdict]bool{{netip.MustParseAddr("2001:db8:3::1"), "false"}: true}
		for _, x := range rows.rows {
			text := "null"
			if v := x.get("aliased"); !v.IsNull() {
				text = fmt.Sprint(v.Bool())
			}
			got[verdict{x.addr("saddr"), text}]++
		}
		for i := range 256 {
			want[verdict{netip.MustParseAddr(fmt.Sprintf("2001:db8:1:%x::1", i)), "true"}] = true
		}
		for i := range 64 {
			want[verdict{netip.MustParseAddr(fmt.Sprintf("2001:db8:2:%x::1", i)), "false"}] = true
		}
		eachOnce(t, module, got, maps.Keys(want))
		if probes := uint64(1024 + 16*(256+64+1) + 7); r.Sent < probes || r.Segments < 16*256+9 { // more if answers took a second
			t.Errorf("%s: %d probes and %d answers to questions about aliases, want %d and %d or more", module, r.Sent, r.Segments, probes, 16*256+9)
		}
	}
	// What is not on the lists is not asked, so that nothing is found out.
	c, rows := scanIPv6()
	c.Networks = nil
	list := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(list, []byte("2001:db8:1:5::9\n2001:db8:1:6::9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.AddressList, c.AliasCheck, c.Networks = list, true, []string{"2001:db8:1:5::/64", "2001:db8:1:6::/65"}
	run(t, c)
	for _, x := range rows.rows {
		if want := x.addr("saddr") == netip.MustParseAddr("2001:db8:1:5::9"); x.get("aliased").IsNull() == want {
			t.Errorf("%s: aliased is null: %v", x.addr("saddr"), !want)
		}
	}
	if len(rows.rows) != 2 {
		t.Errorf("%d rows, want 2", len(rows.rows))
	}
}

// TestProbesOfIPv4Alone are refused before anything is sent.
func TestProbesOfIPv4Alone(t *testing.T) {
	p, err := probe.New("ntp", probe.Args{})
	if err != nil {
		t.Fatal(err)
	}
	c, _ := scanIPv6("2001:db8::/44-64")
	c.Probe, c.Ports = p, "123"
	if _, err = Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), `argument "2001:db8::/44-64": probe ntp asks over IPv4 alone`) {
		t.Errorf("error %v", err)
	}
}

// next64 is the next /64.
func next64(a netip.Addr) netip.Addr {
	b := a.As16()
	for i := 7; i >= 0; i-- {
		if b[i]++; b[i] != 0 {
			break
		}
	}
	return netip.AddrFrom16(b)
}

// A classed is who answered how.
type classed struct {
	addr  netip.Addr
	class string
}

// classes counts rows by that.
func (s *table) classes() map[classed]int {
	n := map[classed]int{}
	for _, r := range s.rows {
		n[classed{r.addr("saddr"), r.class()}]++
	}
	return n
}

// TestScanIPv6Whole asks all 2^20 /64s; "make ipv6" prints its figures. Tests in short mode ask a sixteenth of that: TestScanIPv6.
func TestScanIPv6Whole(t *testing.T) {
	if os.Getenv("ZMAP_IPV6_WHOLE") == "" {
		t.Skip("takes half a minute: make ipv6")
	}
	_, hosts := worldIPv6(t)
	c, rows := scanIPv6("2001:db8::/44-64")
	c.Rate, c.Cooldown = 50_000, 2*time.Second
	r := run(t, c)
	want := map[netip.Addr]bool{}
	for _, h := range hosts {
		for net := h.Addr(); h.Contains(net); net = next64(net) {
			want[net.Next()] = true
		}
	}
	missed, doubled, wrong := len(want), 0, 0
	for a, n := range rows.count(row.first) {
		if !want[a] {
			wrong++
			continue
		}
		missed--
		if n > 1 {
			doubled++
		}
	}
	errors := rows.count(func(r row) bool { return r.class() == "icmp" })
	t.Logf("%d /64s asked in %v: %d hosts, %d missed, %d doubled, %d wrong; %d networks unreachable, of 4096 less %d hosts",
		r.Targets, r.SendEnd.Sub(r.SendStart).Round(time.Millisecond), len(want), missed, doubled, wrong, len(errors), 256)
	if r.Targets != 1<<20 || len(want) != 1<<16 || missed+doubled+wrong > 0 || len(errors) != 4096-256 {
		t.Error("not all were found, each once")
	}
}

// endOf is a grab that waits for the host to hang up, which hosts of the lab do.
type endOf struct{}

func (endOf) Describe() grab.Description { return grab.Description{Name: "end", Port: 80} }

func (endOf) Grab(_ context.Context, s *grab.Session) (any, error) {
	n, err := s.Conn.Read(make([]byte, 1))
	return n, err
}

// TestGrabOverIPv6 goes on over the connections that the scan has begun, by links that withhold them from the kernel in different ways.
func TestGrabOverIPv6(t *testing.T) {
	worldIPv6(t)
	for _, way := range []string{"socket", "xdp"} {
		c, rows := scanIPv6("2001:db8::/56-64", "10.13.0.0/28")
		c.Link, c.Grab = way, &Grab{Module: endOf{}, Transport: grab.Oneshot}
		r := run(t, c)
		closed := map[netip.Addr]int{}
		for _, x := range rows.rows {
			if strings.Contains(x.get("data").Text(), "connection-closed") || strings.Contains(string(x.get("data").Bytes()), "connection-closed") {
				closed[x.addr("saddr")]++
			}
		}
		if len(closed) != 256+16 || r.Link != way {
			t.Errorf("%s: %d hosts were asked on, want %d: %+v", r.Link, len(closed), 256+16, r.Grabs)
		}
	}
}

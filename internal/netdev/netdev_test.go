package netdev

import (
	"net/netip"
	"testing"

	"github.com/zmap-go/zmap/packet"
)

func TestDescribe(t *testing.T) {
	for _, tt := range []struct {
		path *Path
		want string
	}{
		{viaEth0(nil), "eth0 192.0.2.1 -> gateway 192.0.2.254 (02:00:00:00:00:fe), MTU 1500"},
		{viaEth0(func(p *Path) { p.HopMAC = packet.MAC{} }), "eth0 192.0.2.1 -> gateway 192.0.2.254, MTU 1500"},
		{viaEth0(func(p *Path) { p.Gateway = netip.Addr{} }), "eth0 192.0.2.1 -> 02:00:00:00:00:fe, MTU 1500"},
		{
			viaEth0(func(p *Path) { p.Gateway, p.HopMAC = netip.Addr{}, packet.MAC{} }),
			"eth0 192.0.2.1 -> on link 192.0.2.0/24, MTU 1500",
		},
		{
			viaEth0(func(p *Path) { p.Sources = ips("192.0.2.1", "192.0.2.2", "192.0.2.3") }),
			"eth0 192.0.2.1 and 2 more -> gateway 192.0.2.254 (02:00:00:00:00:fe), MTU 1500",
		},
		{&Path{Interface: "tun0", MTU: 1420, Sources: ips("10.8.0.2"), Gateway: ip("10.8.0.1")}, "tun0 10.8.0.2 -> no link layer, MTU 1420"},
		{&Path{Interface: "eth0", Layer: Packets, MTU: 1500, Sources: ips("192.0.2.1"), OnLink: []netip.Prefix{pfx("192.0.2.0/24")}}, "eth0 192.0.2.1 -> next hops of the kernel's, MTU 1500"},
		{&Path{Interface: "lo", Ether: true, MTU: 65536, Sources: ips("127.0.0.1")}, "lo 127.0.0.1 -> this host, MTU 65536"},
		{&Path{Ether: true, Sources: ips("0.0.0.0")}, "no interface 0.0.0.0 -> unknown"},
	} {
		if got := Describe(tt.path); got != tt.want {
			t.Errorf("Describe(%+v)\n got %q\nwant %q", tt.path, got, tt.want)
		}
	}
}

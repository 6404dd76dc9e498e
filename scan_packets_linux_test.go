package zmap

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/zmap-go/zmap/lab"
	"github.com/zmap-go/zmap/probe"
)

// TestPacketsOnEthernet sends bare IP packets by an Ethernet interface: the kernel finds the way to hosts next door and to those
// behind the gateway, and nobody is missed. Hosts next door that do not answer ARP get no probe, as in a scan by frames.
func TestPacketsOnEthernet(t *testing.T) {
	n := startNet(t,
		lab.Hosts{Prefix: prefix("10.21.0.0/26"), Kind: lab.Kernel},
		lab.Hosts{Prefix: prefix("10.21.0.128/26"), Kind: lab.Kernel},
		lab.Hosts{Prefix: prefix("10.28.0.0/24"), Kind: lab.Kernel},
		lab.Hosts{Prefix: prefix("10.28.1.0/24"), Kind: lab.Refuse},
		lab.Hosts{Prefix: prefix("10.28.2.0/24"), Kind: lab.Late, Delay: 100 * time.Millisecond},
		lab.Hosts{Prefix: prefix("10.28.3.0/25"), Kind: lab.ICMPError, Type: 3, Code: 1},
		lab.Hosts{Prefix: prefix("10.28.3.128/25"), Kind: lab.ForgeOnly, Forgery: lab.WrongAck},
	)
	nextDoor(t, n, "10.21.0.0/24")
	truth := n.Truth()
	t.Run("SYN", func(t *testing.T) {
		c, rows := synScan("10.21.0.0/24", "10.28.0.0/22")
		c.Packets = true
		r := run(t, c)
		eachOnce(t, "listening hosts", rows.count(row.first), truth.Addrs(lab.SYN(80), lab.SYNACK))
		eachOnce(t, "refusals", rows.count(func(r row) bool { return r.class() == "rst" }), truth.Addrs(lab.SYN(80), lab.RST))
		eachOnce(t, "errors", rows.count(func(r row) bool { return r.class() == "icmp" }), truth.Addrs(lab.SYN(80), lab.Unreachable))
		for _, row := range rows.rows {
			checkSYNRow(t, n, r, row)
		}
		got := []uint64{r.Targets, r.Unreachable, r.Sent, r.Refused, uint64(len(r.Silent))}
		if want := []uint64{256 + 1024, 128, 1024 + 128, 0, 128}; !equal(got, want) {
			t.Errorf("targets, unreachable ones, frames sent, refused, silent addresses: %d, want %d", got, want)
		}
		if syns := tally(t, n).SYNs; syns != r.Sent {
			t.Errorf("%d SYNs arrived at the hosts, want %d", syns, r.Sent)
		}
		if r.Link != "raw" || !strings.Contains(r.Why, "socket: interface scan0 wants an Ethernet header") || r.Path.Ether || !r.Path.HopMAC.IsZero() || r.Path.Gateway.IsValid() {
			t.Errorf("link %s (%s), path %+v; want raw, and no gateway", r.Link, r.Why, r.Path)
		}
	})
	t.Run("ping", func(t *testing.T) {
		c, rows := synScan("10.21.0.0/24", "10.28.0.0/22")
		c.Link, c.Ports = "raw", "" // the engine says enough
		var err error
		if c.Probe, err = probe.New("icmp_echoscan", probe.Args{}); err != nil {
			t.Fatal(err)
		}
		if r := run(t, c); r.Link != "raw" {
			t.Errorf("link %s, want raw", r.Link)
		}
		eachOnce(t, "replies", rows.count(row.first), truth.Addrs(lab.Ping(), lab.EchoReply))
	})
	t.Run("packet sockets", func(t *testing.T) {
		c, rows := synScan("10.28.0.0/24")
		c.Packets, c.Link = true, "socket"
		noWay(t, c, rows, "scan0 wants an Ethernet header", "--link raw")
	})
	t.Run("another interface for answers", func(t *testing.T) {
		c, rows := synScan("10.28.0.0/24")
		c.Packets, c.Receive = true, "lo"
		if r := run(t, c); r.Sent != 256 || len(rows.rows) != 0 {
			t.Errorf("%d sent, %d rows; want 256, and none of what arrives elsewhere", r.Sent, len(rows.rows))
		}
	})
}

// TestPacketsWithoutLinkLayer scans over a tun device, where IP packets are all there is: packet sockets do, with a ring or without, and raw sockets.
func TestPacketsWithoutLinkLayer(t *testing.T) {
	tun := startTun(t, 1400, tunWorld())
	for _, c := range []struct{ force, want string }{{"", "socket"}, {"socket", "socket"}, {"raw", "raw"}, {"ring", "ring"}} {
		t.Run("link "+c.force, func(t *testing.T) {
			config, rows := synScan("10.26.0.0/22")
			config.Packets, config.Link, config.Cooldown = true, c.force, tunCooldown
			r := run(t, config)
			checkTunRows(t, tun, r, rows)
			if r.Link != c.want {
				t.Errorf("link %s, want %s", r.Link, c.want)
			}
		})
	}
}

// TestPacketsInDryRun shows frames that have no Ethernet header, also where there is no way to the targets.
func TestPacketsInDryRun(t *testing.T) {
	var out bytes.Buffer
	c := Config{
		Networks: []string{"10.28.0.0/30"}, AllowSpecial: private(), Ports: "80", Outputs: to(&table{}), DryRun: &DryRun{W: &out}, Packets: true,
		Sources: []netip.Addr{netip.MustParseAddr("192.0.2.2")},
	}
	if _, err := Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	if strings.Count(text, "ip { saddr: 192.0.2.2 |") != 4 || strings.Count(text, "tcp {") != 4 || strings.Contains(text, "eth {") {
		t.Errorf("dry run of 4 targets shows\n%s", text)
	}
}

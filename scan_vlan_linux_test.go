package zmap

import (
	"testing"
	"time"

	"github.com/zmap-go/zmap/lab"
	"github.com/zmap-go/zmap/probe"
)

// TestAnswersOutOfVLANs scans hosts whose answers carry VLAN tags, one or two, as where a switch or a mirror port leaves them on.
// The kernel takes off the outer one before any packet socket sees the frame, as hardware does; the inner one stays in it. XDP
// sees both.
func TestAnswersOutOfVLANs(t *testing.T) {
	one, two := [2]uint16{7}, [2]uint16{100, 4094}
	n, _ := startCrowd(t,
		lab.Hosts{Prefix: prefix("10.24.0.0/24"), Kind: lab.Twice, VLANs: one},
		lab.Hosts{Prefix: prefix("10.24.1.0/24"), Kind: lab.Twice, VLANs: two},
		lab.Hosts{Prefix: prefix("10.24.2.0/24"), Kind: lab.Refuse, VLANs: one},
		lab.Hosts{Prefix: prefix("10.24.3.0/24"), Kind: lab.Refuse, VLANs: two},
		lab.Hosts{Prefix: prefix("10.24.4.0/24"), Kind: lab.Late, Delay: 50 * time.Millisecond, VLANs: two},
		lab.Hosts{Prefix: prefix("10.24.5.0/24"), Kind: lab.ICMPError, Type: 3, Code: 1, VLANs: one},
		lab.Hosts{Prefix: prefix("10.24.6.0/24"), Kind: lab.ICMPError, Type: 3, Code: 1, Quote: lab.QuoteMinimum, VLANs: two},
		lab.Hosts{Prefix: prefix("10.24.7.0/25"), Kind: lab.ForgeOnly, Forgery: lab.WrongAck, VLANs: one},
		lab.Hosts{Prefix: prefix("10.24.7.128/25"), Kind: lab.ForgeOnly, Forgery: lab.WrongSource, VLANs: two},
	)
	for _, engine := range []string{"socket", "ring", "xdp"} {
		t.Run(engine, func(t *testing.T) { scanVLANs(t, n, engine) })
	}
}

// scanVLANs scans with one of the link engines.
func scanVLANs(t *testing.T, n *lab.Net, engine string) {
	truth := n.Truth()
	t.Run("SYN", func(t *testing.T) {
		c, rows := synScan("10.24.0.0/21")
		c.Link = engine
		r := run(t, c)
		eachOnce(t, "first successes", rows.count(row.first), truth.Addrs(lab.SYN(80), lab.SYNACK))
		twice := ofKind(truth, truth.Addrs(lab.SYN(80), lab.SYNACK), lab.Twice)
		eachOnce(t, "repeats", rows.count(func(r row) bool { return r.flag("repeat") }), twice)
		eachOnce(t, "refusals", rows.count(func(r row) bool { return r.class() == "rst" }), truth.Addrs(lab.SYN(80), lab.RST))
		eachOnce(t, "errors", rows.count(func(r row) bool { return r.class() == "icmp" }), truth.Addrs(lab.SYN(80), lab.Unreachable))
		for _, row := range rows.rows {
			checkSYNRow(t, n, r, row)
		}
		if r.Lost != 0 || r.Failed < 256 {
			t.Errorf("%d frames lost, %d were no answers; want 0, and the 256 forged ones at least", r.Lost, r.Failed)
		}
	})
	t.Run("ping", func(t *testing.T) {
		c, rows := synScan("10.24.0.0/21")
		c.Ports, c.Link = "", engine
		var err error
		if c.Probe, err = probe.New("icmp_echoscan", probe.Args{}); err != nil {
			t.Fatal(err)
		}
		run(t, c)
		eachOnce(t, "first replies", rows.count(row.first), truth.Addrs(lab.Ping(), lab.EchoReply))
	})
}

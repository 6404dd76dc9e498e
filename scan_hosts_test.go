package zmap

import (
	"bytes"
	"iter"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/zmap-go/zmap/internal/engine"
	"github.com/zmap-go/zmap/lab"
	"github.com/zmap-go/zmap/probe"
	"github.com/zmap-go/zmap/sink"
)

// TestFindsExactlyTheListeners is the scan that most people make: addresses of hosts that listen, one a line.
func TestFindsExactlyTheListeners(t *testing.T) {
	net := startNet(t,
		lab.Hosts{Prefix: prefix("10.1.0.0/20"), Kind: lab.Kernel},
		lab.Hosts{Prefix: prefix("10.1.4.0/23"), Kind: lab.Silent},
		lab.Hosts{Prefix: prefix("10.1.8.0/24"), Kind: lab.Refuse},
	)
	var out bytes.Buffer
	c, _ := synScan("10.1.0.0/20")
	c.Outputs = []Output{{Sink: sink.NewCSV(&out, sink.Options{Fields: "saddr", NoHeader: true}), DefaultMode: true}}
	r := run(t, c)

	found := make(map[netip.Addr]int)
	for line := range strings.Lines(out.String()) {
		a, err := netip.ParseAddr(strings.TrimSuffix(line, "\n"))
		if err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		found[a]++
	}
	eachOnce(t, "listening hosts", found, net.Truth().Addrs(lab.SYN(80), lab.SYNACK))
	got := []uint64{r.Targets, r.Probes, r.Sent, r.SuccessUnique, r.Rows, r.FailureTotal}
	want := []uint64{4096, 4096, 4096, 4096 - 512 - 256, 4096 - 512 - 256, 256}
	if r.Reason != engine.WalkDone || !equal(got, want) {
		t.Errorf("%v; targets, probes, sent, successes, rows, failures: %d, want walk done and %d", r.Reason, got, want)
	}
	if n := tally(t, net).SYNs; n != 4096 {
		t.Errorf("%d SYNs arrived at the hosts, want 4096", n)
	}
}

// kindsNetwork has hosts of all kinds but those that need more than one probe.
const kindsNetwork = "10.2.0.0/21"

func kinds() []lab.Hosts {
	return []lab.Hosts{
		{Prefix: prefix("10.2.0.0/24"), Kind: lab.Kernel},
		{Prefix: prefix("10.2.1.0/24"), Kind: lab.Refuse},
		{Prefix: prefix("10.2.2.0/24"), Kind: lab.Late, Delay: 500 * time.Millisecond},
		{Prefix: prefix("10.2.3.0/25"), Kind: lab.Twice},
		{Prefix: prefix("10.2.3.128/25"), Kind: lab.Twice, Delay: 100 * time.Millisecond},
		{Prefix: prefix("10.2.4.0/24"), Kind: lab.ICMPError, Type: 3, Code: 1},
		{
			Prefix: prefix("10.2.5.0/24"), Kind: lab.ICMPError, Type: 11, Quote: lab.QuoteMinimum,
			Router: netip.MustParseAddr("192.0.2.77"),
		},
		{Prefix: prefix("10.2.6.0/26"), Kind: lab.ForgeOnly, Forgery: lab.WrongAck},
		{Prefix: prefix("10.2.6.64/26"), Kind: lab.ForgeOnly, Forgery: lab.WrongSource},
		{Prefix: prefix("10.2.6.128/26"), Kind: lab.ForgeOnly, Forgery: lab.WrongPort},
		{Prefix: prefix("10.2.7.0/25"), Kind: lab.Echo},
	}
}

// TestEveryKindOfHost asks a world of all kinds with full rows, in default mode, and by ping.
func TestEveryKindOfHost(t *testing.T) {
	net := startNet(t, kinds()...)
	truth := net.Truth()
	listening := func() iter.Seq[netip.Addr] { return truth.Addrs(lab.SYN(80), lab.SYNACK) }

	t.Run("all rows", func(t *testing.T) {
		c, rows := synScan(kindsNetwork)
		c.Cooldown = time.Second
		r := run(t, c)
		eachOnce(t, "first successes", rows.count(row.first), listening())
		eachOnce(t, "repeats", rows.count(func(r row) bool { return r.flag("repeat") }), ofKind(truth, listening(), lab.Twice))
		eachOnce(t, "refusals", rows.count(func(r row) bool { return r.class() == "rst" }), truth.Addrs(lab.SYN(80), lab.RST))
		eachOnce(t, "errors", rows.count(func(r row) bool { return r.class() == "icmp" }), truth.Addrs(lab.SYN(80), lab.Unreachable))
		if want := 3*256 + 256 + 256 + 512; len(rows.rows) != want {
			t.Errorf("%d rows, want %d", len(rows.rows), want)
		}
		for _, row := range rows.rows {
			checkSYNRow(t, net, r, row)
		}
		checkCooldown(t, r, rows)
		if forged := uint64(3 * 64); r.Failed < forged {
			t.Errorf("%d frames were no answers, want the %d forged ones at least", r.Failed, forged)
		}
	})
	t.Run("default mode", func(t *testing.T) {
		c, rows := synScan(kindsNetwork)
		c.Cooldown, c.Outputs[0].DefaultMode = time.Second, true
		r := run(t, c)
		eachOnce(t, "rows", rows.count(func(row) bool { return true }), listening())
		if r.SuccessTotal != 4*256 || r.SuccessUnique != 3*256 || r.FailureTotal != 256+512 {
			t.Errorf("%d successes, %d of them first ones, %d failures; want 1024, 768, 768",
				r.SuccessTotal, r.SuccessUnique, r.FailureTotal)
		}
	})
	t.Run("ping", func(t *testing.T) { pingEveryKind(t, net) })
}

func pingEveryKind(t *testing.T, net *lab.Net) {
	c, rows := synScan(kindsNetwork)
	c.Ports, c.Cooldown = "", time.Second
	var err error
	if c.Probe, err = probe.New("icmp_echoscan", probe.Args{}); err != nil {
		t.Fatal(err)
	}
	r := run(t, c)
	truth := net.Truth()
	eachOnce(t, "first replies", rows.count(row.first), truth.Addrs(lab.Ping(), lab.EchoReply))
	twice := ofKind(truth, truth.Addrs(lab.Ping(), lab.EchoReply), lab.Twice)
	eachOnce(t, "repeats", rows.count(func(r row) bool { return r.flag("repeat") }), twice)
	routers := rows.count(func(r row) bool { return !r.flag("success") })
	if gateway := net.Link().Gateway; len(routers) != 2 || routers[gateway] != 256 || routers[netip.MustParseAddr("192.0.2.77")] != 256 {
		t.Errorf("errors by responder: %v, want 256 from %v and from 192.0.2.77", routers, gateway)
	}
	for _, row := range rows.rows {
		want := map[uint64]string{0: "echoreply", 3: "unreach", 11: "timxceed"}[row.num("type")]
		if row.class() != want || row.flag("success") != (want == "echoreply") {
			t.Fatalf("ICMP type %d is classified %q, success %v", row.num("type"), row.class(), row.flag("success"))
		}
	}
	if r.Failed < 3*64 {
		t.Errorf("%d frames were no answers, want the 192 forged ones at least", r.Failed)
	}
}

// TestAnswersCountUntilTheEndOfTheCooldown scans hosts that answer three seconds late.
func TestAnswersCountUntilTheEndOfTheCooldown(t *testing.T) {
	net := startNet(t,
		lab.Hosts{Prefix: prefix("10.4.0.0/24"), Kind: lab.Late, Delay: 3 * time.Second},
		lab.Hosts{Prefix: prefix("10.4.1.0/24"), Kind: lab.Kernel},
	)
	truth := net.Truth()
	for _, c := range []struct {
		cooldown time.Duration
		want     iter.Seq[netip.Addr]
	}{
		{4 * time.Second, truth.Addrs(lab.SYN(80), lab.SYNACK)},
		{time.Second, ofKind(truth, truth.Addrs(lab.SYN(80), lab.SYNACK), lab.Kernel)},
	} {
		t.Run(c.cooldown.String(), func(t *testing.T) {
			config, rows := synScan("10.4.0.0/23")
			config.Cooldown = c.cooldown
			r := run(t, config)
			eachOnce(t, "listening hosts", rows.count(row.first), c.want)
			if d := r.RecvEnd.Sub(r.SendEnd); d < c.cooldown {
				t.Errorf("listened for %v after the last probe, want %v at least", d, c.cooldown)
			}
			checkCooldown(t, r, rows)
		})
	}
}

package zmap

import (
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/zmap-go/zmap/internal/engine"
	"github.com/zmap-go/zmap/lab"
	"github.com/zmap-go/zmap/probe"
	"github.com/zmap-go/zmap/validate"
)

// moduleScan is a scan of the networks with another probe module, and the sink that its rows go to.
func moduleScan(t *testing.T, module string, networks ...string) (Config, *table) {
	t.Helper()
	c, rows := synScan(networks...)
	var err error
	if c.Probe, err = probe.New(module, probe.Args{}); err != nil {
		t.Fatal(err)
	}
	if !c.Probe.Describe().Ports {
		c.Ports = ""
	}
	return c, rows
}

// TestEchoTime measures round trips to real kernels, to hosts that take their time, and to routers that quote the request or
// the beginning of it.
func TestEchoTime(t *testing.T) {
	const delay = 300 * time.Millisecond
	world := startNet(t,
		lab.Hosts{Prefix: prefix("10.20.0.0/23"), Kind: lab.Kernel},
		lab.Hosts{Prefix: prefix("10.20.2.0/25"), Kind: lab.Late, Delay: delay},
		lab.Hosts{Prefix: prefix("10.20.2.128/26"), Kind: lab.ICMPError, Type: 3, Code: 1},
		lab.Hosts{Prefix: prefix("10.20.2.192/27"), Kind: lab.ICMPError, Type: 11, Quote: lab.QuoteMinimum},
		lab.Hosts{Prefix: prefix("10.20.2.224/28"), Kind: lab.ForgeOnly, Forgery: lab.WrongAck},
		lab.Hosts{Prefix: prefix("10.20.2.240/28"), Kind: lab.ForgeOnly, Forgery: lab.WrongPort},
	)
	c, rows := moduleScan(t, "icmp_echo_time", "10.20.0.0/22")
	c.Rate, c.Cooldown = 1000, time.Second
	r := run(t, c)
	eachOnce(t, "hosts that answer", rows.count(row.first), world.Truth().Addrs(lab.Ping(), lab.EchoReply))
	if want := 512 + 128 + 64 + 32; len(rows.rows) != want || r.Failed < 32 {
		t.Errorf("%d rows and %d frames that are no answers; want %d and the 32 forged ones", len(rows.rows), r.Failed, want)
	}
	targets := make(map[uint64]lab.Hosts)
	for a := range addrsOf(prefix("10.20.0.0/22")) {
		targets[rawAddr(a)], _ = world.Truth().Hosts(a)
	}
	var kernels []uint64
	for _, row := range rows.rows {
		host, rtt := targets[row.num("dst_raw")], row.num("rtt_us")
		checkTimes(t, r, row)
		class := map[lab.Kind]string{lab.Kernel: "echoreply", lab.Late: "echoreply", lab.ICMPError: "unreach"}[host.Kind]
		if host.Type == 11 {
			class = "timxceed"
		}
		if row.class() != class || row.flag("success") != (class == "echoreply") {
			t.Fatalf("a %v host: classified %q, success %v", host.Kind, row.class(), row.flag("success"))
		}
		switch none := row.get("rtt_us").IsNull(); {
		case none != (host.Quote == lab.QuoteMinimum):
			t.Fatalf("a %v host: round trip is null: %v", host.Kind, none)
		case host.Kind == lab.Late && rtt < uint64(delay.Microseconds()), rtt > 1_500_000:
			t.Fatalf("a %v host: round trip of %d µs", host.Kind, rtt)
		case host.Kind == lab.Kernel:
			kernels = append(kernels, rtt)
		}
	}
	slices.Sort(kernels)
	median, most := kernels[len(kernels)/2], kernels[len(kernels)-1]
	t.Logf("round trips to kernels: median %d µs, most %d µs", median, most)
	if most > 1_000_000 {
		t.Errorf("a round trip of %d µs to a kernel next door", most)
	}
}

// checkTimes compares the times of a row with each other and with the report.
func checkTimes(t *testing.T, report *Report, r row) {
	t.Helper()
	if r.num("recv_timestamp_ts") != r.num("timestamp_ts") || r.num("recv_timestamp_us") != r.num("timestamp_us") {
		t.Fatalf("received at %d.%06d, but the row is of %d.%06d",
			r.num("recv_timestamp_ts"), r.num("recv_timestamp_us"), r.num("timestamp_ts"), r.num("timestamp_us"))
	}
	if r.get("rtt_us").IsNull() {
		if !r.get("sent_timestamp_ts").IsNull() {
			t.Fatalf("sent at %d, but no round trip", r.num("sent_timestamp_ts"))
		}
		return
	}
	sent := time.Unix(int64(r.num("sent_timestamp_ts")), 1e3*int64(r.num("sent_timestamp_us")))
	recv := time.Unix(int64(r.num("recv_timestamp_ts")), 1e3*int64(r.num("recv_timestamp_us")))
	if rtt := recv.Sub(sent).Microseconds(); rtt < 0 || uint64(rtt) != r.num("rtt_us") {
		t.Fatalf("sent at %v, received at %v, round trip of %d µs", sent, recv, r.num("rtt_us"))
	}
	if sent.Before(report.SendStart.Truncate(time.Microsecond)) || sent.After(report.SendEnd) {
		t.Fatalf("sent at %v, want between %v and %v", sent, report.SendStart, report.SendEnd)
	}
}

// TestSYNACKScan sends stray SYN-ACKs to real kernels, on an open port and on a closed one, and to hosts that are none.
func TestSYNACKScan(t *testing.T) {
	startNet(t,
		lab.Hosts{Prefix: prefix("10.21.0.0/23"), Kind: lab.Kernel},
		lab.Hosts{Prefix: prefix("10.21.2.0/25"), Kind: lab.ICMPError, Type: 3, Code: 1},
		lab.Hosts{Prefix: prefix("10.21.2.128/25"), Kind: lab.ICMPError, Type: 11, Quote: lab.QuoteMinimum},
		lab.Hosts{Prefix: prefix("10.21.3.0/26"), Kind: lab.ForgeOnly, Forgery: lab.WrongAck},
		lab.Hosts{Prefix: prefix("10.21.3.64/26"), Kind: lab.ForgeOnly, Forgery: lab.WrongPort},
	)
	for _, port := range []string{"80", "81"} { // open, closed
		c, rows := moduleScan(t, "tcp_synackscan", "10.21.0.0/22")
		c.Ports, c.Tries = port, 2
		r := run(t, c)
		eachOnce(t, "refusals", rows.count(row.first), addrsOf(prefix("10.21.0.0/23")))
		refused := func(r row) bool { return r.class() == "rst" && r.flag("success") && r.flag("repeat") }
		eachOnce(t, "second refusals", rows.count(refused), addrsOf(prefix("10.21.0.0/23")))
		errors := rows.count(func(r row) bool { return r.class() == "icmp" && !r.flag("success") })
		for a := range errors {
			errors[a]-- // of two
		}
		eachOnce(t, "second errors", errors, addrsOf(prefix("10.21.2.0/24")))
		if len(rows.rows) != 2*(512+256) || r.SuccessTotal != 2*512 || r.Failed < 2*128 {
			t.Errorf("port %s: %d rows, %d successes, %d frames that are no answers; want 1536, 1024 and the 256 forged ones",
				port, len(rows.rows), r.SuccessTotal, r.Failed)
		}
	}
}

// TestIPIP sends packets in packets to kernels that are no tunnel's end and say so, and to two that play one.
func TestIPIP(t *testing.T) {
	world := startNet(t, lab.Hosts{Prefix: prefix("10.22.0.0/26"), Kind: lab.Kernel})
	c, rows := moduleScan(t, "ipip", "10.22.0.0/26")
	c.SourcePorts = validate.Ports{First: 40_000, Last: 40_000} // so that the hosts below know the port
	c.Hooks.Start = func(*Plan, *Control) {
		for _, host := range []struct {
			from string
			to   uint16
		}{{"10.22.0.5:40000", 80}, {"10.22.0.6:40000", 80}, {"10.22.0.7:40001", 80}, {"10.22.0.8:40000", 81}} {
			sendDatagram(t, world, host.from, netip.AddrPortFrom(world.Link().Scanner, host.to))
		}
	}
	r := run(t, c)
	forwarded := func(yield func(netip.Addr) bool) {
		_ = yield(netip.MustParseAddr("10.22.0.5")) && yield(netip.MustParseAddr("10.22.0.6"))
	}
	eachOnce(t, "forwarded datagrams", rows.count(row.first), forwarded)
	unreachable := func(r row) bool { return r.class() == "icmp-unreach" && !r.flag("success") }
	eachOnce(t, "errors", rows.count(unreachable), addrsOf(prefix("10.22.0.0/26")))
	for _, row := range rows.rows {
		if !row.flag("success") {
			continue
		}
		if row.class() != "udp" || row.num("sport") != 40_000 || row.num("dport") != 80 || row.num("udp_pkt_size") != 15 ||
			string(row.get("data").Bytes()) != "payload" {
			t.Errorf("%v: %q from %d to %d, %d bytes: %q", row.addr("saddr"), row.class(), row.num("sport"), row.num("dport"),
				row.num("udp_pkt_size"), row.get("data").Bytes())
		}
	}
	if len(rows.rows) != 66 || r.Reason != engine.WalkDone {
		t.Errorf("%d rows, %v; want 66, walk done", len(rows.rows), r.Reason)
	}
}

// sendDatagram sends a datagram from an address and port of a Kernel host.
func sendDatagram(t *testing.T, world *lab.Net, from string, to netip.AddrPort) {
	t.Helper()
	conn, err := world.ListenPacket(t.Context(), from)
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	if _, err := conn.WriteTo([]byte("payload"), net.UDPAddrFromAddrPort(to)); err != nil {
		t.Errorf("send from %s to %v: %v", from, to, err)
	}
}

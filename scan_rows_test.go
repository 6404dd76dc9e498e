package zmap

import (
	"encoding/binary"
	"iter"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/zmap-go/zmap/lab"
)

// ofKind yields those of the addresses whose host is of a kind.
func ofKind(truth *lab.Truth, addrs iter.Seq[netip.Addr], k lab.Kind) iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		for a := range addrs {
			if h, _ := truth.Hosts(a); h.Kind == k && !yield(a) {
				return
			}
		}
	}
}

func equal[E comparable](a, b []E) bool { return slices.Equal(a, b) }

// tally returns the Internet's counts of what has arrived, when the link has been quiet for a moment.
func tally(t *testing.T, net *lab.Net) lab.Tally {
	t.Helper()
	st, err := net.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return st.Tally
}

// rawAddr is an address as C ZMap writes it into the raw fields: network order, read on a little-endian machine.
func rawAddr(a netip.Addr) uint64 {
	b := a.As4()
	return uint64(binary.LittleEndian.Uint32(b[:]))
}

// checkSYNRow compares every field of a tcp_synscan row that the world decides about with what the world says.
func checkSYNRow(t *testing.T, net *lab.Net, report *Report, r row) {
	t.Helper()
	target := r.addr("saddr")
	host, _ := net.Truth().Hosts(target)
	at := time.Unix(int64(r.num("timestamp_ts")), 1e3*int64(r.num("timestamp_us")))
	const slack = time.Second // between the moments that kernel and program take
	switch {
	case r.num("saddr_raw") != rawAddr(target):
		t.Errorf("%v: saddr_raw is %d, want %d", target, r.num("saddr_raw"), rawAddr(target))
	case r.addr("daddr") != net.Link().Scanner || r.num("daddr_raw") != rawAddr(net.Link().Scanner):
		t.Errorf("%v: answer to %v (%d), want %v", target, r.addr("daddr"), r.num("daddr_raw"), net.Link().Scanner)
	case !at.Equal(r.get("timestamp_str").Time().Truncate(time.Microsecond)):
		t.Errorf("%v: timestamps differ: %v and %v", target, at, r.get("timestamp_str").Time())
	case at.Before(report.SendStart.Add(host.Delay-slack)) || at.After(report.RecvEnd.Add(slack)):
		t.Errorf("%v: answered at %v, want between %v and %v", target, at, report.SendStart.Add(host.Delay), report.RecvEnd)
	}
	if r.class() == "icmp" {
		checkICMPRow(t, net, host, r)
		return
	}
	ports := report.SourcePorts
	if dport := uint16(r.num("dport")); r.num("sport") != 80 || dport < ports.First || dport > ports.Last {
		t.Errorf("%v: answer from port %d to %d, want from 80 to %d-%d", target, r.num("sport"), dport, ports.First, ports.Last)
	}
	if open := host.Kind != lab.Refuse; r.flag("success") != open || (r.class() == "synack") != open || !r.get("icmp_responder").IsNull() {
		t.Errorf("%v, a %v host: success %v, classification %q, responder %v",
			target, host.Kind, r.flag("success"), r.class(), r.addr("icmp_responder"))
	}
}

// checkICMPRow looks at the row of an ICMP error about a SYN.
func checkICMPRow(t *testing.T, net *lab.Net, host lab.Hosts, r row) {
	t.Helper()
	router, text := net.Link().Gateway, "host unreachable"
	if host.Type == 11 {
		router, text = host.Router, "time to live exceeded"
	}
	if r.addr("icmp_responder") != router || r.get("icmp_unreach_str").Text() != text || r.flag("success") ||
		r.num("icmp_type") != uint64(host.Type) || r.num("icmp_code") != uint64(host.Code) {
		t.Errorf("%v: error %d.%d %q from %v, success %v; want %d.%d %q from %v", r.addr("saddr"), r.num("icmp_type"),
			r.num("icmp_code"), r.get("icmp_unreach_str").Text(), r.addr("icmp_responder"), r.flag("success"),
			host.Type, host.Code, text, router)
	}
	if !r.get("sport").IsNull() || !r.get("seqnum").IsNull() {
		t.Errorf("%v: the row of an error has TCP fields", r.addr("saddr"))
	}
}

// checkCooldown compares the rows marked as of the cooldown with the report and the clock.
func checkCooldown(t *testing.T, report *Report, rows *table) {
	t.Helper()
	var all, first uint64
	for _, r := range rows.rows {
		// A frame waits up to 5 ms in the ring and then for the receiver.
		after := r.get("timestamp_str").Time().Sub(report.SendEnd)
		if marked := r.flag("cooldown"); after > 100*time.Millisecond && !marked {
			t.Errorf("%v answered %v after the end of sending: cooldown is %v", r.addr("saddr"), after, marked)
		}
		if r.flag("cooldown") && r.flag("success") {
			all++
			if !r.flag("repeat") {
				first++
			}
		}
	}
	if all != report.CooldownTotal || first != report.CooldownUnique || all == 0 {
		t.Errorf("%d successes in the cooldown, %d of them first ones; the report says %d and %d, and there must be some",
			all, first, report.CooldownTotal, report.CooldownUnique)
	}
}

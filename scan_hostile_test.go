package zmap

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/zmap-go/zmap/lab"
	"github.com/zmap-go/zmap/probe"
	"github.com/zmap-go/zmap/record"
)

// TestHostileNameServers asks name servers behind a kernel, which cuts large answers into fragments, that answer with more
// records than there are, with names that never end, in pieces, twice, or with the number of another query.
// (Frames that no kernel would send are those of TestHostileHosts in internal/engine.)
func TestHostileNameServers(t *testing.T) {
	const network = "10.24.0.0/28"
	answer := func(query []byte, answers int, rest ...byte) []byte {
		b := append(bytes.Clone(query), rest...)
		b[2], b[3] = 0x84, 0
		binary.BigEndian.PutUint16(b[6:], uint16(answers))
		return b
	}
	address := []byte{0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1}
	loop := []byte{0xc0, 29, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1} // its name is where it begins itself
	type want struct{ rows, success, answers, broken uint64 }
	servers := []struct {
		name    string
		replies func(query []byte) [][]byte
		want    want
	}{
		{"plain", func(q []byte) [][]byte { return [][]byte{answer(q, 1, address...)} }, want{1, 1, 1, 0}},
		{"200 answers", func(q []byte) [][]byte { return [][]byte{answer(q, 200, bytes.Repeat(address, 200)...)} }, want{1, 1, 90, 1}},
		{"200 answers in one frame", func(q []byte) [][]byte {
			return [][]byte{answer(q, 200, bytes.Repeat([]byte{0, 0, 16, 0, 1, 0, 0, 0, 0, 0, 0}, 130)...)}
		}, want{1, 1, 130, 1}},
		{"a loop", func(q []byte) [][]byte { return [][]byte{answer(q, 1, loop...)} }, want{1, 1, 0, 1}},
		{"none of 65535", func(q []byte) [][]byte { return [][]byte{answer(q, 65535)} }, want{1, 1, 0, 1}},
		{"65507 bytes", func(q []byte) [][]byte { return [][]byte{answer(q, 9, make([]byte, 65507-29)...)} }, want{1, 1, 9, 1}},
		{"twice", func(q []byte) [][]byte { return [][]byte{answer(q, 1, address...), answer(q, 1, address...)} }, want{2, 1, 1, 0}},
		{"another number", func(q []byte) [][]byte { return [][]byte{append([]byte{q[0] ^ 1}, answer(q, 1, address...)[1:]...)} }, want{1, 0, 0, 1}},
		{"cut", func(q []byte) [][]byte { return [][]byte{q[:12], nil} }, want{0, 0, 0, 0}},
		{"the question twice", func(q []byte) [][]byte {
			b := answer(q, 0, q[12:]...)
			b[5] = 2
			return [][]byte{b}
		}, want{1, 1, 0, 0}},
	}
	world := startNet(t, lab.Hosts{Prefix: prefix(network), Kind: lab.Kernel})
	for i, s := range servers {
		serveDNS(t, world, netip.AddrFrom4([4]byte{10, 24, 0, byte(i)}), s.replies)
	}
	c, rows := moduleScan(t, "ntp", network)
	var err error
	if c.Probe, err = probe.New("dns", probe.Args{Text: "A,example.com"}); err != nil {
		t.Fatal(err)
	}
	c.Ports, c.Rate = "53", 1000
	r := run(t, c)
	if r.Fragments == 0 {
		t.Error("no fragment came: the kernel was to cut 65,507 bytes")
	}
	for i, s := range servers {
		a := netip.AddrFrom4([4]byte{10, 24, 0, byte(i)})
		var got want
		for _, row := range rows.rows {
			if row.addr("saddr") != a || row.class() != "dns" {
				continue
			}
			got.rows++
			if row.first() {
				got.success++
			}
			got.answers, got.broken = uint64(len(row.get("dns_answers").List())), row.num("dns_parse_err")
			if raw := row.get("raw_data"); raw.Kind() != record.KindBytes {
				t.Errorf("%s: no raw data", s.name)
			}
		}
		if got != s.want {
			t.Errorf("%s: rows, first successes, answers, broken: got %v, want %v", s.name, got, s.want)
		}
	}
	refused := func(row row) bool { return row.class() == "icmp" && !row.flag("success") }
	eachOnce(t, "hosts without a server", rows.count(refused), slices.Values([]netip.Addr{
		mustAddr("10.24.0.10"), mustAddr("10.24.0.11"), mustAddr("10.24.0.12"), mustAddr("10.24.0.13"), mustAddr("10.24.0.14"), mustAddr("10.24.0.15"),
	}))
}

func mustAddr(s string) netip.Addr { return netip.MustParseAddr(s) }

// serveDNS answers each datagram to port 53 of a Kernel host with what replies returns, until the test ends.
func serveDNS(t *testing.T, world *lab.Net, host netip.Addr, replies func(query []byte) [][]byte) {
	t.Helper()
	conn, err := world.ListenPacket(t.Context(), fmt.Sprintf("%v:53", host))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		b := make([]byte, 2048)
		for {
			n, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			for _, reply := range replies(b[:n:n]) {
				if _, err := conn.WriteTo(reply, from); err != nil && t.Context().Err() == nil {
					t.Errorf("answer of %d bytes from %v: %v", len(reply), host, err)
				}
			}
		}
	}()
}

package main

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zmap-go/zmap"
	"github.com/zmap-go/zmap/citizen"
	"github.com/zmap-go/zmap/lab"
)

func TestMain(m *testing.M) { lab.Main(m) }

// respond returns a response to a Binding Request from that address.
func respond(req []byte, kind uint16, from netip.AddrPort) []byte {
	b := slices.Clone(req)
	binary.BigEndian.PutUint16(b, kind)
	if kind != success {
		return b
	}
	binary.BigEndian.PutUint16(b[2:], 20)
	b = append(b, 0x80, 0x22, 0, 3, 'l', 'a', 'b', 0) // SOFTWARE, with a byte of padding
	b = append(b, 0, xorMapped, 0, 8, 0, 1)
	b = binary.BigEndian.AppendUint16(b, from.Port()^cookie>>16)
	a := from.Addr().Unmap().As4()
	return binary.BigEndian.AppendUint32(b, binary.BigEndian.Uint32(a[:])^cookie)
}

// serve answers requests, as the function says, until the test ends.
func serve(t *testing.T, n *lab.Net, addr string, answer func(req []byte, from netip.AddrPort) []byte) {
	t.Helper()
	c, err := n.ListenPacket(t.Context(), net.JoinHostPort(addr, "3478"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	go func() {
		b := make([]byte, 1500)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			if n == headerLen {
				c.WriteTo(answer(b[:n], from.(*net.UDPAddr).AddrPort()), from)
			}
		}
	}()
}

// TestScan asks servers that answer, one that refuses, one that gets the transaction wrong, hosts that send everything back, and a
// kernel without a server: nothing but STUN is taken for it.
func TestScan(t *testing.T) {
	n, err := lab.New(t.Context(), lab.World{Hosts: []lab.Hosts{
		{Prefix: netip.MustParsePrefix("10.40.0.0/29"), Kind: lab.Kernel},
		{Prefix: netip.MustParsePrefix("10.40.0.16/29"), Kind: lab.Echo},
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	for _, addr := range []string{"10.40.0.1", "10.40.0.2"} {
		serve(t, n, addr, func(req []byte, from netip.AddrPort) []byte { return respond(req, success, from) })
	}
	serve(t, n, "10.40.0.3", func(req []byte, from netip.AddrPort) []byte { return respond(req, failure, from) })
	serve(t, n, "10.40.0.4", func(req []byte, from netip.AddrPort) []byte {
		b := respond(req, success, from)
		b[headerLen-1] ^= 1
		return b
	})
	serve(t, n, "10.40.0.5", func([]byte, netip.AddrPort) []byte { return []byte("what?") })

	var out bytes.Buffer
	c := config([]string{"10.40.0.0/27"}, &out)
	c.AllowSpecial = []citizen.Class{citizen.Private}
	c.Cooldown = 400 * time.Millisecond
	report, err := zmap.Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Split(strings.TrimSpace(out.String()), "\n")
	slices.Sort(got)
	us := n.Link().Scanner.String()
	want := []string{
		"10.40.0.0,icmp,0,,port unreachable",
		"10.40.0.1,stun,1," + us + ",",
		"10.40.0.2,stun,1," + us + ",",
		"10.40.0.3,stun-error,1,,",
		"10.40.0.6,icmp,0,,port unreachable",
		"10.40.0.7,icmp,0,,port unreachable",
		"saddr,classification,success,mapped_addr,icmp_unreach_str",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if report.Sent != 32 || report.Failed != 10 { // 8 sent back, and two that were not STUN
		t.Errorf("sent %d, no answers %d, want 32 and 10", report.Sent, report.Failed)
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{nil, {"10.40.0.0/33"}} {
		if err := run(t.Context(), args, io.Discard); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}

//go:build amd64 || arm64

package xdp

import (
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/zmap-go/zmap/link"
)

const someSockets = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 00000000000000000000000000000000:FFFF 0200007F:0050 02 00000000:00000001 01:00000064 00000000     0        0 2
`

func TestParseSockets(t *testing.T) {
	var got []uint16
	must(t, parseSockets(strings.NewReader(someSockets), func(p uint16) { got = append(got, p) }))
	if want := []uint16{0x1f90, 0xffff}; !slices.Equal(got, want) {
		t.Errorf("ports %v, want %v", got, want)
	}
	for text, want := range map[string]string{
		"heading\n  0: 0100007F\n":                   `line 2: "  0: 0100007F" has no local address`,
		"heading\n\n  0: 0100007F:XY 0:0 0A\n":       `line 3: "0100007F:XY" is no address and port`,
		"heading\n  0: 0100007F 00000000:0000 0A\n":  `line 2: "0100007F" is no address and port`,
		"heading\n  0: 0100007F:10000 00000000 0A\n": `line 2: "0100007F:10000" is no address and port`,
	} {
		if err := parseSockets(strings.NewReader(text), func(uint16) {}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: error %v, want %s", text, err, want)
		}
	}
}

// FuzzParseSockets adds a line to whatever was understood: its port must be the one that comes last.
func FuzzParseSockets(f *testing.F) {
	f.Add(someSockets)
	f.Add("")
	f.Add("\n\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		n := 0
		if parseSockets(strings.NewReader(text), func(uint16) { n++ }) != nil {
			return
		}
		var last uint16
		err := parseSockets(strings.NewReader(text+"\n x 0:0\n y 0:1A2B 0:0\n"), func(p uint16) { n, last = n-1, p })
		if err == nil && (last != 0x1a2b || n >= 0) {
			t.Errorf("%q: the port of a line behind it is %#x", text, last)
		}
	})
}

// TestWatch compares what the program notes with what the kernel says.
func TestWatch(t *testing.T) {
	needBPF(t)
	server, err := net.Listen("tcp4", "127.0.0.1:0")
	must(t, err)
	defer server.Close()
	ports := make(map[uint16]bool)
	dial := func() {
		for range 20 {
			c, err := net.Dial("tcp4", server.Addr().String())
			must(t, err)
			t.Cleanup(func() { _ = c.Close() })
			ports[netip.MustParseAddrPort(c.LocalAddr().String()).Port()] = true
		}
	}
	dial()
	w, err := watchFor(&link.Filter{Ports: []link.PortRange{{First: 1, Last: 2, RST: link.RSTReset}}})
	must(t, err)
	if w == nil {
		t.Fatal("this kernel cannot watch connections begin")
	}
	defer func() { must(t, w.close()) }()
	dial()
	area, err := share(w.maps.Maps[mapUsedPorts])
	must(t, err)
	defer func() { must(t, area.close()) }()
	for _, p := range slices.Sorted(maps.Keys(ports)) {
		if *word(area.entry(int(p / 64)))>>(p%64)&1 == 0 {
			t.Errorf("port %d is not noted", p)
		}
	}
	f, err := os.Open("/proc/thread-self/net/tcp")
	must(t, err)
	defer f.Close()
	known := 0
	must(t, parseSockets(f, func(p uint16) {
		if ports[p] {
			known++
		}
	}))
	if known < len(ports) {
		t.Errorf("the kernel knows %d of %d sockets: the test reads another namespace's", known, len(ports))
	}
}

func TestNoWatchWithoutNeed(t *testing.T) {
	if w, err := watchFor(&link.Filter{Ports: []link.PortRange{{First: 1, Last: 2}}}); err != nil || w != nil {
		t.Errorf("a watch for a filter that passes everything: %v, error %v", w, err)
	}
}

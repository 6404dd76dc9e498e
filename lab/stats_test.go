package lab

import (
	"maps"
	"testing"
)

func TestParseCounters(t *testing.T) {
	got := make(map[string]int64)
	err := parseCounters("Tcp: RtoMin MaxConn\nTcp: 200 -1\nUdp: InErrors\nUdp: 18446744\n", got)
	want := map[string]int64{"Tcp.RtoMin": 200, "Tcp.MaxConn": -1, "Udp.InErrors": 18446744}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	for _, bad := range []string{"Tcp: A\n", "Tcp: A\nTcp: 1 2\n", "Tcp: A\nUdp: 1\n", "Tcp: A\nTcp: x\n", "\n\n\n1"} {
		if err := parseCounters(bad, got); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func FuzzParseCounters(f *testing.F) {
	f.Add("Tcp: RtoMin MaxConn\nTcp: 200 -1\n")
	f.Fuzz(func(_ *testing.T, text string) {
		parseCounters(text, make(map[string]int64))
	})
}

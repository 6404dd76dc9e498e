package main

import (
	"bytes"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestRate(t *testing.T) {
	at := func(ms int, n uint64) reading {
		return reading{time.Unix(0, 0).Add(time.Duration(ms) * time.Millisecond), n}
	}
	for _, c := range []struct {
		name       string
		all        []reading
		start, end uint64
		want       float64
	}{
		// Of a start, a steady second, and a cooldown only the second counts.
		{"steady", []reading{at(0, 50), at(500, 53), at(520, 1053), at(1020, 26_053), at(1520, 51_053), at(1540, 51_500), at(3000, 51_500)}, 50, 51_500, 50_000},
		{"over between two readings", []reading{at(0, 0), at(20, 1000), at(40, 1000)}, 0, 1000, 50_000},
		{"over before the first reading", nil, 0, 1000, 50_000},
	} {
		if got := rate(c.all, c.start, c.end); math.Abs(got-c.want) > 1 {
			t.Errorf("%s: rate %.0f, want %.0f", c.name, got, c.want)
		}
	}
}

// TestReadHits reads the formats of all programs: zmap's, masscan's and nmap's.
func TestReadHits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hits")
	text := "saddr\n10.0.0.1\n10.0.0.2,80\n#masscan\nopen tcp 80 10.255.0.3 1700000000\n# 10.0.0.9\n" +
		"Host: 10.0.0.4 ()\tPorts: 80/open/tcp//http///\n\n10.0.0.1\n10.0.0.77\n192.0.2.1\n1.2.3.4.5\n10.0.0.300\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	h, err := readHits(path, func(a netip.Addr) bool { return a != netip.MustParseAddr("10.0.0.77") })
	if err != nil {
		t.Fatal(err)
	}
	if h.found != 4 || h.twice != 1 || h.nobody != 2 {
		t.Errorf("%d found, %d twice, %d nobody: want 4, 1, 2", h.found, h.twice, h.nobody)
	}
}

// TestFound compares a program that loses nothing with one that loses most: as fast in probes, it is better in hosts found.
func TestFound(t *testing.T) {
	run := func(rate float64, found int) []figure {
		return []figure{{probes: 1000, answered: 500, rate: rate, hits: &hits{found: found}}}
	}
	c := &comparison{
		setting: setting{"0,1", 0.5}, list: []contender{{name: ourName("xdp")}, {name: baseline}},
		figures: [][]figure{run(3e6, 500), run(1e6, 200)},
	}
	if got := c.ratio(ourName("xdp"), foundOf); math.Abs(got-7.5) > 1e-9 {
		t.Errorf("ratio in hosts found %v, want 7.5", got)
	}
	want := "For information, 2 cores, 50 % answering, hosts found in a second of sending, to C zmap's: this zmap, xdp 7.50 x, in probes 3 x."
	if got := foundText(c); got != want {
		t.Errorf("remark %q, want %q", got, want)
	}
	if row := strings.Join(c.table().rows[0], "|"); !strings.HasSuffix(row, "|1500000|0|1500000|7.50") {
		t.Errorf("row %s: want 1500000 answers, none lost, 1500000 found, 7.50 times C zmap's", row)
	}
	c.figures[1] = run(1e6, 0)
	if got := c.ratio(ourName("xdp"), foundOf); !math.IsNaN(got) || foundText(c) != "" {
		t.Errorf("ratio to nothing %v, remark %q: want neither", got, foundText(c))
	}
	var s session
	for _, text := range []string{"", "a", "b", "a"} {
		s.remark(text)
	}
	if len(s.remarks) != 2 {
		t.Errorf("remarks %q, want a and b", s.remarks)
	}
}

func TestVerdicts(t *testing.T) {
	for _, c := range []struct {
		b    bar
		want string
	}{
		{bar{got: 11, want: 11, atLeast: true}, "met"},
		{bar{got: 10.9, want: 11, atLeast: true}, "missed"},
		{bar{got: 0.5, want: 0.5}, "met"},
		{bar{got: 0.51, want: 0.5}, "missed"},
		{bar{got: 0}, "met"},
		{bar{got: 1}, "missed"},
		{bar{got: math.NaN(), want: 1, why: noZMap}, "not measured: " + noZMap},
	} {
		if got := c.b.verdict(); got != c.want {
			t.Errorf("%v of %v, at least %v: %q, want %q", c.b.got, c.b.want, c.b.atLeast, got, c.want)
		}
	}
}

func TestFigures(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 1: "1", 1234567: "1234567", 11.26: "11.3", 0.09456: "0.0946", 9.996: "10.00", 123.4: "123", -0.5: "-0.500"} {
		if got := figures(v); got != want {
			t.Errorf("figures(%v) is %q, want %q", v, got, want)
		}
	}
}

// TestFirstAddrs holds the prefixes against their number of addresses, and against each other.
func TestFirstAddrs(t *testing.T) {
	for _, n := range []int{1, 2, 3, 1 << 12, 1<<24/10 + 1, 1 << 24 / 100, 1<<24 - 1, 1 << 24} {
		next, sum := scanned().Addr(), 0
		for _, s := range firstAddrs(n) {
			p := netip.MustParsePrefix(s)
			if p != p.Masked() || p.Addr() != next {
				t.Fatalf("%d addresses: %v does not begin at %v", n, p, next)
			}
			size := 1 << (32 - p.Bits())
			b := next.As4()
			at := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
			at += uint32(size)
			next, sum = netip.AddrFrom4([4]byte{byte(at >> 24), byte(at >> 16), byte(at >> 8), byte(at)}), sum+size
		}
		if sum != n {
			t.Errorf("%d addresses in %v, want %d", sum, firstAddrs(n), n)
		}
	}
}

func TestParseBench(t *testing.T) {
	got, err := parseBench("BenchmarkKernel-2 \t 20\t 242.0 floor-ns/frame\t 327.5 ns/frame\t 1.139 ratio")
	if err != nil || got["floor-ns/frame"] != 242 || got["ns/frame"] != 327.5 || got["ratio"] != 1.139 {
		t.Errorf("figures %v, error %v", got, err)
	}
	for _, bad := range []string{"", "BenchmarkKernel-2 1 242.0 ns/frame", "BenchmarkKernel-2 1 x floor-ns/frame 1 ns/frame 1 ratio"} {
		if got, err := parseBench(bad); err == nil {
			t.Errorf("%q has figures %v, want an error", bad, got)
		}
	}
}

func TestChosenLink(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	for text, want := range map[string]string{
		"Nov 25 [DEBUG] zmap: link: socket, because not xdp: sockets serve as well\n": "socket",
		"Nov 25 [DEBUG] zmap: link: xdp: the first choice\n":                          "xdp",
		"Nov 25 [DEBUG] zmap: link: \n":                                               "",
		"nothing\n":                                                                   "",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := chosenLink(path); got != want {
			t.Errorf("log %q: link %q, want %q", text, got, want)
		}
	}
}

// TestTables writes one table both ways.
func TestTables(t *testing.T) {
	tab := table{title: "T", head: []string{"program", "a", "b"}, rows: [][]string{{"2^22", "1.5", "-"}, {"y", "10", "more"}}, notes: []string{"N."}}
	var page, terminal bytes.Buffer
	tab.markdown(&page)
	if want := "**T**\n\n| program | a | b |\n| --- | --: | --- |\n| 2^22 | 1.5 | - |\n| y | 10 | more |\n\nN.\n\n"; page.String() != want {
		t.Errorf("page:\n%s\nwant\n%s", page.String(), want)
	}
	tab.print(&terminal)
	if want := "\nT\n  program  a    b\n  2^22     1.5  -\n  y        10   more\n  N.\n"; terminal.String() != want {
		t.Errorf("terminal:\n%s\nwant\n%s", terminal.String(), want)
	}
}

// TestHelpNamesEveryBenchmark also sees that no name is there twice.
func TestHelpNamesEveryBenchmark(t *testing.T) {
	var o options
	fs := flags(&o)
	var help bytes.Buffer
	fs.SetOutput(&help)
	fs.Usage()
	seen := make(map[string]bool)
	for _, b := range benchmarks() {
		if seen[b.name] || !strings.Contains(help.String(), "\n  "+b.name+" ") {
			t.Errorf("benchmark %q is there twice, or not in the help", b.name)
		}
		seen[b.name] = true
	}
}

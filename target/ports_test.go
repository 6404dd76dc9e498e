package target

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestParsePorts(t *testing.T) {
	for _, c := range []struct {
		text       string
		want       []uint16
		duplicates int
	}{
		{"80", []uint16{80}, 0},
		{"0", []uint16{0}, 0},
		{"080", []uint16{80}, 0},
		{"65535", []uint16{65535}, 0},
		{"80,443", []uint16{80, 443}, 0},
		{"443,80", []uint16{443, 80}, 0},
		{" 80 , 443 ", []uint16{80, 443}, 0},
		{"80,,443,", []uint16{80, 443}, 0},
		{"8000-8003", []uint16{8000, 8001, 8002, 8003}, 0},
		{"8000 - 8001", []uint16{8000, 8001}, 0},
		{"5-5", []uint16{5}, 0},
		{"80,80,80", []uint16{80}, 2},
		{"82,80-83,81,1", []uint16{82, 80, 81, 83, 1}, 2},
	} {
		p, err := ParsePorts(c.text)
		got := slices.Collect(p.All())
		if err != nil || !slices.Equal(got, c.want) || p.Duplicates() != c.duplicates {
			t.Errorf("ParsePorts(%q) = %v with %d duplicates, %v, want %v with %d", c.text, got, p.Duplicates(), err, c.want, c.duplicates)
		}
		for i, port := range c.want {
			if at, ok := p.Index(port); p.At(i) != port || at != i || !ok {
				t.Errorf("ParsePorts(%q): At(%d) = %d, Index(%d) = %d, %v", c.text, i, p.At(i), port, at, ok)
			}
		}
	}
}

func TestParsePortsErrors(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", `ports "": name at least one port, such as 80`},
		{" , ", "name at least one port"},
		{"80-", `port "80-": the range has no last port: write a range such as 80-65535`},
		{"-80", `port "-80": the range has no first port: write a range such as 1-80`},
		{"-", "the range has no first port: write a range such as 1-1024"},
		{"70000", `port "70000": ports end at 65535`},
		{"99999999999999999999999", "ports end at 65535"},
		{"1-65536", "ports end at 65535"},
		{"http", `"http" is not a port: write a number from 0 to 65535`},
		{"80-82-84", `"82-84" is not a port`},
		{"90-80", "the range runs backwards: write 80-90"},
		{"0x50", "is not a port"},
		{"+80", "is not a port"},
		{"80 443", `"80 443" is not a port`},
		{"80,*", "write * alone"},
		{"*-80", `"*" is not a port`},
		{"80,a,443,b", "port \"a\": \"a\" is not a port: write a number from 0 to 65535\nport \"b\""},
		{strings.Repeat("x,", 1000), "and 990 more"},
	} {
		p, err := ParsePorts(c.text)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("ParsePorts(%q) = %v, error %v, want one that says %q", c.text, slices.Collect(p.All()), err, c.want)
		}
	}
}

func TestAllPorts(t *testing.T) {
	p, err := ParsePorts("*")
	if err != nil || p.Len() != 65536 || p.Duplicates() != 0 {
		t.Fatalf(`ParsePorts("*"): %d ports, %d duplicates, %v`, p.Len(), p.Duplicates(), err)
	}
	for i := range p.Len() {
		if at, ok := p.Index(uint16(i)); p.At(i) != uint16(i) || at != i || !ok {
			t.Fatalf("At(%d) = %d, Index = %d, %v", i, p.At(i), at, ok)
		}
	}
}

func TestZeroPorts(t *testing.T) {
	var p Ports
	if i, ok := p.Index(0); p.Len() != 1 || p.At(0) != 0 || i != 0 || !ok || !slices.Equal(slices.Collect(p.All()), []uint16{0}) {
		t.Errorf("zero Ports: %d ports, At(0) = %d, Index(0) = %d, %v", p.Len(), p.At(0), i, ok)
	}
	if _, ok := p.Index(1); ok {
		t.Error("zero Ports: has port 1")
	}
}

// TestPortsIndexEveryPort asks short and long lists about all ports there are.
func TestPortsIndexEveryPort(t *testing.T) {
	for _, text := range []string{"0", "65535", "7,9,8", "1-16", "1-17", "60000-65535,0-5"} {
		p, err := ParsePorts(text)
		if err != nil {
			t.Fatal(err)
		}
		at := map[uint16]int{}
		for i := range p.Len() {
			at[p.At(i)] = i
		}
		for port := range 65536 {
			want, wantOK := at[uint16(port)]
			if got, ok := p.Index(uint16(port)); ok != wantOK || ok && got != want {
				t.Errorf("%s: Index(%d) = %d, %v, want %d, %v", text, port, got, ok, want, wantOK)
			}
		}
	}
}

// portsTwin reads only what needs no thought, and returns false for the rest.
func portsTwin(text string) ([]uint16, bool) {
	var list []uint16
	seen := map[int]bool{}
	for _, piece := range strings.Split(text, ",") {
		ends := strings.Split(piece, "-")
		if piece == "" || len(ends) > 2 {
			return nil, false
		}
		var n [2]int
		for i := range n {
			v, err := strconv.Atoi(ends[min(i, len(ends)-1)])
			if err != nil || v < 0 || v > 65535 {
				return nil, false
			}
			n[i] = v
		}
		if n[1] < n[0] {
			return nil, false
		}
		for v := n[0]; v <= n[1]; v++ {
			if !seen[v] {
				list = append(list, uint16(v))
			}
			seen[v] = true
		}
	}
	return list, true
}

func FuzzParsePorts(f *testing.F) {
	for _, s := range []string{"80", "80,443", "1-5,3", "80-", "-80", "70000", "*", "", " 1 - 2 ,", "0-300,5"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 200 {
			return // a hundred times all ports would take long
		}
		p, err := ParsePorts(text)
		if err != nil {
			if p.list != nil {
				t.Fatalf("ParsePorts(%q): ports beside the error %v", text, err)
			}
			return
		}
		list := slices.Collect(p.All())
		for i, port := range list {
			if at, ok := p.Index(port); at != i || !ok {
				t.Fatalf("ParsePorts(%q): port %d stands at %d, Index says %d, %v", text, port, i, at, ok)
			}
		}
		if strings.Contains(text, "+") {
			return // Atoi takes signs
		}
		if want, ok := portsTwin(text); ok && !slices.Equal(list, want) {
			t.Fatalf("ParsePorts(%q) = %v, want %v", text, list, want)
		}
	})
}

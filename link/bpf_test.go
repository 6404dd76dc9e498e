package link_test

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/net/bpf"

	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/link/linktest"
)

// A machine runs one filter both ways.
type machine struct {
	f  *link.Filter
	vm [2]*bpf.VM // without and with an Ethernet header
}

func newMachine(t testing.TB, f *link.Filter) *machine {
	t.Helper()
	m := &machine{f: f}
	for i, ether := range []bool{false, true} {
		raw, err := f.Assemble(ether)
		if err != nil {
			t.Fatalf("assemble %+v: %v", f, err)
		}
		program, ok := bpf.Disassemble(raw)
		if !ok {
			t.Fatalf("disassemble the program of %+v: unknown instructions", f)
		}
		if m.vm[i], err = bpf.NewVM(program); err != nil {
			t.Fatalf("load the program of %+v: %v", f, err)
		}
	}
	return m
}

// check compares the program with the twin on one frame and returns the verdict.
func (m *machine) check(t testing.TB, frame []byte, ether bool) bool {
	t.Helper()
	i := 0
	if ether {
		i = 1
	}
	n, err := m.vm[i].Run(frame)
	if err != nil {
		t.Fatalf("run: %v", err)
	}
	want := m.f.Match(frame, ether)
	if (n > 0) != want {
		t.Fatalf("program keeps %d bytes, twin says %v\nether %v\nframe %x\nfilter %+v", n, want, ether, frame, m.f)
	}
	if keep := m.f.Snap; want && keep > 0 && n != keep {
		t.Fatalf("program keeps %d bytes, want the snap length %d", n, keep)
	}
	return want
}

func TestProgramAgreesWithTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	wanted, all := 0, 0
	for range 400 {
		f := linktest.RandomFilter(r)
		m := newMachine(t, f)
		for range 300 {
			ether := r.IntN(4) > 0
			frame := linktest.RandomFrame(r, f, ether)
			all++
			if m.check(t, frame, ether) {
				wanted++
			}
		}
	}
	// Frames made to be wanted and frames made to be refused must both be there in numbers, or nothing was compared.
	if wanted < all/10 || wanted > all*9/10 {
		t.Errorf("%d of %d random frames wanted: the generator is lopsided", wanted, all)
	}
}

func TestProgramAgreesAtEveryLength(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		f := linktest.RandomFilter(r)
		m := newMachine(t, f)
		ether := r.IntN(2) == 0
		frame := linktest.RandomFrame(r, f, ether)
		for n := range len(frame) {
			m.check(t, frame[:n], ether)
		}
	}
}

// An error cut short anywhere is wanted from its type on until it holds a whole source, and then if that is ours.
func TestErrorsAtEveryLength(t *testing.T) {
	us4, us6, them4, them6 := addr4(0x0a000001), addr6(1, 2), addr4(0x0a000002), addr6(1, 3)
	m := newMachine(t, &link.Filter{Errors: true, Local: []netip.Addr{us4, us6}})
	for _, c := range []struct {
		spec        linktest.Spec
		icmp, whole int // lengths at which the type and the quoted source are there
	}{
		{linktest.Spec{Src: them4, Dst: us4, Proto: linktest.ProtoICMP4, Kind: 3}, 14 + 20 + 1, 14 + 20 + 8 + 16},
		{linktest.Spec{Src: them6, Dst: us6, Proto: linktest.ProtoICMP6, Kind: 1}, 14 + 40 + 1, 14 + 40 + 8 + 24},
	} {
		for _, quoted := range []netip.Addr{c.spec.Dst, c.spec.Src} {
			c.spec.Quoted = quoted
			frame := c.spec.Frame(true)
			for n := range len(frame) + 1 {
				want := n >= c.icmp && (n < c.whole || quoted == c.spec.Dst)
				if got := m.check(t, frame[:n], true); got != want {
					t.Errorf("error to %v quoting %v, cut to %d bytes: got %v, want %v", c.spec.Dst, quoted, n, got, want)
				}
			}
		}
	}
}

func FuzzFilter(f *testing.F) {
	r := rand.New(rand.NewPCG(5, 6))
	for i := range uint64(40) {
		filter := linktest.RandomFilter(rand.New(rand.NewPCG(i, 0)))
		f.Add(i, true, linktest.RandomFrame(r, filter, true))
		f.Add(i, false, linktest.RandomFrame(r, filter, false))
	}
	f.Fuzz(func(t *testing.T, seed uint64, ether bool, frame []byte) {
		newMachine(t, linktest.RandomFilter(rand.New(rand.NewPCG(seed, 0)))).check(t, frame, ether)
	})
}

func TestLargestProgramsFit(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	ports := make([]link.PortRange, 64)
	for i := range ports {
		ports[i] = link.PortRange{First: uint16(1000 * i), Last: uint16(1000*i + 500)}
	}
	for name, address := range map[string]func(i int) netip.Addr{
		"IPv4 anywhere":      func(int) netip.Addr { return addr4(r.Uint32()) },
		"IPv4 in a row":      func(i int) netip.Addr { return addr4(0x0a000000 + uint32(i)) },
		"IPv6 anywhere":      func(int) netip.Addr { return addr6(r.Uint64(), r.Uint64()) },
		"IPv6 of one prefix": func(int) netip.Addr { return addr6(0x20010db8_00000000, r.Uint64()) },
		"both": func(i int) netip.Addr {
			if i%2 == 0 {
				return addr4(r.Uint32())
			}
			return addr6(r.Uint64(), r.Uint64())
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := &link.Filter{Ports: ports, TCP: link.TCPAnswers, UDP: true, Echo: true, Errors: true}
			for i := range 256 {
				f.Local = append(f.Local, address(i))
			}
			raw, err := f.Assemble(true)
			if err != nil {
				t.Fatal(err)
			}
			// Cheap whatever the addresses: a frame meets a part of the program that grows with their logarithm.
			most := longest(t, raw)
			t.Logf("%d instructions, of which a frame meets at most %d", len(raw), most)
			if most > 200 {
				t.Errorf("a frame meets up to %d instructions, want at most 200", most)
			}
			m := newMachine(t, f)
			for range 300 {
				m.check(t, linktest.RandomFrame(r, f, true), true)
			}
			for _, a := range f.Local {
				f1 := linktest.Spec{Dst: a, Src: a, Proto: linktest.ProtoUDP, Port: 1000}
				if !m.check(t, f1.Frame(true), true) {
					t.Fatalf("a datagram to %v, one of the addresses, is not wanted", a)
				}
				for _, near := range []netip.Addr{a.Next(), a.Prev()} {
					if near.IsValid() {
						f1.Dst = near
						m.check(t, f1.Frame(true), true)
					}
				}
			}
		})
	}
}

// longest returns how many instructions a frame meets at most: jumps go forward only, so the way from each instruction to the
// end is one longer than the longer of those behind it.
func longest(t *testing.T, raw []bpf.RawInstruction) int {
	t.Helper()
	program, ok := bpf.Disassemble(raw)
	if !ok {
		t.Fatal("disassemble: unknown instructions")
	}
	left := make([]int, len(program)+1)
	for i := len(program) - 1; i >= 0; i-- {
		next := i + 1
		switch ins := program[i].(type) {
		case bpf.RetConstant:
			left[i] = 1
			continue
		case bpf.Jump:
			left[i] = 1 + left[next+int(ins.Skip)]
		case bpf.JumpIf:
			left[i] = 1 + max(left[next+int(ins.SkipTrue)], left[next+int(ins.SkipFalse)])
		case bpf.JumpIfX:
			left[i] = 1 + max(left[next+int(ins.SkipTrue)], left[next+int(ins.SkipFalse)])
		default:
			left[i] = 1 + left[next]
		}
	}
	return left[0]
}

func TestTooLargeAProgramIsAnError(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	f := &link.Filter{TCP: link.TCPAll}
	for range 2000 {
		f.Local = append(f.Local, addr6(r.Uint64(), r.Uint64()))
	}
	if _, err := f.Assemble(true); err == nil || !strings.Contains(err.Error(), "fewer") {
		t.Errorf("2000 scattered IPv6 addresses: got error %v, want one that says what to do", err)
	}
}

// addr4 and addr6 make addresses of numbers.
func addr4(v uint32) netip.Addr {
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, v)))
}

func addr6(hi, lo uint64) netip.Addr {
	return netip.AddrFrom16([16]byte(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, hi), lo)))
}

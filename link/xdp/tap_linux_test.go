//go:build amd64 || arm64

package xdp

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/google/go-cmp/cmp"

	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/link/linktest"
)

// What the program can say of a frame (enum xdp_action).
const (
	xdpDrop = 1
	xdpPass = 2
	xdpTX   = 3
)

// A bench is a loaded program that is attached to nothing: frames are shown to it one by one.
type bench struct {
	t       *testing.T
	program *ebpf.Program
	ring    *ring
	index   int
	out     []byte
}

func newBench(t *testing.T, f link.Filter) *bench { return newWatchingBench(t, f, nil) }

func newWatchingBench(t *testing.T, f link.Filter, w *watch) *bench {
	t.Helper()
	p := newPair(t, 1500)
	cfg, err := link.Config{Batch: 1, Filter: f}.WithDefaults()
	must(t, err)
	c, err := load(&cfg, &device{index: p.A.Attrs().Index}, w)
	must(t, err)
	t.Cleanup(c.Close)
	r, err := openRing(c.rings[0])
	must(t, err)
	t.Cleanup(r.close)
	return &bench{t, c.Programs[programScan], r, p.A.Attrs().Index, make([]byte, 2048)}
}

// show returns what the program says of a frame that arrives, what it makes of it, and what of it is copied: nil if nothing is.
func (b *bench) show(frame []byte) (action uint32, left, copied []byte) {
	b.t.Helper()
	opts := ebpf.RunOptions{Data: frame, DataOut: b.out, Context: &xdpContext{end: uint32(len(frame)), ingress: uint32(b.index)}}
	action, err := b.program.Run(&opts)
	must(b.t, err)
	a, ok := b.ring.next()
	if !ok {
		return action, opts.DataOut, nil
	}
	if a.len != len(frame) {
		b.t.Errorf("a frame of %d bytes has a length of %d", len(frame), a.len)
	}
	copied = bytes.Clone(a.data)
	if _, more := b.ring.next(); more {
		b.t.Error("a frame is copied twice")
	}
	b.ring.give()
	return action, opts.DataOut, copied
}

// TestTapIsTheFilter holds the program against the slow twin.
func TestTapIsTheFilter(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	wanted, tried := 0, 0
	for range 25 {
		f := linktest.RandomFilter(r)
		b := newBench(t, *f)
		for range 400 {
			frame := linktest.RandomFrame(r, f, true)
			if len(frame) < etherLen || len(frame) > 1514 { // the kernel shows no shorter ones to a program
				continue
			}
			var want []byte
			if f.Match(frame, true) {
				want = frame
				if f.Snap > 0 {
					want = frame[:min(f.Snap, len(frame))]
				}
				wanted++
			}
			tried++
			action, left, got := b.show(frame)
			if !bytes.Equal(got, want) || action != xdpPass || !bytes.Equal(left, frame) {
				t.Fatalf("filter %+v, frame %x: copied %x, want %x; action %d", *f, frame, got, want, action)
			}
		}
	}
	if wanted < tried/10 || wanted > tried*9/10 {
		t.Errorf("%d of %d frames are wanted: the frames test little", wanted, tried)
	}
}

// TestManyAddresses is for those that are too many for a constant.
func TestManyAddresses(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	f := link.Filter{TCP: link.TCPAnswers, Snap: 96}
	for range 256 {
		f.Local = append(f.Local, netip.AddrFrom4([4]byte{10, 9, byte(r.Uint32()), byte(r.Uint32())}))
	}
	b := newBench(t, f)
	for i := range 2000 {
		to := f.Local[r.IntN(len(f.Local))]
		if i%2 == 0 {
			to = netip.AddrFrom4([4]byte{10, 9, byte(r.Uint32()), byte(r.Uint32())})
		}
		frame := (&linktest.Spec{Src: netip.MustParseAddr("192.0.2.9"), Dst: to, Proto: linktest.ProtoTCP, Port: 40000, Flags: 0x12}).Frame(true)
		if _, _, got := b.show(frame); (got != nil) != f.Match(frame, true) {
			t.Fatalf("a SYN-ACK to %s is copied: %v", to, got != nil)
		}
	}
}

// synack is a SYN-ACK from a host, with two bytes behind it that are padding of the link.
func synack(src, dst netip.AddrPort, vlan bool) []byte {
	b := []byte("\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02")
	if vlan {
		b = append(b, 0x81, 0x00, 0x00, 0x07)
	}
	b = append(b, 0x08, 0x00)
	ip := []byte("\x45\x00\x00\x2c\x12\x34\x40\x00\x3f\x06\x00\x00")
	ip = append(append(ip, src.Addr().AsSlice()...), dst.Addr().AsSlice()...)
	b = append(b, ip...)
	b = binary.BigEndian.AppendUint16(b, src.Port())
	b = binary.BigEndian.AppendUint16(b, dst.Port())
	b = append(b, "\x01\x02\x03\x04\xa1\xb2\xc3\xd4\x60\x12\xff\xff\x00\x00\x00\x00\x02\x04\x05\xb4"...)
	return append(b, 0, 0)
}

// slowSum is the Internet checksum of RFC 1071, as its text has it.
func slowSum(parts ...[]byte) uint16 {
	b := bytes.Join(parts, nil)
	if len(b)%2 == 1 {
		b = append(b, 0)
	}
	sum := 0
	for i := 0; i < len(b); i += 2 {
		sum += int(b[i])<<8 | int(b[i+1])
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

func TestPolicies(t *testing.T) {
	host, us := netip.MustParseAddrPort("10.1.2.3:80"), netip.MustParseAddr("192.0.2.2")
	b := newBench(t, link.Filter{TCP: link.TCPAnswers, Snap: 96, Local: []netip.Addr{us}, Ports: []link.PortRange{
		{First: 1000, Last: 1999},
		{First: 2000, Last: 2999, RST: link.RSTReset},
		{First: 3000, Last: 3999, RST: link.RSTHandover},
		{First: 4000, Last: 4999, RST: link.RSTOneshot},
	}})
	for _, c := range []struct {
		name   string
		port   uint16
		change func(frame []byte)
		want   uint32
		copied bool
	}{
		{"pass", 1500, nil, xdpPass, true},
		{"reset", 2500, nil, xdpTX, true},
		{"handover", 3500, nil, xdpDrop, true},
		{"oneshot", 4500, nil, xdpDrop, true},
		{"port of nobody", 5000, nil, xdpPass, false},
		{"a refusal needs no reset", 2500, func(f []byte) { f[14+20+13] = 0x14 }, xdpDrop, true},
		{"options of IP", 2500, func(f []byte) { f[14] = 0x46; f[14+24+13] = 0x12; f[14+24+2], f[14+24+3] = 0x09, 0xc4 }, xdpPass, true},
		{"a first fragment", 2500, func(f []byte) { f[14+6] = 0x20 }, xdpPass, true},
		{"another address", 2500, func(f []byte) { f[14+19]++ }, xdpPass, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			b.t = t
			frame := synack(host, netip.AddrPortFrom(us, c.port), false)
			if c.change != nil {
				c.change(frame)
			}
			action, left, copied := b.show(frame)
			if action != c.want || (copied != nil) != c.copied {
				t.Errorf("action %d, copied %v: want %d, %v", action, copied != nil, c.want, c.copied)
			}
			if action != xdpTX && !bytes.Equal(left, frame) {
				t.Errorf("the frame is changed:\n%x\n%x", frame, left)
			}
		})
	}
}

// TestReset looks at every byte of the RST, behind a VLAN tag as well.
func TestReset(t *testing.T) {
	host, us := netip.MustParseAddrPort("10.1.2.3:80"), netip.MustParseAddrPort("192.0.2.2:40000")
	b := newBench(t, link.Filter{TCP: link.TCPAnswers, Snap: 96, Ports: []link.PortRange{{First: 40000, Last: 40999, RST: link.RSTReset}}})
	for _, vlan := range []bool{false, true} {
		action, got, _ := b.show(synack(host, us, vlan))
		if action != xdpTX {
			t.Fatalf("action %d, want %d", action, xdpTX)
		}
		want := []byte("\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01")
		if vlan {
			want = append(want, 0x81, 0x00, 0x00, 0x07)
		}
		want = append(want, 0x08, 0x00)
		ip := []byte("\x45\x00\x00\x28\x00\x00\x40\x00\x40\x06\x00\x00\xc0\x00\x02\x02\x0a\x01\x02\x03")
		binary.BigEndian.PutUint16(ip[10:], slowSum(ip))
		tcp := []byte("\x9c\x40\x00\x50\xa1\xb2\xc3\xd4\x00\x00\x00\x00\x50\x04\x00\x00\x00\x00\x00\x00")
		binary.BigEndian.PutUint16(tcp[16:], slowSum(ip[12:20], []byte{0, 6, 0, 20}, tcp))
		want = append(append(want, ip...), tcp...)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("VLAN %v: RST differs (-want +got):\n%s", vlan, diff)
		}
	}
}

// synack6 is synack for IPv6, without a tag.
func synack6(src, dst netip.AddrPort) []byte {
	b := []byte("\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02\x86\xdd\x60\x0a\xbc\xde\x00\x18\x06\x3a")
	b = append(append(b, src.Addr().AsSlice()...), dst.Addr().AsSlice()...)
	b = binary.BigEndian.AppendUint16(b, src.Port())
	b = binary.BigEndian.AppendUint16(b, dst.Port())
	return append(b, "\x01\x02\x03\x04\xa1\xb2\xc3\xd4\x60\x12\xff\xff\x00\x00\x00\x00\x02\x04\x05\xb4"...)
}

// TestPoliciesIPv6 is TestPolicies and TestReset for IPv6.
func TestPoliciesIPv6(t *testing.T) {
	host, us := netip.MustParseAddrPort("[2001:db8::3]:80"), netip.MustParseAddr("2001:db8:ffff::1")
	b := newBench(t, link.Filter{TCP: link.TCPAnswers, Snap: 96, Local: []netip.Addr{us}, Ports: []link.PortRange{
		{First: 1000, Last: 1999}, {First: 2000, Last: 2999, RST: link.RSTReset}, {First: 3000, Last: 3999, RST: link.RSTHandover}, {First: 4000, Last: 4999, RST: link.RSTOneshot},
	}})
	const ip, tcp = 14, 14 + 40
	extended := func(f []byte) { // eight bytes of options before the segment
		f[ip+6], f[ip+5] = 60, f[ip+5]+8
		copy(f[tcp:], append([]byte{6, 0, 1, 4, 0, 0, 0, 0}, f[tcp:tcp+16]...))
	}
	for _, c := range []struct {
		name   string
		port   uint16
		change func(frame []byte)
		want   uint32
		copied bool
	}{
		{"pass", 1500, nil, xdpPass, true},
		{"reset", 2500, nil, xdpTX, true},
		{"handover", 3500, nil, xdpDrop, true},
		{"oneshot", 4500, nil, xdpDrop, true},
		{"port of nobody", 5000, nil, xdpPass, false},
		{"a refusal needs no reset", 2500, func(f []byte) { f[tcp+13] = 0x14 }, xdpDrop, true},
		{"extension headers", 2500, extended, xdpPass, true},
		{"another address", 2500, func(f []byte) { f[ip+39]++ }, xdpPass, false},
	} {
		frame := synack6(host, netip.AddrPortFrom(us, c.port))
		if c.change != nil {
			c.change(frame)
		}
		action, left, copied := b.show(frame)
		if action != c.want || (copied != nil) != c.copied {
			t.Errorf("%s: action %d, copied %v: want %d, %v", c.name, action, copied != nil, c.want, c.copied)
		}
		if action != xdpTX {
			if !bytes.Equal(left, frame) {
				t.Errorf("%s: the frame is changed:\n%x\n%x", c.name, frame, left)
			}
			continue
		}
		want := []byte("\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01\x86\xdd\x60\x00\x00\x00\x00\x14\x06\x40")
		want = append(append(want, us.AsSlice()...), host.Addr().AsSlice()...)
		segment := []byte("\x09\xc4\x00\x50\xa1\xb2\xc3\xd4\x00\x00\x00\x00\x50\x04\x00\x00\x00\x00\x00\x00")
		binary.BigEndian.PutUint16(segment[16:], slowSum(us.AsSlice(), host.Addr().AsSlice(), []byte{0, 6, 0, 20}, segment))
		if diff := cmp.Diff(append(want, segment...), left); diff != "" {
			t.Errorf("RST differs (-want +got):\n%s", diff)
		}
	}
}

// TestOwnConnectionsArePassed makes a real connection, and shows the program packets that belong to it.
func TestOwnConnectionsArePassed(t *testing.T) {
	needBPF(t)
	must(t, os.WriteFile("/proc/sys/net/ipv6/conf/lo/disable_ipv6", []byte("0"), 0))
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		checkOwnConnections(t, address)
	}
}

func checkOwnConnections(t *testing.T, address string) {
	t.Helper()
	synack := func(src, dst netip.AddrPort, vlan bool) []byte {
		if src.Addr().Is6() {
			return synack6(src, dst)
		}
		return synack(src, dst, vlan)
	}
	server, err := net.Listen("tcp", address)
	must(t, err)
	defer server.Close()
	client, err := net.Dial("tcp", server.Addr().String())
	must(t, err)
	defer client.Close()
	peer := netip.MustParseAddrPort(client.RemoteAddr().String())
	for _, policy := range []link.RSTPolicy{link.RSTReset, link.RSTHandover, link.RSTOneshot} {
		f := link.Filter{TCP: link.TCPAll, Snap: 96, Ports: []link.PortRange{{First: 1024, Last: 65535, RST: policy}}}
		w, err := watchFor(&f)
		must(t, err)
		if w == nil {
			t.Fatal("this kernel cannot watch connections begin")
		}
		defer func() { must(t, w.close()) }()
		later, err := net.Dial("tcp", server.Addr().String())
		must(t, err)
		defer later.Close()
		for name, watch := range map[string]*watch{"asking": nil, "watching": w} {
			b := newWatchingBench(t, f, watch)
			for _, local := range []net.Addr{client.LocalAddr(), later.LocalAddr()} {
				ours := netip.MustParseAddrPort(local.String())
				frame := synack(peer, ours, false)
				if action, left, copied := b.show(frame); action != xdpPass || copied != nil || !bytes.Equal(left, frame) {
					t.Errorf("policy %d, %s: a packet of our own connection: action %d, copied %v, want it passed alone", policy, name, action, copied != nil)
				}
				// One port beside it is nobody's, on either side.
				for _, other := range [][2]netip.AddrPort{
					{netip.AddrPortFrom(peer.Addr(), peer.Port()^1), ours}, {peer, netip.AddrPortFrom(ours.Addr(), ours.Port()^1)},
				} {
					if action, _, _ := b.show(synack(other[0], other[1], false)); action == xdpPass {
						t.Errorf("policy %d, %s: a packet of nobody's connection is passed", policy, name)
					}
				}
			}
		}
	}
}

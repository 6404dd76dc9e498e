//go:build amd64 || arm64

package xdp

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/link/afpacket"
	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/probe"
	"github.com/zmap-go/zmap/target"
	"github.com/zmap-go/zmap/validate"
)

// Sizes of TestEveryModule: some batches, so that slots come back with their templates.
const (
	moduleProbes = 1000
	moduleBatch  = 64
	moduleTries  = 4
)

// TestEveryModule has every probe module write its probes into the slots of a link, as a scan has it, templates and all. They
// must arrive byte for byte as they were written, and the same as over a socket.
func TestEveryModule(t *testing.T) {
	p := newPair(t, 1500)
	ear := listen(t, p.B)
	type variant struct{ module, args string }
	variants := []variant{
		{"tcp_synscan", "smallest-probes"},
		{"tcp_synscan", "linux"},
		{"tcp_synscan", "bsd"},
		{"icmp_echoscan", "text:"},
		{"icmp_echoscan", "text:" + strings.Repeat("x", 1458)},
		{"dns", "A,example.com;TXT:nr:edns,a-much-longer-name.example.org;AAAA:do,b.example;MX,c.example"},
		{"udp", "text:" + strings.Repeat("y", 87)},
		{"ipip", "text:"},
	}
	for _, m := range probe.Modules() {
		variants = append(variants, variant{m.Name, m.Least.Text})
	}
	for _, v := range variants {
		t.Run(v.module+"/"+v.args[:min(len(v.args), 20)], func(t *testing.T) {
			module, err := probe.New(v.module, probe.Args{Text: v.args})
			must(t, err)
			var heard [2][][]byte
			for i, engine := range []link.Engine{Engine{}, afpacket.Engine{}} {
				l, err := engine.Open(t.Context(), link.Config{
					Interface: p.A.Attrs().Name, Ether: true, FrameLen: module.Describe().FrameLen, Batch: moduleBatch, Retries: 1 << 20,
				})
				must(t, err)
				want := sendProbes(t, l.TX[0], module)
				must(t, l.Close())
				heard[i] = ear.hear(t, len(want))
				same(t, engine.Name(), heard[i], want)
			}
			same(t, "xdp beside socket", heard[0], heard[1])
		})
	}
}

// same fails the test unless two lists of frames are the same.
func same(t *testing.T, what string, got, want [][]byte) {
	t.Helper()
	if len(got) != len(want) || len(want) == 0 {
		t.Fatalf("%s: %d frames, want %d", what, len(got), len(want))
	}
	for i := range got {
		if !bytes.Equal(got[i], want[i]) {
			t.Fatalf("%s: frame %d is another:\n%s\nwant\n%s", what, i, hex.Dump(got[i]), hex.Dump(want[i]))
		}
	}
}

// sendProbes sends probes of a module, the same ones each time, and returns copies of the frames.
func sendProbes(t *testing.T, tx link.TX, module probe.Probe) (frames [][]byte) {
	t.Helper()
	words, dice := rand.New(rand.NewPCG(1, 1)), rand.New(rand.NewPCG(2, 2))
	ports := validate.DefaultPorts()
	tagger := validate.NewTagger(validate.Key{1, 2, 3}, ports, moduleTries)
	enc := module.NewEncoder(probe.Route{
		Ether: true, SourceMAC: packet.MAC{2, 0, 0, 0, 0, 1}, Hops: []packet.MAC{{2, 0, 0, 0, 0, 2}}, Ports: ports, TTL: 64,
		Unix: 1_600_000_000, Random: words.Uint64,
	})
	stamps, _ := enc.(probe.Stamper)
	slots := make([]link.Slot, moduleBatch)
	for sent := 0; sent < moduleProbes; {
		n := tx.Reserve(slots[:1+dice.IntN(moduleBatch)], patience)
		for i := range slots[:n] {
			s := &slots[i]
			shot := probe.Shot{
				Src: netip.AddrFrom4([4]byte{192, 0, 2, 1}), Try: dice.IntN(moduleTries),
				Target: target.Target{Addr: netip.AddrFrom4([4]byte{10, byte(dice.Uint32()), byte(dice.Uint32()), byte(dice.Uint32())}), Port: uint16(dice.Uint32())},
			}
			shot.Tag = tagger.Tag(shot.Src, shot.Addr, shot.Port)
			if id := uint32(1 + shot.Try); s.Template != id {
				s.N, s.Template = enc.Template(id, s.Data), id
			}
			s.N = enc.Patch(s.Data, &shot)
			if stamps != nil {
				stamps.Stamp(s.Data[:s.N], int64(1e18)+int64(sent+i))
			}
			frames = append(frames, bytes.Clone(s.Data[:s.N]))
		}
		must(t, tx.Submit(slots[:n]))
		sent += n
	}
	if s := tx.Stats(); s.Sent != uint64(len(frames)) || s.Refused != 0 {
		t.Errorf("got %+v, want %d sent", s, len(frames))
	}
	return frames
}

// TestTagsAndVersions sends what no module makes yet: IPv6, and frames with the tags of VLANs, which may be as long as a tag
// beyond the interface's packets.
func TestTagsAndVersions(t *testing.T) {
	const mtu = 1400
	p := newPair(t, mtu)
	ear := listen(t, p.B)
	dice := rand.New(rand.NewPCG(1, 1))
	var frames [][]byte
	for range 40 {
		for _, head := range []string{"\x86\xdd\x60", "\x08\x00\x45", "\x81\x00\x20\x07\x86\xdd\x60", "\x81\x00\x0f\xfe\x08\x00\x45", "\x88\xa8\x00\x05\x81\x00\x00\x06\x08\x00\x45"} {
			most := etherLen + mtu
			if head[0] == 0x81 {
				most += vlanLen
			}
			f := numbered(dice, 1, 60, most)[0]
			if len(frames)%7 == 0 {
				f = numbered(dice, 1, most, most)[0]
			}
			copy(f[12:], head)
			frames = append(frames, f)
		}
	}
	for _, engine := range []link.Engine{Engine{}, afpacket.Engine{}} {
		l, err := engine.Open(t.Context(), link.Config{Interface: p.A.Attrs().Name, Ether: true, Batch: len(frames), Retries: 1 << 20})
		must(t, err)
		must(t, submit(t, l.TX[0], frames))
		must(t, l.Close())
		same(t, engine.Name(), ear.hear(t, len(frames)), frames)
	}
}

package probe

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/record"
)

// A reader is the decoder of one module with a row to fill.
type reader struct {
	name string
	dec  Decoder
	row  *record.Record
}

// readerOf returns a reader of a probe's answers.
func readerOf(p Probe) reader {
	d := p.Describe()
	return reader{d.Name, p.NewDecoder(), record.New(d.Schema)}
}

// readers returns one for each module of the table.
func readers(t testing.TB) []reader {
	t.Helper()
	var all []reader
	for _, m := range Modules() {
		p, err := m.New(m.Least)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, readerOf(p))
	}
	return all
}

// read decodes an answer that Match has accepted and returns whether it is a success. It fails the test if the row does not say,
// or if a [Judge] says otherwise, which is asked before and after.
func (r reader) read(t *testing.T, p *packet.Parsed) bool {
	t.Helper()
	judge, isJudge := r.dec.(Judge)
	before := isJudge && judge.Succeeds(p)
	r.row.Reset()
	if timed, ok := r.dec.(TimedDecoder); ok {
		timed.Arrived(testUnix * 1e9)
	}
	r.dec.Decode(p, r.row)
	checkDeclared(t, r.name, r.row.Schema, r.row.Values)
	i, _ := r.row.Schema.Lookup("success")
	v := &r.row.Values[i]
	if v.IsNull() {
		t.Fatalf("%s: the row has no success; frame %x", r.name, p.Frame)
	}
	if isJudge && (before != v.Bool() || judge.Succeeds(p) != v.Bool()) {
		t.Fatalf("%s: success is %v in the row; the decoder by itself says %v, and %v after that; frame %x",
			r.name, v.Bool(), before, judge.Succeeds(p), p.Frame)
	}
	return v.Bool()
}

// TestJudges shows all modules answers of all kinds, as they are and with a few bytes changed that say nothing about whose
// answer it is.
func TestJudges(t *testing.T) {
	r := rand.New(rand.NewPCG(61, 62))
	all := readers(t)
	verdicts := make(map[string]map[bool]int)
	show := func(frame []byte, link packet.LinkType) {
		for _, d := range all {
			var p packet.Parsed
			p.Decode(frame, link)
			if _, ok := d.dec.Match(&p, tagger(2)); !ok {
				continue
			}
			if verdicts[d.name] == nil {
				verdicts[d.name] = make(map[bool]int)
			}
			verdicts[d.name][d.read(t, &p)]++
		}
	}
	for range 10 {
		var frames [][]byte
		for _, c := range accepted(t, r) {
			frames = append(frames, c.frame)
		}
		for _, a := range acceptedDatagrams(t, r) {
			frames = append(frames, a.frame)
		}
		for _, f := range frames {
			show(f, packet.LinkEthernet)
			show(f[packet.EthernetLen:], packet.LinkIP)
			for range 20 {
				changed := bytes.Clone(f[:min(len(f), atIP+1+r.IntN(len(f)))])
				for range 1 + r.IntN(3) {
					changed[atIP+r.IntN(len(changed)-atIP)] ^= 1 << r.IntN(8)
				}
				show(changed, packet.LinkEthernet)
			}
		}
	}
	judges := 0
	for _, d := range all {
		if _, ok := d.dec.(Judge); !ok {
			continue
		}
		judges++
		if verdicts[d.name][true] == 0 || verdicts[d.name][false] == 0 {
			t.Errorf("%s: verdicts %v: the frames test little", d.name, verdicts[d.name])
		}
	}
	if judges == 0 {
		t.Error("no module is a judge")
	}
}

package engine

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/zmap-go/zmap/annotate"
	"github.com/zmap-go/zmap/filter"
	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/probe"
	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/sink"
)

// A parity is an annotation that knows the last byte of an address, and of odd ones that they are.
type parity struct{ asked int }

func (p *parity) Fields() []record.Field {
	return []record.Field{{Name: "last", Type: record.Int}, {Name: "kind", Type: record.String}}
}

func (p *parity) Annotate(addr netip.Addr, values []record.Value) {
	p.asked++
	clear(values)
	n := addr.As4()[3]
	values[0].SetUint(uint64(n))
	if n%2 == 1 {
		values[1].SetText("odd")
	}
}

var _ annotate.Annotator = (*parity)(nil)

// TestNotes scans with an annotation and different readers of it: it is asked once for each row, or never if nobody reads it.
func TestNotes(t *testing.T) {
	hosts := func(a netip.AddrPort) []reply {
		if last(a)%4 == 3 {
			return []reply{{flags: packet.RST}}
		}
		return []reply{{flags: synack}}
	}
	for _, c := range []struct {
		fields, filter string
		asked, rows    int
		line           string // of 10.0.0.1, "" if there is none
	}{
		{"saddr,success", "", 0, 256, "10.0.0.1,1"},
		{"saddr", "success = 1", 0, 192, "10.0.0.1"},
		{"saddr,kind,last", "", 256, 256, "10.0.0.1,odd,1"},
		{"saddr", "kind = odd && success = 1", 256, 64, "10.0.0.1"},
		{"saddr,kind", "last > 1", 256, 254, ""},
		{"*", "last = 2", 256, 1, ""},
	} {
		bubble(t, plan{network: "10.0.0.0/24", hosts: hosts}, func(t *testing.T, x *trial) {
			notes := &parity{}
			x.cfg.Notes = notes
			schema := Schema(x.cfg.Probe.Describe(), notes.Fields()...)
			program, err := filter.Compile(c.filter, schema)
			if err != nil {
				t.Fatal(err)
			}
			// Two outputs: rows are annotated once for both.
			var b, same bytes.Buffer
			x.cfg.Outputs = nil
			for _, w := range []*bytes.Buffer{&b, &same} {
				x.cfg.Outputs = append(x.cfg.Outputs, Output{Sink: sink.NewCSV(w, sink.Options{Fields: c.fields, NoHeader: true}), Filter: program})
			}
			res, err := x.run(t.Context(), t)
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.Count(b.String(), "\n")
			if notes.asked != c.asked || lines != c.rows || b.String() != same.String() || int(res.Rows) != c.rows {
				t.Errorf("-f %s, filter %q: asked %d times, %d rows; want %d and %d", c.fields, c.filter, notes.asked, lines, c.asked, c.rows)
			}
			if c.line != "" && !strings.Contains("\n"+b.String(), "\n"+c.line+"\n") {
				t.Errorf("-f %s, filter %q: there is no row %s", c.fields, c.filter, c.line)
			}
		})
	}
}

// TestNotesOfRowsAreTheirOwn has every row hold what is known of its address, also where nothing is, though rows are used again.
func TestNotesOfRowsAreTheirOwn(t *testing.T) {
	bubble(t, plan{network: "10.0.0.0/20", hosts: everyone}, func(t *testing.T, x *trial) {
		var b bytes.Buffer
		x.cfg.Rate, x.cfg.Notes = 100_000, &parity{}
		x.cfg.Outputs = []Output{{Sink: sink.NewCSV(&b, sink.Options{Fields: "saddr,last,kind", NoHeader: true})}}
		if _, err := x.run(t.Context(), t); err != nil {
			t.Fatal(err)
		}
		n := 0
		for line := range strings.Lines(b.String()) {
			addr, rest, _ := strings.Cut(strings.TrimSpace(line), ",")
			want := fmt.Sprintf("%d,", netip.MustParseAddr(addr).As4()[3])
			if netip.MustParseAddr(addr).As4()[3]%2 == 1 {
				want += "odd"
			}
			if n++; rest != want {
				t.Fatalf("row %s, want %s", line, want)
			}
		}
		if n != 4096 {
			t.Errorf("%d rows, want 4096", n)
		}
	})
}

func TestCheckNotes(t *testing.T) {
	p, err := probe.New("tcp_synscan", probe.Args{})
	if err != nil {
		t.Fatal(err)
	}
	field := func(names ...string) []record.Field {
		var out []record.Field
		for _, n := range names {
			out = append(out, record.Field{Name: n})
		}
		return out
	}
	if err := CheckNotes(p.Describe(), field("asn", "country")); err != nil {
		t.Error(err)
	}
	const want = "rows of probe tcp_synscan have fields called ttl, window, repeat already: give the columns of the table other names"
	if err := CheckNotes(p.Describe(), field("ttl", "asn", "window", "repeat")); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

package engine

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zmap-go/zmap/filter"
	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/probe"
	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/target"
)

// notes is a sink that reads all fields, and notes what is in them: a row is a list of texts.
type notes struct{ rows [][]string }

func (*notes) Open(*record.Schema) error { return nil }
func (*notes) Close() error              { return nil }

func (n *notes) Write(r *record.Record) error {
	row := make([]string, len(r.Values))
	for i := range r.Values {
		v := &r.Values[i]
		row[i] = fmt.Sprintf("%d %d %q %x %v %v %d", v.Kind(), v.Uint(), v.Text(), v.Bytes(), v.List(), v.Addr(), v.UnixNano())
	}
	n.rows = append(n.rows, row)
	return nil
}

// column returns one field of all rows.
func (n *notes) column(field int) []string {
	var all []string
	for _, row := range n.rows {
		all = append(all, row[field])
	}
	return all
}

// A picker is a sink that reads one field.
type picker struct {
	notes
	field int
}

func (p *picker) Fields() []int { return []int{p.field} }

const stale = "stale"

// A spoiler is a sink that reads nothing and leaves something in every field, which nobody may find there when the row is used
// again.
type spoiler struct{ notes }

func (*spoiler) Fields() []int { return nil }

func (*spoiler) Write(r *record.Record) error {
	for i := range r.Values {
		r.Values[i] = record.Text(stale)
	}
	r.Copy([]byte(stale))
	return nil
}

// motley answers the probes of every third host as asked, those of another third with an error, and those of the rest with both,
// and some once more, all at times of their own.
func motley(p *packet.Parsed, emit func(time.Duration, []byte)) {
	host := p.Dst.As4()[3]
	answer, refusal := answerFrom(p, p.DstPort), icmpAbout(p.Dst, p.Src, p.Frame[packet.EthernetLen:])
	if p.Kind == packet.KindTCP && host%5 == 0 && !p.TCP.Flags().Has(packet.ACK) {
		refusal = segment(p.Dst, p.Src, packet.TCPFields{SrcPort: p.DstPort, DstPort: p.SrcPort, Ack: p.TCP.Seq() + 1, Flags: packet.RST | packet.ACK})
	}
	at := time.Duration(host) * time.Microsecond
	if host%3 != 1 {
		emit(at, answer)
	}
	if host%3 != 0 {
		emit(at+300*time.Microsecond, refusal)
	}
	if host%4 == 0 {
		emit(at+700*time.Millisecond, answer)
	}
}

// gathered runs a scan of 32 hosts with these outputs, and returns what came of it.
func gathered(t *testing.T, m probe.Module, outputs ...Output) (res Result) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		x := newTrial(t, plan{
			network: "10.0.0.0/27", module: m.Name, args: m.Least.Text, wild: motley,
			change: func(c *Config) { c.Rate, c.Outputs = 100, outputs },
		})
		var err error
		if res, err = x.run(t.Context(), t); err != nil || res.Reason != WalkDone {
			t.Errorf("the scan ended by reason of %q, error %v", res.Reason, err)
		}
	})
	return res
}

// A condition is a filter, and what a scan with it comes to where all fields are read.
type condition struct {
	filter *filter.Program
	rows   *notes
	res    Result
}

// conditions returns filters that read a part of the rows each, and let some of these rows pass; the first is none.
func conditions(t *testing.T, m probe.Module, schema *record.Schema) []condition {
	t.Helper()
	texts := []string{"", "success = 1", "repeat = 0", "cooldown = 1", "saddr < 10.0.0.16", "saddr_raw > 268435455", "timestamp_us > 150000"}
	class, _ := schema.Lookup("classification")
	var all []condition
	for i := 0; i < len(texts); i++ {
		p, err := filter.Compile(texts[i], schema)
		if err != nil {
			t.Fatal(err)
		}
		c := condition{filter: p, rows: &notes{}}
		c.res = gathered(t, m, Output{Name: "all", Sink: c.rows, Filter: p})
		switch n := len(c.rows.rows); {
		case i == 0:
			texts = append(texts, "classification = "+strings.Fields(c.rows.rows[0][class])[2])
		case n == 0 || n == len(all[0].rows.rows): // as "success = 1" where no answer is one
			continue
		}
		all = append(all, c)
	}
	if len(all) < len(texts)-1 {
		t.Errorf("%d of %d filters tell these rows apart: the rows test little", len(all), len(texts))
	}
	return all
}

// TestChosenFieldsAreWhole scans with an output that reads one field, for each field of each module, alone and behind a filter
// that reads another: the field holds what it does for an output that reads all. So it is beside another output, which has the
// filter.
func TestChosenFieldsAreWhole(t *testing.T) {
	for _, m := range probe.Modules() {
		t.Run(m.Name, func(t *testing.T) {
			t.Parallel()
			p, err := m.New(m.Least)
			if err != nil {
				t.Fatal(err)
			}
			schema := Schema(p.Describe())
			all := conditions(t, m, schema)
			for field := range schema.Len() {
				for _, c := range []condition{all[0], all[1+field%(len(all)-1)]} {
					what := fmt.Sprintf("%s, filter %v", schema.Field(field).Name, c.filter)
					one, beside := &picker{field: field}, &picker{field: field}
					spoil := Output{Name: "spoiler", Sink: &spoiler{}}
					res := gathered(t, m, Output{Name: "one", Sink: one, Filter: c.filter}, spoil)
					same(t, what, one.column(field), c.rows.column(field))
					if got, want := told(res), told(c.res); got != want {
						t.Errorf("%s: counts %v, want %v", what, got, want)
					}
					if c.filter == all[0].filter {
						continue
					}
					gathered(t, m, Output{Name: "filter", Sink: &picker{}, Filter: c.filter}, Output{Name: "beside", Sink: beside}, spoil)
					same(t, what+" of another output", beside.column(field), all[0].rows.column(field))
				}
			}
		})
	}
}

// told are the counts of answers by what their rows say.
func told(r Result) [8]uint64 {
	return [...]uint64{
		r.Passed, r.SuccessTotal, r.SuccessUnique, r.FailureTotal, r.CooldownTotal, r.CooldownUnique, r.AppTotal, r.AppUnique,
	}
}

// same fails the test unless a column holds what it should, and nothing of rows before.
func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, stale) }) {
		t.Errorf("%s: what was left in rows is there again", what)
	}
}

// TestRowsAreUsedAgain says that the stock is small enough for these scans to show a row that is not new.
func TestRowsAreUsedAgain(t *testing.T) {
	m := probe.Modules()[slices.IndexFunc(probe.Modules(), func(m probe.Module) bool { return m.Name == "tcp_synscan" })]
	seen := make(finder)
	gathered(t, m, Output{Name: "finder", Sink: seen})
	if again := slices.Max(slices.Collect(maps.Values(seen))); again < 10 {
		t.Errorf("no row was used more than %d times", again)
	}
}

// A finder counts how often it gets a row.
type finder map[*record.Record]int

func (finder) Open(*record.Schema) error { return nil }
func (finder) Close() error              { return nil }

func (f finder) Write(r *record.Record) error {
	f[r]++
	return nil
}

// TestIPv6LeavesNumbersNull fills a row of IPv6 where one of IPv4 was: its addresses have no form as numbers.
func TestIPv6LeavesNumbersNull(t *testing.T) {
	p, err := probe.Sample("tcp_synscan")
	if err != nil {
		t.Fatal(err)
	}
	l, err := newLayout(p.Describe(), nil)
	if err != nil {
		t.Fatal(err)
	}
	row, fresh := record.New(l.schema), record.New(l.schema)
	for _, addr := range []string{"10.0.0.1", "2001:db8::1"} {
		parsed := packet.Parsed{Src: netip.MustParseAddr(addr), Dst: netip.MustParseAddr(addr), TTL: 60}
		l.setIP(row, &parsed, &target.Target{}, false, true)
		fresh.Reset()
		l.setIP(fresh, &parsed, &target.Target{}, false, true)
	}
	var got, want notes
	_, _ = got.Write(row), want.Write(fresh)
	if !slices.Equal(got.rows[0], want.rows[0]) {
		t.Errorf("got\n%q\nwant\n%q", got.rows[0], want.rows[0])
	}
}

package compare

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/sink"
)

// rows is a CSV text as a source.
func rows(t testing.TB, header string, lines ...string) sink.Source {
	t.Helper()
	s, err := sink.NewCSVSource(strings.NewReader(header+"\n"+strings.Join(append(lines, ""), "\n")), sink.SourceOptions{Field: field})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func field(name string) (record.Field, bool) {
	types := map[string]record.Type{"saddr": record.Addr, "sport": record.Int, "success": record.Bool} // and text
	return record.Field{Type: types[name]}, true
}

const full = "saddr,sport,classification,success"

func TestDiff(t *testing.T) {
	before := rows(t, full,
		"10.0.0.1,80,synack,1", "10.0.0.2,80,synack,1", "10.0.0.3,80,rst,0", "10.0.0.4,80,synack,1", "10.0.0.5,80,rst,0",
		"10.0.0.5,80,synack,1", // a refusal, then a success: a service
		"10.0.0.6,443,synack,1", "10.0.0.6,80,synack,1")
	after := rows(t, full,
		"10.0.0.6,80,synack,1", "10.0.0.7,80,synack,1", "10.0.0.4,80,rst,0", "10.0.0.3,80,synack,1", "10.0.0.1,80,synack,1",
		"10.0.0.5,80,synackack,1")
	r, err := Diff(before, after, Options{})
	if err != nil {
		t.Fatal(err)
	}
	at := func(last byte, port uint16) Target { return Target{netip.AddrFrom4([4]byte{10, 0, 0, last}), port} }
	want := &Result{Fields: []string{"classification"}, Ports: true, Before: 6, After: 5, Changes: []Change{
		{Gone, at(2, 80), []string{"synack"}, nil},
		{Appeared, at(3, 80), []string{"rst"}, []string{"synack"}},
		{Gone, at(4, 80), []string{"synack"}, []string{"rst"}},
		{Changed, at(5, 80), []string{"synack"}, []string{"synackack"}},
		{Gone, at(6, 443), []string{"synack"}, nil},
		{Appeared, at(7, 80), nil, []string{"synack"}},
	}}
	if d := cmp.Diff(want, r, cmpopts.EquateComparable(netip.Addr{})); d != "" {
		t.Errorf("result (-want +got):\n%s", d)
	}
}

// TestPlainLists are addresses alone, as C ZMap writes them by default: each is a service, and only presence is compared.
func TestPlainLists(t *testing.T) {
	r, err := Diff(rows(t, "saddr", "10.0.0.1", "10.0.0.2"), rows(t, "saddr", "10.0.0.2", "10.0.0.3", "10.0.0.3"), Options{})
	if err != nil || len(r.Changes) != 2 || r.Changes[0].Kind != Gone || r.Changes[1].Kind != Appeared || r.Ports || r.Before != 2 || r.After != 2 {
		t.Errorf("got %+v, error %v", r, err)
	}
}

func TestMistakes(t *testing.T) {
	for _, c := range []struct {
		name, want    string
		before, after sink.Source
		fields        []string
	}{
		{"no address", "no field saddr, only sport", rows(t, "sport", "80"), rows(t, "saddr"), nil},
		{"one side has ports", "only one side has ports", rows(t, "saddr", "10.0.0.1"), rows(t, "saddr,sport", "10.0.0.1,80"), nil},
		{"field of one side", `field "ttl" is on 1 of 2 sides`, rows(t, "saddr,ttl"), rows(t, "saddr"), []string{"ttl"}},
		{"bad row", "second results: .*line 3", rows(t, "saddr"), rows(t, "saddr", "10.0.0.1", "x"), nil},
	} {
		_, err := Diff(c.before, c.after, Options{Fields: c.fields})
		if err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), "\n", " "), strings.ReplaceAll(c.want, ".*", "")) && !matches(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
}

// matches says whether the pieces of want, between ".*", occur in text in that order.
func matches(text, want string) bool {
	for piece := range strings.SplitSeq(want, ".*") {
		_, rest, found := strings.Cut(text, piece)
		if !found {
			return false
		}
		text = rest
	}
	return true
}

// TestDiffOracle compares with sets of lines: what changed from a to b is what changed from b to a the other way round, nothing
// changes from a to itself, and applying the changes to a gives b.
func TestDiffOracle(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		a, b := world(r), world(r)
		there, err := Diff(source(t, a), source(t, b), Options{})
		if err != nil {
			t.Fatal(err)
		}
		back, err := Diff(source(t, b), source(t, a), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if same, err := Diff(source(t, a), source(t, a), Options{}); err != nil || len(same.Changes) > 0 {
			t.Fatalf("seed %d: %d changes from a to a, error %v", seed, len(same.Changes), err)
		}
		inverse := map[Kind]Kind{Gone: Appeared, Appeared: Gone, Changed: Changed}
		for i, c := range there.Changes {
			d := back.Changes[i]
			if d.Target != c.Target || d.Kind != inverse[c.Kind] || !slices.Equal(c.Was, d.Is) || !slices.Equal(c.Is, d.Was) {
				t.Fatalf("seed %d: %+v there and %+v back", seed, c, d)
			}
			switch key := fmt.Sprintf("%v,%d", c.Target.Addr, c.Target.Port); c.Kind {
			case Gone:
				delete(a, key)
			default:
				a[key] = c.Is[0]
			}
		}
		got, want := services(a), services(b)
		if d := cmp.Diff(want, got); d != "" || there.After != len(want) {
			t.Fatalf("seed %d: %d services after; changes applied (-want +got):\n%s", seed, there.After, d)
		}
	}
}

// world is a random set of services and refusals: class by target.
func world(r *rand.Rand) map[string]string {
	w := make(map[string]string)
	for range r.IntN(40) {
		w[fmt.Sprintf("10.0.0.%d,%d", r.IntN(20), 80+r.IntN(2))] = []string{"synack", "other", "rst"}[r.IntN(3)]
	}
	return w
}

// services are those of a world that are no refusals.
func services(w map[string]string) map[string]string {
	out := make(map[string]string)
	for k, v := range w {
		if v != "rst" {
			out[k] = v
		}
	}
	return out
}

// source is a world as rows, some of them twice, with a refusal before or after.
func source(t *testing.T, w map[string]string) sink.Source {
	var lines []string
	for k, v := range w {
		success := 1
		if v == "rst" {
			success = 0
		}
		lines = append(lines, fmt.Sprintf("%s,%s,%d", k, v, success))
	}
	slices.Sort(lines)
	return rows(t, full, append(lines, lines...)...)
}

// BenchmarkDiff is the cost of a row, and the memory of a target.
func BenchmarkDiff(b *testing.B) {
	schema := record.NewSchema([]record.Field{{Name: "saddr", Type: record.Addr}, {Name: "sport", Type: record.Int}, {Name: "classification"}})
	const n = 100_000
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Diff(&counted{schema: schema, n: n}, &counted{schema: schema, n: n}, Options{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(2*n*b.N)/b.Elapsed().Seconds()/1e6, "Mrows/s")
}

// counted is a source of n rows.
type counted struct {
	schema *record.Schema
	n, at  int
}

func (c *counted) Schema() *record.Schema { return c.schema }
func (c *counted) Close() error           { return errors.New("not asked for") }

func (c *counted) Read(r *record.Record) error {
	if c.at == c.n {
		return io.EOF
	}
	c.at++
	r.Values[0].SetAddr(netip.AddrFrom4([4]byte{10, byte(c.at >> 16), byte(c.at >> 8), byte(c.at)}))
	r.Values[1].SetUint(80)
	r.Values[2].SetText("synack")
	return nil
}

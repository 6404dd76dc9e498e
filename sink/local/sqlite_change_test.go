package local

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/zmap-go/zmap/record"
)

// changeQuery is that of the documentation of SQLiteSchema.
const changeQuery = "SELECT what, saddr, sport, was, now FROM change WHERE before = 'aa%02d' AND after = 'aa%02d' ORDER BY saddr_key, sport"

// TestChange compares the view with two maps, over random scans in which addresses answer more than once, or have no port.
func TestChange(t *testing.T) {
	path := filepath.Join(t.TempDir(), "scans.db")
	rng := rand.New(rand.NewPCG(3, 3))
	type place struct {
		addr netip.Addr
		port string
	}
	const scans = 5
	var states [scans]map[place]string
	for n := range scans {
		db := open(t, path, scanOf(fmt.Sprintf("aa%02d", n), int64(n)), synFields())
		r := record.New(synFields())
		states[n] = make(map[place]string)
		for range 60 {
			a := host(rng.IntN(20))
			if rng.IntN(4) == 0 {
				a = netip.AddrFrom16([16]byte{0x20, 1, 15: byte(rng.IntN(9))})
			}
			class := []string{"synack", "rst", ""}[rng.IntN(3)]
			port := rng.Uint64N(3)
			synRow(r, a, port, class, 1)
			p := place{a, fmt.Sprint(port)}
			if port == 0 {
				r.Values[2], p.port = record.Value{}, ""
			}
			if class == "" {
				r.Values[3] = record.Value{}
			}
			states[n][p] = class
			if err := db.Write(r); err != nil {
				t.Fatal(err)
			}
		}
		finish(t, db, int64(n))
	}
	for before := range scans {
		for after := range scans {
			var want []string
			all := maps.Clone(states[before])
			maps.Copy(all, states[after])
			places := slices.SortedFunc(maps.Keys(all), func(p, q place) int {
				pk, qk := p.addr.As16(), q.addr.As16()
				return strings.Compare(string(pk[:])+p.port, string(qk[:])+q.port)
			})
			for _, p := range places {
				was, had := states[before][p]
				now, has := states[after][p]
				what := ""
				switch {
				case !had:
					what = "appeared"
				case !has:
					what = "gone"
				case was != now:
					what = "changed"
				default:
					continue
				}
				want = append(want, fmt.Sprintf("%s|%s|%s|%s|%s", what, p.addr, p.port, was, now))
			}
			if got := shell(t, path, fmt.Sprintf(changeQuery, before, after)); got != strings.Join(want, "\n") {
				t.Errorf("%d and %d: got\n%s\nwant\n%s", before, after, got, strings.Join(want, "\n"))
			}
		}
	}
}

// TestChangeIsFast demands that every step of the plan uses an index: a scan of a million rows is compared in seconds then.
func TestChangeIsFast(t *testing.T) {
	path := filepath.Join(t.TempDir(), "scans.db")
	finish(t, open(t, path, scanOf("aa00", 1), synFields()), 2)
	conn, err := OpenSQLite(path, SQLiteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	rows, err := conn.conn.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+fmt.Sprintf(changeQuery, 0, 1))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	searches := 0
	for rows.Next() {
		var id, parent, unused int
		var step string
		if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(step, "SEARCH") {
			searches++
		}
		if strings.HasPrefix(step, "SCAN") && step != "SCAN change" {
			t.Errorf("step %q reads a whole table", step)
		}
	}
	if err := rows.Err(); err != nil || searches < 8 {
		t.Errorf("%d searches and %v, want 8 at least", searches, err)
	}
}

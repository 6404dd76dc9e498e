package remote

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/sink"
)

// partsSchema has certificates as a scan with grabs has them, much abbreviated.
func partsSchema() *record.Schema {
	members := []record.Field{
		{Name: "valid", Type: record.Bool},
		{Name: "sha256", Type: record.Binary},
		{Name: "subject", Type: record.String},
		{Name: "not_after", Type: record.Time},
		{Name: "key_bits", Type: record.Int},
	}
	return record.NewSchema([]record.Field{
		{Name: "saddr", Type: record.Addr},
		{Name: "sport", Type: record.Int},
		{Name: "certificates", Type: record.Repeated, Elem: record.NewSchema(members), Key: "sha256"},
	})
}

func certificate(n int, valid bool) record.Object {
	return record.Object{
		{Name: "valid", Value: record.Boolean(valid)},
		{Name: "sha256", Value: record.Bytes(fmt.Appendf(nil, "%032d", n))},
		{Name: "subject", Value: record.Text(fmt.Sprintf("CN=\"n%d\"", n))},
		{Name: "not_after", Value: record.Moment(int64(n) * 86400e9)},
		{Name: "key_bits", Value: record.Uint(uint64(n))},
	}
}

// TestOriginKeepsKeys: what lies in a folder until the server is back knows of keys, too.
func TestOriginKeepsKeys(t *testing.T) {
	o, err := newOrigin("s", sink.Scan{ID: "x"}, partsSchema(), []int{0, 2})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	again, err := decodeOrigin(text)
	if err != nil {
		t.Fatal(err)
	}
	f := again.schema.Field(1)
	if k, ok := f.KeyIndex(); !ok || k != 1 || f.Elem.Len() != 5 || f.Elem.Field(3).Type != record.Time {
		t.Errorf("got the field %+v", f)
	}
	for _, bad := range []string{`"Key":"x"`, `"Key":"a","Elem":[{"Name":"a","Type":1},{"Name":"a","Type":1}]`, `"Key":"a","Elem":[{"Name":"a\"b","Type":1}]`} {
		if _, err := decodeOrigin([]byte(`{"Session":"s","Scan":{"ID":"x"},"Fields":[{"Name":"f","Type":4,` + bad + `}]}`)); err == nil {
			t.Errorf("%s: got no error", bad)
		}
	}
}

// TestPostgresStoresPartsOnce writes rows that share certificates, and queries them as the manual page says.
func TestPostgresStoresPartsOnce(t *testing.T) {
	for _, upsert := range []bool{false, true} {
		dsn := postgresDSN(t)
		k := New(postgresTo(t, PostgresConfig{DSN: dsn, Upsert: upsert}), quick(t))
		if err := errors.Join(k.Begin(sink.Scan{ID: "scan1", Started: time.Unix(1e9, 0), Probe: "p"}), k.Open(partsSchema())); err != nil {
			t.Fatal(err)
		}
		r := record.New(partsSchema())
		for i := range 100 {
			r.Reset()
			r.Values[0].SetAddr(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}))
			r.Values[1].SetUint(443)
			if i%4 != 0 {
				r.Values[2] = record.List([]record.Object{certificate(i%10, i%2 == 0), {{Name: "subject", Value: record.Text("no key")}}, certificate(77, true)})
			}
			if err := k.Write(r); err != nil {
				t.Fatal(err)
			}
			if i%9 == 0 {
				if err := k.Flush(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := k.Close(); err != nil {
			t.Fatal(err)
		}
		view := "observed_certificate"
		if upsert {
			view += "_latest"
		}
		conn := postgresConn(t, dsn)
		for query, want := range map[string]string{
			"SELECT count(*)::text FROM certificate": "11",
			"SELECT count(*)::text FROM " + view:     "150",
			"SELECT string_agg(DISTINCT c.subject || c.key_bits || (c.not_after AT TIME ZONE 'UTC')::date, ' ') FROM certificate AS c WHERE c.key_bits = 7":                                            `CN="n7"71970-01-08`,
			"SELECT count(*)::text FROM " + view + " AS o JOIN certificate AS c ON c.sha256 = o.certificate WHERE o.position = 0 AND o.valid = (c.key_bits % 2 = 0)":                                   "75",
			"SELECT string_agg(host(o.saddr), ' ' ORDER BY o.saddr) FROM " + view + " AS o JOIN certificate AS c ON c.sha256 = o.certificate WHERE c.subject = 'CN=\"n3\"' AND o.saddr < '192.0.2.30'": "192.0.2.3 192.0.2.13 192.0.2.23",
		} {
			var got string
			if err := conn.QueryRow(t.Context(), query).Scan(&got); err != nil {
				t.Fatalf("%s: %v", query, err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", query, diff)
			}
		}
	}
}

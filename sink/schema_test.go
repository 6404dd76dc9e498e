package sink

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/zmap-go/zmap/record"
)

// synSchema has the fields of a tcp_synscan row: 6 of IP, 16 of the module, 5 of the system.
func synSchema() *record.Schema {
	return record.NewSchema(
		[]record.Field{
			{Name: "saddr", Type: record.Addr},
			{Name: "saddr_raw", Type: record.Int},
			{Name: "daddr", Type: record.Addr},
			{Name: "daddr_raw", Type: record.Int},
			{Name: "ipid", Type: record.Int},
			{Name: "ttl", Type: record.Int},
		},
		[]record.Field{
			{Name: "sport", Type: record.Int},
			{Name: "dport", Type: record.Int},
			{Name: "seqnum", Type: record.Int},
			{Name: "acknum", Type: record.Int},
			{Name: "window", Type: record.Int},
			{Name: "tcpopt_mss", Type: record.Int},
			{Name: "tcpopt_wscale", Type: record.Int},
			{Name: "tcpopt_sack_perm", Type: record.Int},
			{Name: "tcpopt_ts_val", Type: record.Int},
			{Name: "tcpopt_ts_ecr", Type: record.Int},
			{Name: "classification", Type: record.String},
			{Name: "success", Type: record.Bool},
			{Name: "icmp_responder", Type: record.Addr},
			{Name: "icmp_type", Type: record.Int},
			{Name: "icmp_code", Type: record.Int},
			{Name: "icmp_unreach_str", Type: record.String},
		},
		[]record.Field{
			{Name: "repeat", Type: record.Bool},
			{Name: "cooldown", Type: record.Bool},
			{Name: "timestamp_str", Type: record.Time},
			{Name: "timestamp_ts", Type: record.Int},
			{Name: "timestamp_us", Type: record.Int},
		},
	)
}

// set sets a field by name.
func set(t testing.TB, r *record.Record, name string, v record.Value) {
	t.Helper()
	i, ok := r.Schema.Lookup(name)
	if !ok {
		t.Fatalf("no field %q", name)
	}
	r.Values[i] = v
}

func setUints(t testing.TB, r *record.Record, values map[string]uint64) {
	t.Helper()
	for name, v := range values {
		set(t, r, name, record.Uint(v))
	}
}

func addr(s string) record.Value { return record.Address(netip.MustParseAddr(s)) }

func setTime(t testing.TB, r *record.Record, at string) {
	t.Helper()
	when, err := time.Parse(time.RFC3339Nano, at)
	if err != nil {
		t.Fatal(err)
	}
	set(t, r, "timestamp_str", record.Moment(when.UnixNano()))
	set(t, r, "timestamp_ts", record.Uint(uint64(when.Unix())))
	set(t, r, "timestamp_us", record.Uint(uint64(when.Nanosecond()/1000)))
}

// synRow is a row that C ZMap printed for a SYN-ACK.
func synRow(t testing.TB) *record.Record {
	r := record.New(synSchema())
	set(t, r, "saddr", addr("20.0.0.0"))
	set(t, r, "daddr", addr("10.99.0.1"))
	setUints(t, r, map[string]uint64{
		"saddr_raw": 20, "daddr_raw": 16802570, "ipid": 4660, "ttl": 60,
		"sport": 80, "dport": 37637, "seqnum": 77, "acknum": 3052641758, "window": 1000,
		"tcpopt_mss": 1460, "tcpopt_wscale": 128, "tcpopt_sack_perm": 1, "tcpopt_ts_val": 5, "tcpopt_ts_ecr": 6,
	})
	set(t, r, "classification", record.Text("synack"))
	set(t, r, "success", record.Boolean(true))
	set(t, r, "repeat", record.Boolean(false))
	set(t, r, "cooldown", record.Boolean(true))
	setTime(t, r, "2026-11-22T15:23:02.480608Z")
	return r
}

// render returns what the format writes for rows of one schema.
func render(t testing.TB, name string, o Options, rows ...*record.Record) string {
	t.Helper()
	f := named(name)
	var b bytes.Buffer
	if o.Location == nil {
		o.Location = time.UTC
	}
	s := f.New(&b, o)
	if err := s.Open(rows[0].Schema); err != nil {
		t.Fatalf("open %s: %v", name, err)
	}
	for _, r := range rows {
		if err := s.Write(r); err != nil {
			t.Fatalf("write %s: %v", name, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatalf("close %s: %v", name, err)
	}
	return b.String()
}

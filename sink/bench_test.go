package sink

import (
	"io"
	"net/netip"
	"testing"

	"github.com/zmap-go/zmap/record"
)

// BenchmarkWrite writes rows of tcp_synscan that differ in address and time, as they do in a scan of a million rows a
// second.
func BenchmarkWrite(b *testing.B) {
	for _, f := range formats() {
		for _, fields := range []string{"saddr", "*"} {
			b.Run(f.Name+"/"+fields, func(b *testing.B) {
				s := f.New(io.Discard, Options{Fields: fields})
				row := synRow(b)
				if err := s.Open(row.Schema); err != nil {
					b.Fatal(err)
				}
				addrs := make([]record.Value, 256)
				for i := range addrs {
					addrs[i] = record.Address(netip.AddrFrom4([4]byte{20, byte(i), 100, byte(i / 2)}))
				}
				at, _ := row.Schema.Lookup("timestamp_str")
				now := row.Values[at].UnixNano()
				b.ReportAllocs()
				for b.Loop() {
					now += 1000
					row.Values[0], row.Values[at] = addrs[now/1000%256], record.Moment(now)
					if err := s.Write(row); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/1e6, "Mrows/s")
			})
		}
	}
}

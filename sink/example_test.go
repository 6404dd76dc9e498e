package sink_test

import (
	"fmt"
	"net/netip"
	"os"

	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/sink"
)

func Example() {
	schema := record.NewSchema([]record.Field{
		{Name: "saddr", Type: record.Addr},
		{Name: "sport", Type: record.Int},
		{Name: "success", Type: record.Bool},
		{Name: "icmp_responder", Type: record.Addr},
	})
	row := record.New(schema)
	row.Values[0] = record.Address(netip.MustParseAddr("192.0.2.1"))
	row.Values[1] = record.Uint(443)
	row.Values[2] = record.Boolean(true)
	all := sink.Options{Fields: "*"}
	for _, s := range []sink.Sink{sink.NewCSV(os.Stdout, all), sink.NewJSON(os.Stdout, all)} {
		if err := s.Open(schema); err != nil {
			fmt.Println(err)
			return
		}
		if err := s.Write(row); err != nil {
			fmt.Println(err)
		}
		if err := s.Close(); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// saddr,sport,success,icmp_responder
	// 192.0.2.1,443,1,
	// {"saddr":"192.0.2.1","sport":443,"success":true}
}

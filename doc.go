// Package zmap scans networks: it asks every address of a space one question, in a random order that needs no memory,
// and recognises answers by a keyed tag instead of by state.
//
//	report, err := zmap.Run(ctx, zmap.Config{
//		Networks: []string{"192.0.2.0/24"},
//		Ports:    "80",
//		Outputs:  []zmap.Output{{Sink: sink.NewCSV(os.Stdout, sink.Options{Fields: "saddr"})}},
//	})
//
// [Config] says what to ask, how fast and where rows go; its zero values are careful defaults. [Run] blocks until the scan
// is over and returns a [Report], also when it ends early. Two scans may run in one process at once. Scan with permission
// and care: docs and README say what that means.
//
// The stages are packages of their own: target, permute, probe, validate, link, packet, dedup, filter, sink.
package zmap

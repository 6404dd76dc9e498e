// Package zmap scans networks: it asks every address of a space one question, in a random order that needs no memory,
// and recognises answers by a keyed tag instead of by state.
//
//	report, err := zmap.Run(ctx, zmap.Config{
//		Networks: []string{"192.0.2.0/24"},
//		Ports:    "80",
//		Outputs:  []zmap.Output{{Sink: sink.NewCSV(os.Stdout, sink.Options{Fields: "saddr"})}},
//	})
//
// [Config] says what to ask, how fast and where rows go; its zero values are careful defaults. There are three ways in:
//
//	Run      a scan; rows go to sinks, a Report comes back
//	Scan     the same as a loop over rows; leaving the loop ends the scan
//	Explain  what Run would do, without a packet
//
// [Hooks] are called while a scan runs: at its start, for probes that were sent, answers, first successes, rows, progress and
// its end.
//
// # Units
//
// Rates are probes per second, all senders together; sizes of frames are bytes from the Ethernet header on; percentages are 0 to
// 100. Ports and other integers are in host order. Addresses are [net/netip.Addr], IPv4.
//
// # Ownership and concurrency
//
// A Config is read and not kept; its slices must not change before Run returns. Probes are shared, since they do not change. A
// sink belongs to one scan: Run opens it, writes to it on one goroutine and closes it; what the sink writes to stays the
// caller's. Rows belong to the scan and are valid during the call, or the step of the loop, that gets them;
// [github.com/zmap-go/zmap/record.Record.Set] makes copies. Hooks are called on one goroutine of their own. A [Plan] and a
// [Report] belong to the caller. Functions of this package may be called from any goroutine, and several scans may run at once:
// the package has no state.
//
// # Errors
//
// Mistakes in a Config are [*ConfigError], all of them joined. A scan that began and did not do what was asked ends with a
// [*StopError], whose [Stop] says why, and which wraps the cause: that of the context, what a sink said
// ([github.com/zmap-go/zmap/sink.ErrReaderGone]), what the link said ([github.com/zmap-go/zmap/link.ErrDown]). All other errors
// kept a scan from beginning. A hook or one of several outputs that fails ends no scan: the report says so.
//
// # Rights
//
// A scan needs CAP_NET_RAW, and for the fastest link CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN; Explain and dry runs need nothing.
// Scan with permission and care: docs and README say what that means.
//
// The stages are packages of their own: target, permute, probe, validate, link, packet, dedup, filter, sink.
package zmap

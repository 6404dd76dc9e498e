package zmap_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/zmap-go/zmap"
	"github.com/zmap-go/zmap/citizen"
	"github.com/zmap-go/zmap/lab"
	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/sink"
)

// internet makes a network of four hosts that listen on port 80, which the examples scan. It needs no rights: this test runs in
// a network namespace of its own.
func internet() (leave func()) {
	net, err := lab.New(context.Background(), lab.World{
		Ports: []uint16{80}, Hosts: []lab.Hosts{{Prefix: netip.MustParsePrefix("10.31.0.0/30"), Kind: lab.Kernel}},
	})
	if err != nil {
		panic(err)
	}
	return func() { _ = net.Close() }
}

// config is a scan of that network and of some more addresses, where nobody is.
func config() zmap.Config {
	return zmap.Config{
		Networks: []string{"10.31.0.0/28"}, AllowSpecial: []citizen.Class{citizen.Private}, // networks of one's own
		Ports: "80", Rate: 1000, Cooldown: 300 * time.Millisecond,
	}
}

// A scan of one port, addresses to standard output.
func ExampleRun() {
	defer internet()()
	c := config()
	c.Outputs = []zmap.Output{{Sink: sink.NewCSV(os.Stdout, sink.Options{Fields: "saddr"}), DefaultMode: true}}
	report, err := zmap.Run(context.Background(), c)
	if err != nil {
		fmt.Println(err)
	}
	fmt.Printf("%.0f%% of %d targets answered\n", report.HitRate(), report.Targets)
	// Unordered output:
	// saddr
	// 10.31.0.0
	// 10.31.0.1
	// 10.31.0.2
	// 10.31.0.3
	// 25% of 16 targets answered
}

// The same of a network that is not the examples' own: it takes CAP_NET_RAW, and is compiled here, not run.
func ExampleRun_network() {
	ctx := context.Background()
	report, err := zmap.Run(ctx, zmap.Config{
		Networks: []string{"192.0.2.0/24"},
		Ports:    "80",
		Outputs:  []zmap.Output{{Sink: sink.NewCSV(os.Stdout, sink.Options{Fields: "saddr"})}},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	fmt.Fprintf(os.Stderr, "%.2f%% of the addresses answered\n", report.HitRate())
}

// Rows in a loop. Leaving it ends the scan.
func ExampleScan() {
	defer internet()()
	found := 0
	for row, err := range zmap.Scan(context.Background(), config()) {
		if err != nil {
			fmt.Println(err)
			return
		}
		port, _ := row.Schema.Lookup("sport")
		fmt.Println(row.Values[port].Uint())
		if found++; found == 2 {
			break // nothing of the scan is left behind
		}
	}
	// Output:
	// 80
	// 80
}

// Hosts that answer are handed to workers as they are found, while the scan goes on. A hook must not do the work itself: the next
// event waits for it.
func ExampleHooks() {
	defer internet()()
	hosts := make(chan netip.AddrPort) // workers that are all busy slow the scan
	var workers sync.WaitGroup
	for range 2 {
		workers.Go(func() {
			for host := range hosts {
				fmt.Println("shaking hands with", host)
			}
		})
	}
	c := config()
	c.Outputs = []zmap.Output{{Sink: sink.NewCSV(io.Discard, sink.Options{Fields: "saddr"})}}
	c.Hooks = zmap.Hooks{
		Start: func(p *zmap.Plan, _ *zmap.Control) { fmt.Println("asking", p.Total, "targets") },
		Hit:   func(h zmap.Hit) { hosts <- netip.AddrPortFrom(h.Addr, h.Port) },
		End:   func(r *zmap.Report, _ error) { fmt.Println(r.Reason) },
	}
	report, err := zmap.Run(context.Background(), c)
	close(hosts)
	workers.Wait()
	if err != nil || report.Hooks != nil {
		fmt.Println(err, report.Hooks)
	}
	// Unordered output:
	// asking 16 targets
	// shaking hands with 10.31.0.0:80
	// shaking hands with 10.31.0.1:80
	// shaking hands with 10.31.0.2:80
	// shaking hands with 10.31.0.3:80
	// walk done
}

// A hook that panics ends neither the scan nor the program.
func ExampleHooks_panic() {
	defer internet()()
	c := config()
	c.Outputs = []zmap.Output{{Sink: sink.NewCSV(io.Discard, sink.Options{Fields: "saddr"})}}
	c.Hooks.Row = func(*record.Record) { panic("no disk") }
	report, err := zmap.Run(context.Background(), c)
	fmt.Println(report.Rows, "rows, error", err)
	for _, f := range report.Hooks {
		fmt.Printf("%s %v, and missed %d\n", f.Hook, f.Err, f.Missed)
	}
	// Output:
	// 4 rows, error <nil>
	// Row panicked: no disk, and missed 3
}

// Why a scan ended.
func ExampleStopError() {
	defer internet()()
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	c := config()
	c.Rate = 10
	for _, err := range zmap.Scan(ctx, c) {
		var stop *zmap.StopError
		if errors.As(err, &stop) && stop.Reason == zmap.StopInterrupted {
			fmt.Println(stop.Reason, "by", stop.Err)
		}
	}
	// Output:
	// interrupted by context deadline exceeded
}

// All mistakes are reported together.
func ExampleConfigError() {
	_, err := zmap.Run(context.Background(), zmap.Config{Ports: "http", Rate: -1, Networks: []string{"10.0.0.0/33"}})
	fmt.Println(err)
	// Output:
	// Ports "http": port "http": "http" is not a port: write a number from 0 to 65535
	// Outputs: there must be one
	// Rate: must be a number of probes per second, 0 or more
	// Networks: argument "10.0.0.0/33": bad prefix length "33": write a number from 0 to 32
}

// What a scan would do: nothing is sent, and no right is needed.
func ExampleExplain() {
	e, err := zmap.Explain(context.Background(), zmap.Config{
		Networks: []string{"192.0.2.0/24"}, AllowSpecial: []citizen.Class{citizen.Documentation}, // one that nobody has
		Ports: "80,443", Rate: 100,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%d probes in %v, one to the same /24 every %v\n", e.Probes, e.Sending, e.Load.Gap)
	// Output:
	// 512 probes in 5.12s, one to the same /24 every 10ms
}

// A dry run shows what would be sent, and sends nothing.
func ExampleRun_dryRun() {
	seed := uint64(1)
	report, err := zmap.Run(context.Background(), zmap.Config{
		Networks:     []string{"192.0.2.0/30"},
		AllowSpecial: []citizen.Class{citizen.Documentation},
		Ports:        "80",
		Seed:         &seed,
		MaxTargets:   zmap.TargetLimit{N: 3},
		DryRun:       &zmap.DryRun{W: io.Discard, Fast: true}, // os.Stdout, in a real program
		Outputs:      []zmap.Output{{Sink: sink.NewCSV(io.Discard, sink.Options{Fields: "saddr"})}},
	})
	fmt.Println(report.Sent, "probes,", report.Reason, err)
	// Output:
	// 3 probes, max-targets <nil>
}

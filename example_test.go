package zmap_test

import (
	"context"
	"fmt"
	"os"

	"github.com/zmap-go/zmap"
	"github.com/zmap-go/zmap/citizen"
	"github.com/zmap-go/zmap/sink"
)

// A scan of one port, addresses to standard output. It needs CAP_NET_RAW.
func ExampleRun() {
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
	_, err := zmap.Run(context.Background(), zmap.Config{
		Networks:     []string{"192.0.2.0/30"},
		AllowSpecial: []citizen.Class{citizen.Documentation},
		Ports:        "80",
		Seed:         &seed,
		MaxTargets:   zmap.TargetLimit{N: 1},
		DryRun:       &zmap.DryRun{W: os.Stdout, Fast: true},
		Outputs:      []zmap.Output{{Sink: sink.NewCSV(os.Stdout, sink.Options{Fields: "saddr", NoHeader: true})}},
	})
	if err != nil {
		fmt.Println(err)
	}
}

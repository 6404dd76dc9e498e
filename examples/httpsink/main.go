// Command httpsink scans, and posts what it finds to a server as it finds it. It is the example of a sink of one's own: sink.go is
// the sink, and docs/extending.md walks through it.
//
//	httpsink https://collector.example/rows 80,443 198.51.100.0/24
//
// Like any scan it needs the right to open packet sockets, and the permission of those whose network it is.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"

	"github.com/zmap-go/zmap"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "httpsink:", err)
		os.Exit(1)
	}
}

// run scans the networks args[2:] on the ports args[1] and posts rows to args[0].
func run(ctx context.Context, args []string) error {
	if len(args) < 3 {
		return errors.New("arguments are missing; write for example: httpsink https://collector.example/rows 80,443 198.51.100.0/24")
	}
	_, err := zmap.Run(ctx, config(args[0], args[1], args[2:]))
	return err
}

// config is the scan. The sink gets the first success of each target; it could be one of several outputs.
func config(url, ports string, networks []string) zmap.Config {
	return zmap.Config{
		Networks: networks,
		Ports:    ports,
		Rate:     1000,
		Outputs:  []zmap.Output{{Sink: newHTTPSink(url, "saddr,sport,classification,timestamp_str"), DefaultMode: true}},
	}
}

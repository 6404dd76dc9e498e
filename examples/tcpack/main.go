// Command tcpack is an ACK scan: it finds out which hosts a bare TCP ACK reaches, and so what firewalls in between let
// through. It is the example of a probe module that lives outside the zmap repository, and uses nothing that a program
// elsewhere could not import; docs/extending.md walks through it.
//
//	tcpack 80,443 198.51.100.0/24
//
// It prints a line of comma separated values for each answer. Like any scan it needs the right to open packet sockets, and
// the permission of those whose network it is.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/zmap-go/zmap"
	"github.com/zmap-go/zmap/sink"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "tcpack:", err)
		os.Exit(1)
	}
}

// run scans the networks args[1:] on the ports args[0] and writes rows to out.
func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) < 2 {
		return errors.New("ports and networks are missing; write for example: tcpack 80,443 198.51.100.0/24")
	}
	_, err := zmap.Run(ctx, config(args[0], args[1:], out))
	return err
}

// config is the scan: all that is not said here has careful defaults.
func config(ports string, networks []string, out io.Writer) zmap.Config {
	return zmap.Config{
		Probe:    ackScan{},
		Ports:    ports,
		Networks: networks,
		Rate:     1000,
		Outputs:  []zmap.Output{{Sink: sink.NewCSV(out, sink.Options{Fields: "saddr,sport,classification,success,icmp_responder,icmp_unreach_str"})}},
	}
}

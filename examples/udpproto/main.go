// Command udpproto looks for STUN servers (RFC 8489). It is the example of a probe module for a protocol over UDP, with a
// decoder that takes nothing for an answer that does not carry the tag; stun.go is the module, mapped.go what it reads of an answer.
//
//	udpproto 198.51.100.0/24
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
		fmt.Fprintln(os.Stderr, "udpproto:", err)
		os.Exit(1)
	}
}

// run scans networks and writes rows to out.
func run(ctx context.Context, networks []string, out io.Writer) error {
	if len(networks) == 0 {
		return errors.New("networks are missing; write for example: udpproto 198.51.100.0/24")
	}
	_, err := zmap.Run(ctx, config(networks, out))
	return err
}

// config is the scan. The module names the port that is asked when nobody else does.
func config(networks []string, out io.Writer) zmap.Config {
	return zmap.Config{
		Probe:    stun{},
		Networks: networks,
		Rate:     1000,
		Outputs:  []zmap.Output{{Sink: sink.NewCSV(out, sink.Options{Fields: "saddr,classification,success,mapped_addr,icmp_unreach_str"})}},
	}
}

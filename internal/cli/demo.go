package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/zmap-go/zmap"
	"github.com/zmap-go/zmap/citizen"
	"github.com/zmap-go/zmap/lab"
	"github.com/zmap-go/zmap/sink"
)

// The demo's Internet: a network with hosts of every kind, and a port that some of them listen on.
const (
	demoPort  = 80
	demoRate  = 50_000
	demoShown = 10 // hosts listed by address
)

// demoCommand returns the command that shows what the program does without a network to scan.
func demoCommand(std Streams) *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "scan a test Internet made of network namespaces on this machine",
		Long: "Builds a small Internet in network namespaces of its own, scans it and compares what was found with what is\n" +
			"there. No packet leaves the machine. Needs Linux, and root or unprivileged user namespaces.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return demo(cmd.Context(), std) },
	}
}

// demoWorld is the Internet of the demo.
func demoWorld() lab.World {
	p := netip.MustParsePrefix
	return lab.World{
		Ports: []uint16{demoPort},
		Hosts: []lab.Hosts{
			{Prefix: p("10.20.4.0/24"), Kind: lab.Kernel},
			{Prefix: p("10.20.77.128/26"), Kind: lab.Kernel},
			{Prefix: p("10.20.99.0/25"), Kind: lab.Refuse},
			{Prefix: p("10.20.140.0/27"), Kind: lab.Late, Delay: 1500 * time.Millisecond},
			{Prefix: p("10.20.180.0/28"), Kind: lab.Twice},
			{Prefix: p("10.20.200.0/26"), Kind: lab.ICMPError, Type: 3, Code: 1, Quote: lab.QuoteMinimum},
			{Prefix: p("10.20.220.0/26"), Kind: lab.ForgeOnly, Forgery: lab.WrongAck},
		},
	}
}

// demoNetwork is what the demo scans.
const demoNetwork = "10.20.0.0/16"

// demo enters a network namespace, builds the Internet, scans it and compares.
func demo(ctx context.Context, std Streams) error {
	inside, status, err := lab.Enter()
	if err != nil {
		return fmt.Errorf("make a test network: %w", err)
	}
	if !inside {
		if status == exitOK {
			return nil
		}
		return exitStatus(status)
	}
	net, err := lab.New(ctx, demoWorld())
	if err != nil {
		return fmt.Errorf("make a test network: %w", err)
	}
	defer func() { _ = net.Close() }()

	link := net.Link()
	fmt.Fprintf(std.Out, "A test Internet behind interface %s (%s): %s has hosts that answer on port %d, refuse, stay silent,\n"+
		"answer late or twice, send ICMP errors, and forge answers. Scanning it as\n\n    zmap -p %d -r %d -c 3 --allow-special private %s\n\n",
		link.Interface, link.Scanner, demoNetwork, demoPort, demoPort, demoRate, demoNetwork)

	var found bytes.Buffer
	o := defaults()
	o.ports, o.rate, o.cooldown, o.verbosity = fmt.Sprint(demoPort), demoRate, 3, 2
	o.blocklist, o.allowSpecial = citizen.ListSpecial, []citizen.Class{citizen.Private}
	o.typed = map[string]bool{}
	j := &job{o: o, networks: []string{demoNetwork}, std: Streams{In: std.In, Out: &found, Err: std.Err}, stop: ctx.Done()}
	if err := j.prepare(ctx); err != nil {
		return err
	}
	j.config.Outputs[0].Sink = sink.NewCSV(&found, sink.Options{Fields: "saddr", NoHeader: true})
	report, err := zmap.Run(ctx, j.config)
	if err != nil {
		return err
	}
	return checkFound(std.Out, report, found.String(), slices.Collect(net.Truth().Addrs(lab.SYN(demoPort), lab.SYNACK)))
}

// checkFound prints the hosts found beside those that are there, and returns an error if they are not the same.
func checkFound(w io.Writer, report *zmap.Report, found string, there []netip.Addr) error {
	truth := make(map[string]bool, len(there))
	for _, a := range there {
		truth[a.String()] = true
	}
	rows := strings.Fields(found)
	fmt.Fprintf(w, "\nFound %d hosts, among them:\n", len(rows))
	for _, r := range rows[:min(demoShown, len(rows))] {
		fmt.Fprintf(w, "    %s\n", r)
	}
	wrong, seen := 0, make(map[string]bool)
	for _, r := range rows {
		if !truth[r] || seen[r] {
			wrong++
		}
		seen[r] = true
	}
	missed := len(truth) - (len(rows) - wrong)
	fmt.Fprintf(w, "\n%d addresses asked, %d probes sent in %s; %d hosts answer in truth: %d missed, %d wrong.\n"+
		"%d refusals and errors were recognised, %d packets were no answers to us (forged ones among them) and left out.\n",
		report.Targets, report.Sent, report.SendEnd.Sub(report.SendStart).Round(time.Millisecond), len(truth), missed, wrong,
		report.FailureTotal, report.Failed)
	if missed != 0 || wrong != 0 {
		return fmt.Errorf("the scan and the truth differ: %d missed, %d wrong", missed, wrong)
	}
	return nil
}

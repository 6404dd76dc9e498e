package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"
	"github.com/zmap-go/zmap/internal/outputs"
	"github.com/zmap-go/zmap/probe"
)

// usage is the first screen of the help.
const usage = `zmap scans networks: it asks every address one question, in a random order, and prints those that answer.

Usage:
  zmap -p PORTS [NETWORK ...] [options]       scan; NETWORK is an address, a CIDR prefix or a host name
  zmap -M icmp_echoscan [NETWORK ...]         scan with another probe
  zmap demo                                   build a test Internet on this machine, scan it, show what was found
  zmap grab MODULE < TARGETS                  what a service says of itself: certificates, banners, versions; rows of JSON
  zmap convert RESULTS OUTPUT ...             write results in another format: zmap convert scan.csv scan.json.zst
  zmap diff BEFORE AFTER [--confirm]          what appeared, is gone, answers otherwise; asks again before it says gone
  zmap certs RESULTS [--expiring DAYS]        certificates in results of grabs: issuers, keys, what expires soon
  zmap ziterate | zblocklist | ztee           the companion tools, also under these names; each has its --help
  zmap completion bash|zsh|fish               print a script for shell completion

Examples:
  zmap -p 80 192.0.2.0/24                     which hosts answer on port 80?
  zmap -p 80,443 192.0.2.0/24 -o hits.csv     two ports; rows go to a file
  zmap -p 22 -r 1000 -O json -f '*' NETWORK   1,000 probes a second; every field of every answer
  zmap -p 80 NETWORK --explain                what would that do, how long, how often to one network? Sends nothing
  zmap -p 80 NETWORK --dryrun -n 3            show three probes, send nothing

192.0.2.0/24 stands for a network of yours. Networks of special purpose, such as private ones, need --allow-special. Scan
only networks whose owners know of it. Keep the rate low for small networks, say who you are (reverse DNS, a web page on the
scanning address), and honour requests to be left alone with --blocklist-file.
`

// printHelp writes the help: usage, every section's options, and the probe modules' own words.
func printHelp(w io.Writer, list []section) {
	var b strings.Builder
	b.WriteString(usage)
	for _, s := range list {
		fmt.Fprintf(&b, "\n%s:\n", s.title)
		s.flags.VisitAll(func(f *pflag.Flag) { printOption(&b, f) })
	}
	b.WriteString("\nProbe modules (--probe-module):\n")
	for _, m := range probe.Modules() {
		fmt.Fprintf(&b, "  %s\n      %s\n", m.Name, strings.ReplaceAll(m.Help, "\n", "\n      "))
	}
	fmt.Fprintf(&b, "\nOutputs (--output-module), all with fields=LIST and filter=EXPRESSION behind a comma:\n")
	for _, o := range outputHelp() {
		fmt.Fprintf(&b, "  %s\n      %s\n", o.left, strings.ReplaceAll(o.right, "\n", "\n      "))
	}
	_, _ = io.WriteString(w, b.String()) // help to a closed pipe is nobody's loss
}

// outputHelp is what there is to say of each kind of output, and of those with a server behind them together.
func outputHelp() []usageRow {
	var list []usageRow
	for _, k := range outputs.Kinds() {
		list = append(list, usageRow{k.Name, k.Help()})
	}
	names, help := outputs.ServerHelp()
	return append(list, usageRow{names, help})
}

// optionColumn is where an option's explanation starts.
const optionColumn = 34

// printOption writes one option, its explanation beside or below it.
func printOption(b *strings.Builder, f *pflag.Flag) {
	meta, text := pflag.UnquoteUsage(f)
	left := "      --" + f.Name
	if f.Shorthand != "" {
		left = "  -" + f.Shorthand + ", --" + f.Name
	}
	if f.NoOptDefVal == "" {
		left += "=" + strings.ToUpper(meta)
	}
	if len(left) >= optionColumn-1 {
		fmt.Fprintf(b, "%s\n%*s", left, optionColumn, "")
	} else {
		fmt.Fprintf(b, "%-*s", optionColumn, left)
	}
	b.WriteString(wrap(text, optionColumn, 110))
	b.WriteByte('\n')
}

// wrap breaks text at blanks so that no line ends beyond width; lines after the first are indented.
func wrap(text string, indent, width int) string {
	var b strings.Builder
	column := indent
	for i, word := range strings.Fields(text) {
		if i > 0 && column+1+len(word) > width {
			fmt.Fprintf(&b, "\n%*s", indent, "")
			column = indent
		} else if i > 0 {
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}

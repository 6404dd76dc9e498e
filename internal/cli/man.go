package cli

import (
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/zmap-go/zmap/probe"
)

// The manual pages say what the help says, from the same tables. They have no date and no version in them, so the same
// program always gives the same page; packaging/man has copies that a test keeps fresh.

// A manPage is a page of section 1 of the manual.
type manPage struct {
	name string
	text func() string // the page in the macros of man(7)
}

// manPages are the pages that there are, that of the scan first.
func manPages() []manPage {
	pages := []manPage{{"zmap", zmapPage}}
	for _, name := range toolNames {
		pages = append(pages, manPage{name, func() string { return toolPage(name) }})
	}
	return pages
}

// manCommand returns the command that prints a page. It is for those who package the program: no help mentions it.
func manCommand(std Streams) *cobra.Command {
	return &cobra.Command{
		Use:    "man [PAGE]",
		Short:  "print a page of the manual",
		Long:   "Prints a page of the manual in the macros of man(7): zmap man | man -l -",
		Hidden: true,
		Args:   cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			name := append(args, manPages()[0].name)[0]
			var names []string
			for _, p := range manPages() {
				if p.name == name {
					_, err := io.WriteString(std.Out, p.text())
					return err
				}
				names = append(names, p.name)
			}
			return fmt.Errorf("man: no page %q; there are: %s", name, strings.Join(names, ", "))
		},
	}
}

// zmapPage returns the page of the scan: the help, and what a page has beyond it.
func zmapPage() string {
	var r roff
	paragraphs := strings.Split(strings.TrimSpace(usage), "\n\n")
	forms, examples := usageTable("Usage:"), usageTable("Examples:")
	r.head("zmap", "scan networks")
	for i, f := range forms {
		if i > 0 {
			r.macro("br")
		}
		r.b.WriteString(bold(f.left) + "\n")
	}
	r.macro("SH", "DESCRIPTION")
	r.prose(paragraphs[0])
	for _, f := range forms {
		r.item(bold(f.left), f.right)
	}
	r.paragraph(paragraphs[len(paragraphs)-1])
	r.paragraph("Results go to the output file or to standard output, and nothing else does; log, status line and errors go " +
		"to standard error.")
	r.macro("SH", "OPTIONS")
	r.prose("Long options may be shortened as long as they stay unambiguous. No option may be given twice, but for --allow-special, --output-module and --annotate, which add up.")
	for _, s := range sections(defaults()) {
		r.macro("SS", s.title)
		s.flags.VisitAll(r.option)
	}
	r.macro("SH", "PROBE MODULES")
	for _, m := range probe.Modules() {
		r.item(bold(m.Name), m.Help)
	}
	r.macro("SH", "OUTPUTS")
	r.prose("All of them take fields=LIST and filter=EXPRESSION behind a comma.")
	for _, o := range outputHelp() {
		r.item(bold(o.left), o.right)
	}
	r.macro("SH", "CONFIGURATION FILE")
	r.prose("The options in /etc/zmap/zmap.conf, or in the file that --config names in its place, hold for what the command line " +
		"does not say. A line of it is the long or short name of an option and its value, with blanks or = " +
		"between them, or the name of an option without a value. Values with blanks stand in single or double quotes. # begins " +
		"a remark. A line with include and the name of a file stands for the lines of that file.")
	r.macro("SH", "BLOCKLIST")
	r.prose("A scan leaves out the networks of one list: that of --blocklist-file on the command line, or in the configuration " +
		"file; or else /etc/zmap/blocklist.conf; or else builtin:special. --allow-special takes the networks of a class, if they " +
		"have lines of their own, out of the built-in lists and of one that holds for every scan of the machine, but not out of " +
		"a file that was named for this scan.")
	r.macro("SH", "OLD NAMES")
	r.prose("Names that C ZMap had before are taken on the command line and in files, and a line of the log says what they are " +
		"called today:")
	for _, old := range slices.Sorted(maps.Keys(oldOptions())) {
		r.item(bold("--"+old), "--"+oldOptions()[old])
	}
	r.paragraph("So are the names of fields with hyphens, such as saddr-raw, and the program zblacklist.")
	r.macro("SH", "SIGNALS")
	r.prose("SIGINT and SIGTERM stop the sending; answers on their way are waited for, and all files are written. " +
		"The second one ends the program at once.")
	r.paragraph("SIGUSR1 makes the scan 5 % faster and SIGUSR2 5 % slower; the log has the old rate and the new one, and the " +
		"metadata the rate at the end. Where the rate is not limited they change nothing.")
	r.macro("SH", "EXIT STATUS")
	r.item(bold("0"), "The scan came to its end, or to a limit that an option sets.")
	r.item(bold("1"), "It could not begin, or something ended it; standard error says what.")
	r.item(bold("130")+", "+bold("143"), "SIGINT or SIGTERM ended it early.")
	r.macro("SH", "EXAMPLES")
	for _, e := range examples {
		r.item(bold(e.left), e.right)
	}
	r.macro("SH", "NOTES")
	r.prose("Scans need CAP_NET_RAW, which root has; a dry run needs no privilege.")
	r.seeAlso(append(slices.Sorted(slices.Values(toolNames)), "capabilities(7)", "packet(7)")...)
	return r.String()
}

// toolPage returns the page of a companion tool, from its own table of options.
func toolPage(name string) string {
	var r roff
	c := toolCommand(name, Streams{})
	about := strings.TrimSuffix(c.Short, ".")
	r.head(name, strings.ToLower(about[:1])+about[1:])
	r.b.WriteString(bold(c.Use) + "\n")
	r.macro("SH", "DESCRIPTION")
	r.prose(c.Long)
	r.prose("The command zmap " + name + " is the same.")
	r.macro("SH", "OPTIONS")
	c.Flags().VisitAll(r.option)
	r.item(bold("-h")+", "+bold("--help"), "print a summary of the options")
	r.seeAlso("zmap")
	return r.String()
}

// head begins a page, up to the heading of the synopsis.
func (r *roff) head(name, about string) {
	r.macro("TH", strings.ToUpper(name), "1", "", "zmap", "User Commands")
	r.macro("SH", "NAME")
	r.b.WriteString(escape(name) + " \\- " + escape(about) + "\n")
	r.macro("SH", "SYNOPSIS")
}

// option writes an entry for an option.
func (r *roff) option(f *pflag.Flag) { r.item(optionTerm(f), f.Usage) }

// seeAlso ends a page with the names of others; those without a section are in section 1.
func (r *roff) seeAlso(pages ...string) {
	r.macro("SH", "SEE ALSO")
	var list []string
	for _, p := range pages {
		name, section, other := strings.Cut(p, "(")
		if !other {
			section = "1)"
		}
		list = append(list, bold(name)+"("+section)
	}
	r.b.WriteString(strings.Join(list, ",\n") + "\n")
}

// optionTerm returns how an option is written.
func optionTerm(f *pflag.Flag) string {
	term := bold("--" + f.Name)
	if f.Shorthand != "" {
		term = bold("-"+f.Shorthand) + ", " + term
	}
	if f.NoOptDefVal == "" {
		argument, _ := pflag.UnquoteUsage(f)
		term += "=" + italic(argument)
	}
	return term
}

// A usageRow is a line of a table in the usage: a command, and what it does.
type usageRow struct{ left, right string }

// usageTable returns the rows below a heading of the usage, up to the next empty line.
func usageTable(heading string) []usageRow {
	var rows []usageRow
	_, text, _ := strings.Cut(usage, heading+"\n")
	text, _, _ = strings.Cut(text, "\n\n")
	gap := regexp.MustCompile(` {2,}`)
	for line := range strings.Lines(text) {
		parts := gap.Split(strings.TrimSpace(line), 2)
		rows = append(rows, usageRow{parts[0], strings.Join(parts[1:], "")})
	}
	return rows
}

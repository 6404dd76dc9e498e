package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/zmap-go/zmap"
	"github.com/zmap-go/zmap/internal/monitor"
	"github.com/zmap-go/zmap/internal/tools"
)

// The companion tools answer under their own names, as links to this program, and as commands below zmap.

// toolNames are the names of the companion tools.
var toolNames = []string{"ziterate", "zblocklist", "ztee"}

// A toolSet declares a tool's options, those that all tools have among them.
type toolSet struct {
	optionSet
	verbosity int64
	logFile   string
	syslog    bool
	version   bool
	remarks   []string // what there is to say before the tool begins
	under     string   // "zmap " for what has no name of its own
}

// newToolSet returns the options that all tools have.
func newToolSet(verbosity int64) *toolSet {
	t := &toolSet{optionSet: newSet(), verbosity: verbosity}
	t.integer(&t.verbosity, "verbosity", "v", fmt.Sprintf("`level` of the log: 0 fatal to 5 trace (default %d)", verbosity), 0, 5)
	t.text(&t.logFile, "log-file", "l", "write the log to `file` instead of standard error")
	t.flag(&t.syslog, "disable-syslog", "", "accepted for old scripts: syslog is never used")
	t.flag(&t.version, "version", "V", "print the version")
	return t
}

// command returns a cobra command that runs work with an open log, unless the version is asked for.
func (t *toolSet) command(std Streams, use, about string, work func(ctx context.Context, log *slog.Logger, args []string) error) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: about, Long: about, Args: cobra.ArbitraryArgs, SilenceErrors: true, SilenceUsage: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if t.version {
				_, err := fmt.Fprintln(std.Out, cmd.Name(), zmap.Version())
				return err
			}
			log, done, err := t.openLog(std.Err)
			if err != nil {
				return err
			}
			defer done()
			for _, r := range t.remarks {
				log.Warn(r)
			}
			return work(cmd.Context(), log, args)
		},
	}
	c.Flags().AddFlagSet(t.FlagSet)
	c.Flags().SortFlags = false
	completePrefix(c.Flags(), func(line string) { t.remarks = append(t.remarks, line) })
	c.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return optionError(cmd.Flags(), err) })
	c.SetHelpFunc(func(*cobra.Command, []string) { t.printHelp(std.Out, t.under+use, about) })
	c.SetOut(std.Out)
	c.SetErr(std.Err)
	return c
}

// openLog opens the log; done closes it.
func (t *toolSet) openLog(w io.Writer) (log *slog.Logger, done func(), err error) {
	done = func() {}
	if t.logFile != "" {
		f, err := os.Create(t.logFile)
		if err != nil {
			return nil, nil, fmt.Errorf("--log-file: %w", err)
		}
		w, done = f, func() { _ = f.Close() }
	}
	return slog.New(monitor.NewLogHandler(w, monitor.LogOptions{Level: monitor.Verbosity(int(t.verbosity))})), done, nil
}

// printHelp writes a tool's help.
func (t *toolSet) printHelp(w io.Writer, use, about string) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\nUsage:\n  %s\n\nOptions:\n", about, use)
	t.VisitAll(func(f *pflag.Flag) { printOption(&b, f) })
	b.WriteString("  -h, --help                      print this help\n")
	_, _ = io.WriteString(w, b.String()) // help to a closed pipe is nobody's loss
}

// toolCommand returns the tool called name, today or before.
func toolCommand(name string, std Streams) *cobra.Command {
	switch name {
	case "ziterate":
		return iterateCommand(std)
	case "ztee":
		return teeCommand(std)
	default:
		return blocklistCommand(name, std)
	}
}

// iterateCommand prints targets in the order of a scan.
func iterateCommand(std Streams) *cobra.Command {
	t := newToolSet(3)
	var c tools.IterateConfig
	var maxTargets string
	shards, shard := int64(1), int64(0)
	t.text(&c.Ports, "target-ports", "p", "`ports`, as of a scan; without them lines are addresses alone")
	t.text(&c.Blocklist, "blocklist-file", "b", "`file` of networks to leave out, one a line, or builtin:special or builtin:zmap")
	t.text(&c.Allowlist, "allowlist-file", "w", "`file` of networks, one a line")
	t.text(&maxTargets, "max-targets", "n", "print at most `n` targets, or n% of all that there could be")
	t.seed(&c.Seed, "seed", "e", "`number` that decides the order")
	t.integer(&shards, "shards", "", "the order is shared by `n` machines", 1, 65535)
	t.integer(&shard, "shard", "", "this is machine `k` of them, counted from 0", 0, 65534)
	t.flag(&c.IgnoreErrors, "ignore-blocklist-errors", "", "go on after entries in the lists that cannot be understood")
	return t.command(std, "ziterate [NETWORK ...] [options]", "Prints the targets of a scan in its order, one a line.",
		func(ctx context.Context, log *slog.Logger, networks []string) error {
			c.Networks, c.Log, c.Shards, c.Shard = networks, log, uint32(shards), uint32(shard)
			if maxTargets != "" {
				var err error
				if c.MaxTargets, err = parseMaxTargets(maxTargets); err != nil {
					return argError("max-targets", maxTargets, err)
				}
			}
			return tools.Iterate(ctx, c, pipe{std.Out})
		})
}

// blocklistCommand lets lines pass whose address may be scanned.
func blocklistCommand(name string, std Streams) *cobra.Command {
	t := newToolSet(3)
	if today := oldTools[name]; today != "" {
		t.remarks = append(t.remarks, renamed("program", name, today))
	}
	var c tools.BlockConfig
	t.text(&c.Blocklist, "blocklist-file", "b", "`file` of networks whose lines are dropped, one a line, or builtin:special or builtin:zmap")
	t.text(&c.Allowlist, "allowlist-file", "w", "`file` of networks whose lines pass, one a line")
	t.flag(&c.NoDuplicateChecking, "no-duplicate-checking", "", "let an address pass more than once")
	t.flag(&c.IgnoreErrors, "ignore-blocklist-errors", "", "go on after entries in the lists that cannot be understood")
	t.flag(&c.IgnoreInputErrors, "ignore-input-errors", "", "drop lines that begin with no address, instead of letting them pass")
	return t.command(std, name+" [options] < LINES", "Lets those lines of standard input pass whose address may be scanned.",
		func(ctx context.Context, log *slog.Logger, _ []string) error {
			c.Log = log
			return tools.Blocklist(ctx, c, std.In, pipe{std.Out})
		})
}

// teeCommand copies a scan's output to a file and its addresses to standard output.
func teeCommand(std Streams) *cobra.Command {
	t := newToolSet(2)
	var c tools.TeeConfig
	t.flag(&c.SuccessOnly, "success-only", "", "print only the addresses of successful rows")
	t.flag(&c.Monitor, "monitor", "m", "print a line of numbers on standard error every second")
	t.text(&c.StatusFile, "status-updates-file", "u", "write a line of numbers every second to `file` as CSV")
	t.flag(&c.Raw, "raw", "r", "print every line as it is")
	return t.command(std, "ztee FILE [options] < ROWS", "Copies standard input to FILE, and its addresses to standard output.",
		func(ctx context.Context, log *slog.Logger, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("ztee takes one file name, and there are %d", len(args))
			}
			c.File, c.Log = args[0], log
			return tools.Tee(ctx, c, std.In, std.Out, std.Err)
		})
}

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes. Those of signals are 128 and the signal's number, as shells have it.
const (
	exitOK      = 0
	exitFailure = 1
	exitSignal  = 128
)

// Streams are a command's standard streams, and where it finds what holds for every scan of the machine.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
	Etc      string // folder of zmap.conf and blocklist.conf; "" means that there are none
	// Whole says that the process runs this program alone: a scan may give up rights that the process will not need again.
	Whole bool
}

// Standard returns the streams of the process.
func Standard() Streams {
	return Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Etc: "/etc/zmap", Whole: true}
}

// A signalError is the cause of a context that a signal ended.
type signalError struct{ sig syscall.Signal }

// Error names the signal.
func (e signalError) Error() string { return e.sig.String() }

// Main runs the command that args spell, args[0] being the program's name, and returns the exit code.
func Main(args []string, std Streams) int {
	signal.Ignore(syscall.SIGPIPE) // a reader that went away is an error of write(2), not the end of the process
	ctx, stop := onSignal()
	defer stop()
	err := interruption(ctx, run(ctx, args, std))
	complain(std.Err, filepath.Base(args[0]), err)
	return exitCode(err)
}

// exitCode returns the exit code that stands for err.
func exitCode(err error) int {
	var sig signalError
	var status exitStatus
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &status):
		return int(status)
	case errors.As(err, &sig):
		return exitSignal + int(sig.sig)
	default:
		return exitFailure
	}
}

// onSignal returns a context that the first SIGINT or SIGTERM ends; the second ends the process at once.
func onSignal() (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	c := make(chan os.Signal, 2)
	signal.Notify(c, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		first, ok := <-c
		if !ok {
			return
		}
		sig, _ := first.(syscall.Signal)
		cancel(signalError{sig})
		if second, ok := <-c; ok {
			sig, _ = second.(syscall.Signal)
			os.Exit(exitSignal + int(sig))
		}
	}()
	return ctx, func() {
		signal.Stop(c)
		close(c)
		cancel(nil)
	}
}

// run parses the command line and runs what it asks for.
func run(ctx context.Context, args []string, std Streams) error {
	words := args[1:]
	if name := filepath.Base(args[0]); slices.Contains(toolNames, name) || oldTools[name] != "" {
		tool := toolCommand(name, std)
		tool.SetArgs(words)
		return tool.ExecuteContext(ctx)
	}
	root := rootCommand(args, std)
	// Only the first word can be a command: zmap -p 80 demo scans a host of that name, and zmap -o demo writes a file.
	if len(words) > 0 && (slices.Contains(commandNames, words[0]) || oldTools[words[0]] != "") {
		root.AddCommand(demoCommand(std), manCommand(std), convertCommand(std), deliverCommand(std), diffCommand(std), grabCommand(std), certsCommand(std), planCommand(std), whoseCommand(std))
		for _, name := range toolNames {
			root.AddCommand(toolCommand(name, std))
		}
		if oldTools[words[0]] != "" {
			root.AddCommand(toolCommand(words[0], std))
		}
		if strings.HasPrefix(words[0], cobra.ShellCompRequestCmd) {
			offerValues(root)
		}
	}
	root.SetArgs(words)
	return root.ExecuteContext(ctx)
}

// commandNames are the first words that are no network to scan; those with underscores are what completion scripts call.
var commandNames = []string{"certs", "convert", "deliver", "demo", "diff", "grab", "help", "completion", "man", "plan", "whose", "ziterate", "zblocklist", "ztee", cobra.ShellCompRequestCmd, cobra.ShellCompNoDescRequestCmd}

// rootCommand returns the scan, without the commands that a first word can name; args are the whole command line.
func rootCommand(args []string, std Streams) *cobra.Command {
	root, o, list := newRoot(args, std)
	root.RunE = func(cmd *cobra.Command, networks []string) error {
		if o.resume != "" {
			return replay(cmd.Context(), o.resume, args, std)
		}
		if err := o.settle(cmd.Flags(), std.Etc); err != nil {
			return err
		}
		return scan(cmd.Context(), o, networks, list, std)
	}
	return root
}

// newRoot returns the command of the scan, which does nothing yet, with its options.
func newRoot(args []string, std Streams) (*cobra.Command, *scanOptions, []section) {
	o := defaults()
	o.argv = args
	list := sections(o)
	root := &cobra.Command{
		Use:           "zmap [NETWORK ...]",
		Short:         "scan networks",
		Args:          cobra.ArbitraryArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	for _, s := range list {
		root.Flags().AddFlagSet(s.flags)
	}
	root.Flags().SortFlags = false
	completePrefix(root.Flags(), func(line string) { o.remarks = append(o.remarks, line) })
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return optionError(cmd.Flags(), err) })
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) {
		if cmd == root {
			printHelp(std.Out, list)
			return
		}
		fmt.Fprintf(std.Out, "%s\n\nUsage:\n  %s\n\n%s", cmd.Long, cmd.UseLine(), cmd.LocalFlags().FlagUsages())
	})
	root.SetIn(std.In)
	root.SetOut(std.Out)
	root.SetErr(std.Err)
	return root, o, list
}

// exitStatus is an error that only carries an exit code: what there was to say has been said.
type exitStatus int

// Error is for programs that print it nevertheless.
func (e exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

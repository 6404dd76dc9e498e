package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/pflag"
	"github.com/zmap-go/zmap"
	"github.com/zmap-go/zmap/filter"
	"github.com/zmap-go/zmap/sink"
)

// optionNames are the options behind the fields of a [zmap.Config], so that its errors can speak a user's language.
var optionNames = map[string]string{
	"Allowlist": "allowlist-file", "Blocklist": "blocklist-file", "AddressList": "list-of-ips-file", "Pairs": "targets-file", "Exclude": "exclude-file", "Suffixes": "ipv6-suffix", "AliasCheck": "alias-check", "Key": "plan", "LinkWait": "link-wait", "Checkpoint": "checkpoint", "Checkpoint.Resume": "resume",
	"AllowSpecial": "allow-special", "Annotate": "annotate",
	"IgnoreListErrors": "ignore-blocklist-errors", "Ports": "target-ports",
	"Probe": "probe-module", "Tries": "probes", "TTL": "probe-ttl", "SourcePorts": "source-port",
	"CheckPort": "validate-source-port",
	"Seed":      "seed", "Shard": "shard", "Shards": "shards",
	"Rate": "rate", "Bandwidth": "bandwidth", "Batch": "batch", "Retries": "retries", "Senders": "sender-threads",
	"Cores": "cores", "MaxTargets": "max-targets", "MaxResults": "max-results", "MaxRuntime": "max-runtime",
	"Cooldown": "cooldown-time", "MinHitRate": "min-hitrate", "MaxSendFailures": "max-sendto-failures",
	"Grab": "grab", "Interface": "interface", "Receive": "receive-interface", "Packets": "iplayer", "Sources": "source-ip", "SourceMAC": "source-mac", "GatewayMAC": "gateway-mac", "Link": "link",
	"Qdisc": "no-qdisc-bypass", "RST": "rst", "DryRun": "dryrun", "Outputs.Filter": "output-filter", "Dedup": "dedup-method",
	"DedupWindow": "dedup-window-size", "Outputs": "output-module",
}

// argError says which option's value cannot be used, and why.
func argError(option, value string, err error) error {
	return fmt.Errorf("--%s %q: %w", option, value, err)
}

// complain prints err, a line for each mistake in it, each with the program's name before it.
func complain(w io.Writer, program string, err error) {
	for _, line := range lines(err) {
		fmt.Fprintf(w, "%s: %s\n", program, line)
	}
}

// lines returns what there is to say about err: a line for each of the errors joined in it. Nothing is said twice, and
// nothing about the end of a program by a signal.
func lines(err error) []string {
	var out []string
	for _, e := range leaves(err) {
		text := message(e)
		told := slices.ContainsFunc(out, func(line string) bool { return strings.HasSuffix(line, text) })
		if text != "" && !told {
			out = append(out, text)
		}
	}
	return out
}

// leaves returns the errors that [errors.Join] has put together in err, or err alone.
func leaves(err error) []error {
	var many interface{ Unwrap() []error }
	if err == nil || !errors.As(err, &many) || errors.Join(many.Unwrap()...).Error() != err.Error() {
		return []error{err}
	}
	var out []error
	for _, e := range many.Unwrap() {
		out = append(out, leaves(e)...)
	}
	return out
}

// message returns one line about an error that is not a joined one, "" if there is nothing to say. A command that it names has
// a line of its own.
func message(err error) string {
	var (
		sig    signalError
		status exitStatus
		path   *fs.PathError
		syntax *filter.Error
		config *zmap.ConfigError
		hidden *excludedError
	)
	switch {
	case err == nil, errors.As(err, &sig), errors.As(err, &status):
		return ""
	case errors.Is(err, sink.ErrReaderGone) && errors.As(err, &path):
		return fmt.Sprintf("nobody reads %s any more: %v", path.Path, path.Err)
	case errors.As(err, &hidden):
		return hidden.Error()
	case errors.As(err, &syntax):
		at := utf8.RuneCountInString(syntax.Source[:min(max(0, syntax.Pos), len(syntax.Source))]) + 1
		return fmt.Sprintf("--output-filter %q: %s, at character %d", syntax.Source, oneLine(syntax.Msg), at)
	case errors.As(err, &config) && config.Error() == err.Error() && isList(config):
		return oneLine(config.Err.Error()) // which names the file and the line, or the argument
	case errors.As(err, &config) && config.Error() == err.Error() && optionNames[config.Field] != "":
		named := *config
		named.Field = "--" + optionNames[config.Field]
		return oneLine(named.Error())
	default:
		return oneLine(err.Error())
	}
}

// isList says whether a mistake is in a list of networks or addresses, and not in an option.
func isList(e *zmap.ConfigError) bool {
	return e.Value == "" && slices.Contains([]string{"Networks", "Allowlist", "Blocklist", "AddressList", "Exclude"}, e.Field)
}

// mistaken says whether there is a mistake in the command line itself. A list that cannot be used is none.
func mistaken(err error) bool {
	return slices.ContainsFunc(leaves(err), func(e error) bool {
		config, ok := errors.AsType[*zmap.ConfigError](e)
		return ok && !isList(config)
	})
}

// oneLine makes one line of several.
func oneLine(text string) string {
	var parts []string
	for part := range strings.Lines(text) {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "; ")
}

// interruption returns the signal in place of an error that only says that ctx has ended, and of none if the signal cut
// something short that does not know it.
func interruption(ctx context.Context, err error) error {
	var sig signalError
	if errors.As(context.Cause(ctx), &sig) && (err == nil || errors.Is(err, context.Canceled)) {
		return sig
	}
	return err
}

// optionError words the errors of a command line that cannot be parsed.
func optionError(fs *pflag.FlagSet, err error) error {
	var (
		unknown *pflag.NotExistError
		missing *pflag.ValueRequiredError
		invalid *pflag.InvalidValueError
		syntax  *pflag.InvalidSyntaxError
	)
	switch {
	case errors.As(err, &unknown):
		return unknownOption(fs, unknown)
	case errors.As(err, &missing):
		return fmt.Errorf("--%s: an argument is missing", missing.GetFlag().Name)
	case errors.As(err, &invalid) && errors.Is(err, errTwice):
		return fmt.Errorf("--%s: %w", invalid.GetFlag().Name, errTwice)
	case errors.As(err, &invalid):
		return argError(invalid.GetFlag().Name, invalid.GetValue(), errors.Unwrap(invalid))
	case errors.As(err, &syntax):
		return fmt.Errorf("%q is no option: zmap --help lists them", syntax.GetSpecifiedFlag())
	default:
		return err
	}
}

// unknownOption tells an unknown option from the beginning of several.
func unknownOption(fs *pflag.FlagSet, err *pflag.NotExistError) error {
	if all := err.GetSpecifiedShortnames(); all != "" {
		letter, _ := utf8.DecodeRuneInString(all) // the name that the error has is a byte of it
		return fmt.Errorf("unknown option -%c: zmap --help lists them", letter)
	}
	name := err.GetSpecifiedName()
	if match := beginningWith(optionsOf(fs), name); len(match) > 1 {
		return fmt.Errorf("--%s could be --%s: write more of it", name, strings.Join(match, ", --"))
	}
	return fmt.Errorf("unknown option --%s: zmap --help lists them", name)
}

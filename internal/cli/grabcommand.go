package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/zmap-go/zmap/citizen"
	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/grab/pool"
	"github.com/zmap-go/zmap/grab/service"
)

// grabAbout is the first screen of the help of zmap grab.
const grabAbout = `Speaks one protocol with each of the targets on standard input, over ordinary connections, and writes a row for each: what the
service says of itself. No privileges are needed. A scan with --grab does the same over the connection of its one SYN.

A line of input is one of
  192.0.2.1   192.0.2.0/24   192.0.2.1:443   [2001:db8::1]:443   www.example.org
  ip, domain, tag, port             as zgrab2 takes them; fields may be empty
  saddr,sport,... with a header, or JSON lines: results of this program or of C ZMap

Examples:
  zmap -p 443 192.0.2.0/24 | zmap grab tls              certificates of what answers
  zmap grab tls mode=certs < hosts.txt -o certs.json    without cryptography: a hundredth of the work
  echo 192.0.2.1:25 | zmap grab banner                  what does the server say by itself?
  echo 192.0.2.1 | zmap grab banner 'probe=HELP\r\n' -p 2000
  zmap grab --list                                      all modules, and what they can be told

A row is {"ip":...,"port":...,"data":{"MODULE":{"status":...,"result":...}}}, which scripts for zgrab2 read. Contact only hosts whose
owners know of it; say who you are with --operator. Networks of special purpose need --allow-special.`

// grabOptionValues are the values of the command line of zmap grab, as typed.
type grabOptionValues struct {
	input, output, fields, blocklist, allowlist, operator, ehlo, source, metadata string
	outputs                                                                       []string
	extra                                                                         extraOptions
	special                                                                       []citizen.Class
	port, rate, inFlight, perAddr, perNet, queue, timeout, bytes, connections     int64
	quiet, list, ignoreLists, ignoreInput, noHeader                               bool
}

// grabCommand returns the command that grabs from targets of the user's.
func grabCommand(std Streams) *cobra.Command {
	t := newToolSet(3)
	t.under = "zmap "
	o := grabOptionValues{rate: -1, extra: defaultExtras()}
	grabTargetOptions(t, &o)
	grabPaceOptions(t, &o)
	grabOutputOptions(t, &o)
	var command *cobra.Command
	command = t.command(std, "grab MODULE [OPTION=VALUE ...] [options] < TARGETS", grabAbout,
		func(ctx context.Context, log *slog.Logger, args []string) error {
			if o.list {
				return listGrabs(std.Out)
			}
			job, err := o.job(ctx, args, command.Flags(), std, log)
			if err != nil {
				return err
			}
			return job.run(ctx)
		})
	return command
}

func grabTargetOptions(t *toolSet, o *grabOptionValues) {
	t.flag(&o.list, "list", "", "list the modules with their options")
	t.text(&o.input, "input-file", "I", "read targets from `file` instead of standard input")
	t.integer(&o.port, "target-port", "p", "`port` of targets that name none (default: the module's)", 1, 65535)
	t.flag(&o.ignoreInput, "ignore-input-errors", "", "lines that cannot be used do not make the exit code 1")
	t.text(&o.blocklist, "blocklist-file", "b", "`file` of networks that are not to be contacted, one a line, IPv4 or IPv6; or builtin:special, the default, or builtin:zmap")
	t.text(&o.allowlist, "allowlist-file", "w", "contact only the networks in `file`, one a line")
	t.classes(&o.special, "allow-special", "take `classes` of networks out of the default blocklist, one or more of "+
		strings.ReplaceAll(citizen.JoinClasses(citizen.Classes()), ",", ", ")+", with commas between them")
	t.flag(&o.ignoreLists, "ignore-blocklist-errors", "", "go on after entries in the lists that cannot be understood")
	o.extra.add(t.optionSet)
}

func grabPaceOptions(t *toolSet, o *grabOptionValues) {
	t.integer(&o.rate, "rate", "r", "begin at most `n` connections a second; 0 means no limit (default 1000)", -1, math.MaxInt32)
	t.integer(&o.inFlight, "in-flight", "", fmt.Sprintf("grab from at most `n` targets at once (default %d)", pool.DefaultInFlight), 1, 1<<20)
	t.integer(&o.perAddr, "per-address", "", fmt.Sprintf("of those at most `n` at one address (default %d)", pool.DefaultPerAddr), 1, 1<<16)
	t.integer(&o.perNet, "per-network", "", fmt.Sprintf("of those at most `n` in one /24, or /48 of IPv6 (default %d)", pool.DefaultPerNet), 1, 1<<16)
	t.integer(&o.timeout, "timeout", "", "end a connection after `seconds` (default 10)", 1, 600)
	t.integer(&o.bytes, "max-bytes", "", fmt.Sprintf("take at most `n` bytes of one connection (default %d)", grab.DefaultBytes), 1, 1<<30)
	t.integer(&o.connections, "connections", "", fmt.Sprintf("make at most `n` connections to one target (default: what the module may need, %d for most)", grab.DefaultConnections), 1, 100)
	t.text(&o.source, "source-ip", "S", "connect from `address`")
	t.text(&o.operator, "operator", "", "`URI` of a page on who measures and how to opt out, for User-Agent headers and the like")
	t.text(&o.ehlo, "operator-host", "", "our own `name`, for EHLO and the like (default: the address)")
}

func grabOutputOptions(t *toolSet, o *grabOptionValues) {
	t.text(&o.output, "output-file", "o", "write rows to `file`; without it, or with -, to standard output")
	t.texts(&o.outputs, "output-module", "O", "`output` as of a scan: json, csv, sqlite=grabs.db, ...; may be given several times (default json)")
	t.text(&o.fields, "output-fields", "f", "`fields` of a row, separated by commas, out of "+strings.Join(grabFieldNames(), ",")+" (default the first five, and with --fingerprints that one; a database takes all)")
	t.flag(&o.noHeader, "no-header-row", "", "write no header line (csv)")
	t.text(&o.metadata, "metadata-file", "m", "write what it came to to `file` as JSON, - for standard output")
	t.flag(&o.quiet, "quiet", "q", "no status line every second")
}

// job makes a run of the options, and names all mistakes in them together. Its lists are read, its outputs open, and nothing is
// emptied yet.
func (o *grabOptionValues) job(ctx context.Context, args []string, flags *pflag.FlagSet, std Streams, log *slog.Logger) (*grabJob, error) {
	if len(args) == 0 {
		return nil, errors.New("grab takes the name of a module: zmap grab tls < targets.txt; zmap grab --list has them all")
	}
	j := &grabJob{o: o, std: std, log: log, lookup: askSystem, rows: make(chan *grabRow, rowQueue)}
	var err error
	if j.module, err = service.Parse(grabText(strings.Join(args, ","), o.outputs, o.fields)); err != nil {
		err = fmt.Errorf("grab %s: %w", strings.Join(args, " "), err)
	}
	if o.operator != "" {
		if u, uerr := url.Parse(o.operator); uerr != nil || u.Scheme == "" || strings.ContainsAny(o.operator, " \t\r\n()<>") {
			err = errors.Join(err, argError("operator", o.operator, errors.New("is no URI, such as https://example.org/scans or mailto:scans@example.org")))
		}
	}
	if strings.ContainsAny(o.ehlo, " \t\r\n") {
		err = errors.Join(err, argError("operator-host", o.ehlo, errors.New("is no name of a host")))
	}
	var local netip.Addr
	if o.source != "" {
		var serr error
		if local, serr = netip.ParseAddr(o.source); serr != nil {
			err = errors.Join(err, argError("source-ip", o.source, errors.New("is no address")))
		}
	}
	if err != nil {
		return nil, err
	}
	lists := scanOptions{blocklist: o.blocklist, line: givenIn(flags)}
	lists.settleBlocklist(std.Etc)
	j.guard, err = newGuard(ctx, guardLists{lists.blocklist, o.allowlist, lists.ownList, o.special, o.ignoreLists})
	if err == nil {
		j.public, err = newGuard(ctx, guardLists{blocklist: citizen.ListSpecial})
	}
	if err != nil {
		return nil, err
	}
	j.dialer = &grab.Dialer{Guard: j.guard.allows, Local: local}
	return j, j.open()
}

// limits are those of each grab.
func (o *grabOptionValues) limits() grab.Limits {
	return grab.Limits{Timeout: time.Duration(o.timeout) * time.Second, Bytes: int(o.bytes), Connections: int(o.connections)}
}

// pace returns connections a second, 0 for no limit.
func (o *grabOptionValues) pace() float64 {
	if o.rate < 0 {
		return defaultGrabRate
	}
	return float64(o.rate)
}

// defaultGrabRate is how many connections begin in a second unless the user says otherwise.
const defaultGrabRate = 1000

// openInput opens what targets are read from.
func (o *grabOptionValues) openInput(std Streams) (in io.ReadCloser, called string, err error) {
	if o.input == "" || o.input == "-" {
		return io.NopCloser(std.In), "standard input", nil
	}
	f, err := os.Open(o.input)
	if err != nil {
		return nil, "", fmt.Errorf("--input-file: %w", err)
	}
	return f, o.input, nil
}

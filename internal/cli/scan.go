package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/zmap-go/zmap"
	"github.com/zmap-go/zmap/dedup"
	"github.com/zmap-go/zmap/internal/engine"
	"github.com/zmap-go/zmap/internal/monitor"
	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/probe"
	"github.com/zmap-go/zmap/sink"
	"github.com/zmap-go/zmap/validate"
)

// scan runs the root command: lists and help, or a scan.
func scan(ctx context.Context, o *scanOptions, networks []string, list []section, std Streams) error {
	switch {
	case o.help:
		printHelp(std.Out, list)
		return nil
	case o.version:
		_, err := fmt.Fprintln(std.Out, "zmap", version())
		return err
	case o.listModules:
		return listModules(std.Out)
	case o.listFormats:
		return listFormats(std.Out)
	}
	j := &job{o: o, networks: networks, std: std, started: time.Now()}
	defer j.closeFiles()
	if err := j.prepare(); err != nil {
		return err
	}
	if o.listFields {
		return listFields(std.Out, j.config.Probe)
	}
	return j.run(ctx)
}

// A job is one scan from the command line: what was typed, the configuration that came of it, and the files it writes.
type job struct {
	o        *scanOptions
	networks []string
	std      Streams
	started  time.Time
	config   zmap.Config
	log      *slog.Logger
	files    []io.Closer
	metadata io.Writer // nil without --metadata-file
}

// prepare turns the options into a configuration and opens the files.
func (j *job) prepare() error {
	steps := []func() error{
		j.openLog, j.setProbe, j.setTargets, j.setPace, j.setNetwork, j.setAnswers, j.checkNotes, j.openMetadata, j.openOutput, j.openStatus,
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// run scans, writes the metadata whatever the end was, and says how it ended.
func (j *job) run(ctx context.Context) error {
	report, err := zmap.Run(ctx, j.config)
	if j.metadata != nil {
		m := j.describe(report, err)
		if _, werr := m.WriteTo(j.metadata); werr != nil {
			err = errors.Join(err, fmt.Errorf("write metadata: %w", werr))
		}
	}
	if report.Reason != engine.Running {
		j.log.Info(summary(report), "module", "zmap")
	}
	var stop *engine.StopError
	if errors.As(err, &stop) && stop.Reason == engine.Interrupted {
		return stop
	}
	return err
}

// summary is one line about what a scan came to.
func summary(r *zmap.Report) string {
	return fmt.Sprintf("completed (%s): %d probes sent to %d targets in %s, %d refused; %d successful answers (%.2f%%), %d lost by the kernel",
		r.Reason, r.Sent, r.Targets, r.SendEnd.Sub(r.SendStart).Round(time.Millisecond), r.Refused, r.SuccessUnique, r.HitRate(), r.Lost)
}

// openLog opens the log.
func (j *job) openLog() error {
	w, colours := j.std.Err, monitor.NoColours
	if j.o.logFile != "" {
		f, err := os.Create(j.o.logFile)
		if err != nil {
			return fmt.Errorf("open --log-file: %w", err)
		}
		j.files = append(j.files, f)
		w = f
	} else if isTerminal(w) {
		colours = monitor.ANSI
	}
	j.log = slog.New(monitor.NewLogHandler(w, monitor.LogOptions{Level: monitor.Verbosity(int(j.o.verbosity)), Colours: colours}))
	j.config.Log = j.log
	return nil
}

// isTerminal says whether w is a character device, as a terminal is.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}

// setProbe chooses the probe module.
func (j *job) setProbe() error {
	p, err := probe.New(j.o.module, probe.Args{Text: j.o.moduleArgs})
	if err != nil {
		return fmt.Errorf("--probe-module: %w", err)
	}
	j.config.Probe = p
	j.config.Tries = int(j.o.probes)
	j.config.TTL = uint8(j.o.ttl)
	j.config.Ports = j.o.ports
	return nil
}

// setTargets says what to ask and in which order.
func (j *job) setTargets() error {
	c, o := &j.config, j.o
	c.Networks, c.Allowlist, c.Blocklist, c.AddressList = j.networks, o.allowlist, o.blocklist, o.addressList
	c.IgnoreListErrors = o.ignoreListErrors
	c.Seed, c.Shard, c.Shards = o.seed, uint32(o.shard), uint32(o.shards)
	if o.maxTargets == "" {
		return nil
	}
	var err error
	if c.MaxTargets, err = parseMaxTargets(o.maxTargets); err != nil {
		return argError("max-targets", o.maxTargets, err)
	}
	return nil
}

// setPace says how fast to send and when to end.
func (j *job) setPace() error {
	c, o := &j.config, j.o
	switch {
	case o.rate == 0:
		c.Rate = zmap.Unlimited
	case o.rate > 0:
		c.Rate = float64(o.rate)
	}
	if o.bandwidth != "" {
		var err error
		if c.Bandwidth, err = parseBandwidth(o.bandwidth); err != nil {
			return argError("bandwidth", o.bandwidth, err)
		}
		if c.Bandwidth > 0 && o.rate > 0 {
			return errors.New("--rate and --bandwidth exclude each other; give one of them")
		}
		if c.Bandwidth > 0 {
			c.Rate = 0
		}
	}
	c.Batch, c.Retries = int(o.batch), orNone(o.retries)
	c.Senders = max(0, int(o.threads))
	c.MaxResults = uint64(o.maxResults)
	c.MaxRuntime = time.Duration(o.maxRuntime) * time.Second
	c.Cooldown = time.Duration(orNone(o.cooldown)) * time.Second
	c.MinHitRate = o.minHitRate
	if o.maxSendFailures >= 0 {
		most := uint64(o.maxSendFailures)
		c.MaxSendFailures = &most
	}
	if o.cores == "" {
		return nil
	}
	var err error
	if c.Cores, err = parseCores(o.cores); err != nil {
		return argError("cores", o.cores, err)
	}
	return nil
}

// orNone turns 0 into the negative number by which a Config knows "none" from "not said".
func orNone(n int64) int {
	if n == 0 {
		return -1
	}
	return int(n)
}

// setNetwork says where frames leave and with which addresses.
func (j *job) setNetwork() error {
	c, o := &j.config, j.o
	var err error
	if o.sourcePorts != "" {
		if c.SourcePorts, err = validate.ParsePorts(o.sourcePorts); err != nil {
			return argError("source-port", o.sourcePorts, err)
		}
	}
	switch o.checkPort {
	case "":
	case "enable":
		c.CheckPort = engine.Yes
	case "disable":
		c.CheckPort = engine.No
	default:
		return argError("validate-source-port", o.checkPort, errors.New("must be enable or disable"))
	}
	if o.sources != "" {
		if c.Sources, err = parseSources(o.sources); err != nil {
			return argError("source-ip", o.sources, err)
		}
	}
	if c.SourceMAC, err = parseMAC("source-mac", o.sourceMAC); err != nil {
		return err
	}
	if c.GatewayMAC, err = parseMAC("gateway-mac", o.gatewayMAC); err != nil {
		return err
	}
	c.Interface, c.Link = o.iface, o.link
	if o.noBypass {
		c.Qdisc = link.QdiscUse
	}
	if o.dryRun || o.fastDryRun {
		c.DryRun = &zmap.DryRun{W: pipe{j.std.Out}, Fast: o.fastDryRun}
		c.Cooldown = -1
	}
	return nil
}

// parseMAC reads a hardware address, nil if there is none.
func parseMAC(option, text string) (*packet.MAC, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // nil is how a Config says that none was given
	}
	m, err := packet.ParseMAC(text)
	if err != nil {
		return nil, argError(option, text, err)
	}
	return &m, nil
}

// setAnswers says which answers become rows.
func (j *job) setAnswers() error {
	c, o := &j.config, j.o
	method, err := dedup.ParseMethod(o.dedup)
	if err != nil {
		return fmt.Errorf("--dedup-method: %w", err)
	}
	c.Dedup, c.DedupWindow = method, int(o.dedupWindow)
	c.Filter = o.filter
	c.DefaultMode = !j.given("output-module") && !j.given("output-fields") && !j.given("output-filter")
	return nil
}

// checkNotes refuses user metadata that is not JSON, before a scan for which it was meant.
func (j *job) checkNotes() error { return checkUserMetadata(j.o.userMetadata) }

// given says whether an option of the output was typed.
func (j *job) given(name string) bool { return j.o.typed[name] }

// closeFiles closes what prepare opened.
func (j *job) closeFiles() {
	for _, f := range j.files {
		if err := f.Close(); err != nil {
			fmt.Fprintf(j.std.Err, "zmap: close: %v\n", err)
		}
	}
	j.files = nil
}

// pipe turns the error of a pipe without a reader into the one that names a stop reason.
type pipe struct{ w io.Writer }

// Write writes to the pipe.
func (p pipe) Write(b []byte) (int, error) {
	n, err := p.w.Write(b)
	return n, sink.WriteError(err)
}

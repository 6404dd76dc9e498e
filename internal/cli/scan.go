package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/zmap-go/zmap"
	"github.com/zmap-go/zmap/internal/monitor"
	"github.com/zmap-go/zmap/sink"
)

// scan runs the root command: lists and help, or a scan.
func scan(ctx context.Context, o *scanOptions, networks []string, list []section, std Streams) error {
	switch {
	case o.help:
		printHelp(std.Out, list)
		return nil
	case o.version:
		return listNames(std.Out, []string{"zmap " + zmap.Version()})
	case o.listPayloads:
		return listPayloads(std.Out)
	case o.listModules:
		return listNames(std.Out, moduleNames())
	case o.listGrabs:
		return listGrabs(std.Out)
	case o.listFormats:
		return listNames(std.Out, formatNames())
	case o.listFields:
		return listFields(std.Out, o.module, o.tables, o.grab != "")
	}
	j := &job{o: o, networks: networks, std: std, stop: ctx.Done(), elsewhere: slog.New(slog.DiscardHandler)}
	err := j.prepare(ctx)
	switch {
	case err != nil:
	case o.explain:
		err = j.explain(ctx)
	default:
		err = j.run(ctx)
	}
	for _, line := range lines(err) {
		j.elsewhere.Log(ctx, monitor.LevelFatal, strings.ReplaceAll(line, commandBreak, " "))
	}
	return errors.Join(err, j.extras.close(), j.closeFiles())
}

// A job is one scan from the command line: what was typed, the configuration that came of it, and the files it writes.
type job struct {
	o         *scanOptions
	networks  []string
	std       Streams
	stop      <-chan struct{} // closed when the user wants an end
	config    zmap.Config
	log       *slog.Logger
	elsewhere *slog.Logger // the part of the log that does not go to standard error
	files     []*file
	pretended []pretended // in the place of files, where nothing is written
	metadata  *file       // nil without --metadata-file, and if that is standard output
	silent    *file       // nil without --unreachable-file
	extras    extras      // of --grab
	listeners []*listener
	control   atomic.Pointer[zmap.Control] // of the scan, once it has begun
}

// prepare turns the options into a configuration, reports all mistakes in them together, and opens the files.
func (j *job) prepare(ctx context.Context) error {
	if err := j.openLog(); err != nil {
		return err
	}
	for _, r := range j.o.remarks {
		j.log.Warn(r, "module", "zmap")
	}
	if err := j.readPlan(); err != nil {
		return err
	}
	err := errors.Join(j.setProbe(), j.setGrab(), j.setTargets(), j.setPairs(), j.setPace(), j.setCheckpoint(), j.setNetwork(), j.setAnswers(), j.checkNotes())
	openGrab := func() error { return j.openGrab(ctx) }
	for _, open := range []func() error{j.readTables, openGrab, j.openMetadata, j.openUnreachable, j.openOutputs, j.openStatus, j.openListeners} {
		if err == nil {
			err = open()
		}
	}
	return err
}

// run scans, writes the metadata however the scan ended, and says how that was. A command line with mistakes in it is no
// scan and leaves no metadata.
func (j *job) run(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() {
		j.log.Info("interrupted: waiting for answers to the last probes; once more ends the program at once", "module", "zmap")
	})()
	rate, begin := newThrottle(j.log), j.config.Hooks.Start
	defer j.rereadExclusions(ctx)()
	j.config.Hooks.Start = func(p *zmap.Plan, c *zmap.Control) {
		begin(p, c)
		rate.start(c)
		j.control.Store(c)
		j.dropPrivileges(p)
	}
	if j.config.Grab != nil {
		defer holdBallast()()
	}
	report, err := zmap.Run(ctx, j.config)
	rate.stop()
	j.closeListeners()
	if mistaken(err) {
		return err
	}
	err = interruption(ctx, j.advise(err))
	_, nerr := j.extras.flush()
	werr := errors.Join(nerr, j.writeUnreachable(report), j.writeMetadata(j.describe(report, err)))
	if report.Reason != zmap.StopNone {
		j.log.Info(j.summary(report), "module", "zmap")
	}
	return errors.Join(err, werr)
}

// summary is one line about what a scan came to.
func (j *job) summary(r *zmap.Report) string {
	end := "completed"
	if !r.Reason.Clean() {
		end = "ended early"
	}
	duration := r.SendEnd.Sub(r.SendStart).Round(time.Millisecond)
	if j.config.DryRun != nil {
		return fmt.Sprintf("dry run %s (%s): %d probes shown in %s", end, r.Reason, r.Sent, duration)
	}
	targets := fmt.Sprintf("%d targets", r.Targets)
	if r.Unreachable > 0 {
		targets += fmt.Sprintf(" (%d of them unreachable)", r.Unreachable)
	}
	if r.PassedOver > 0 {
		targets += fmt.Sprintf(" (%d of them excluded)", r.PassedOver)
	}
	text := fmt.Sprintf("%s (%s): %d probes sent to %s in %s, %d refused; %d successful answers (%.2f%%), %d lost by the kernel",
		end, r.Reason, r.Sent, targets, duration, r.Refused, r.SuccessUnique, r.HitRate(), r.Lost)
	if r.Grab != "" {
		text += "; " + grabSummary(r)
	}
	return text
}

// pipe turns the error of a pipe without a reader into the one that names a stop reason.
type pipe struct{ w io.Writer }

// Write writes to the pipe.
func (p pipe) Write(b []byte) (int, error) {
	n, err := p.w.Write(b)
	return n, sink.WriteError(err)
}

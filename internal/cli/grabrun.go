package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/zmap-go/zmap"
	"github.com/zmap-go/zmap/filter"
	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/grab/pool"
	"github.com/zmap-go/zmap/internal/grabrow"
	"github.com/zmap-go/zmap/internal/intake"
	"github.com/zmap-go/zmap/internal/outputs"
	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/sink"
)

// A grabJob is one run of zmap grab.
//
//	input ── intake.Reader ──> feed ── pool.Wait ──> pool ── done ──> rows ──> write ──> outputs
//
// feed and the pool have goroutines of their own; write is the caller's, which owns the outputs.
type grabJob struct {
	o             *grabOptionValues
	std           Streams
	log           *slog.Logger
	module        grab.Module
	guard, public *guard
	dialer        *grab.Dialer
	lookup        func(ctx context.Context, host string) ([]netip.Addr, error)
	pool          *pool.Pool
	rows          chan *grabRow

	files    job // of which only the files are used
	in       io.ReadCloser
	inName   string
	metadata *file
	outputs  []*converted
	extras   extras
	lists    bool // an output takes certificates

	account grabAccount
	began   time.Time
}

// grabAccount is what feed counts and others read.
type grabAccount struct {
	targets    atomic.Uint64 // offered to the pool, or with names that cannot be looked up
	blocked    atomic.Uint64 // addresses that may not be contacted
	unresolved atomic.Uint64 // names without an address
	bad        atomic.Uint64 // lines that cannot be used
	passed     atomic.Uint64 // rows that are no success
	line       atomic.Uint64 // of the input, whose targets are all offered
}

// rowQueue is how many finished grabs wait for the outputs; then grabs wait with them.
const rowQueue = 256

// A grabRow is one grab with its target.
type grabRow struct {
	target grab.Target
	values []record.Value // of grabrow.Fields
}

// Positions in the schema of rows.
const (
	grabIP = iota
	grabDomain
	grabTag
	grabPort
	grabValues // of grabrow.Fields
)

// grabSchema is what rows of zmap grab have. The names are zgrab2's.
func grabSchema() *record.Schema {
	return record.NewSchema([]record.Field{
		{Name: "ip", Type: record.Addr, Doc: "address of the target"},
		{Name: "domain", Type: record.String, Doc: "name of the target, if the input has one"},
		{Name: "tag", Type: record.String, Doc: "the user's word for the target, if the input has one"},
		{Name: "port", Type: record.Int, Doc: "port of the target"},
	}, grabrow.Fields())
}

func grabFieldNames() []string {
	var names []string
	for _, f := range grabSchema().Fields() {
		names = append(names, f.Name)
	}
	return names
}

// open opens the input, the outputs and all other files, and names all that cannot be opened. Nothing is emptied.
func (j *grabJob) open() (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, j.close())
		}
	}()
	j.files = job{o: defaults(), std: j.std}
	j.files.o.output = j.o.output
	if j.in, j.inName, err = j.o.openInput(j.std); err != nil {
		return err
	}
	if j.extras, err = j.o.extra.open(j.guard.allows, j.files.create); err != nil {
		return err
	}
	if j.o.metadata != "" && j.o.metadata != "-" {
		if j.metadata, err = j.files.open("metadata-file", j.o.metadata); err != nil {
			return err
		}
	}
	if err := j.openOutputs(); err != nil {
		return err
	}
	return j.checkInput()
}

// checkInput refuses outputs that would empty the input.
func (j *grabJob) checkInput() error {
	f, ok := j.in.(*os.File)
	if !ok {
		return nil
	}
	from, err := f.Stat()
	if err != nil {
		return fmt.Errorf("--input-file: %w", err)
	}
	for _, other := range j.files.files {
		if to, err := other.Stat(); err == nil && sameFile(from, to) {
			return sameFileError("input-file", j.o.input, other.Name())
		}
	}
	return nil
}

// openOutputs opens the outputs.
func (j *grabJob) openOutputs() error {
	env := &outputs.Env{
		Stdout: pipe{j.std.Out}, Stderr: j.std.Err, Log: j.log, File: j.o.output, Fields: "ip,domain,tag,port,data", GivenFields: j.o.fields != "", GivenFilter: true, NoHeader: j.o.noHeader,
		Create: j.files.createOutput,
	}
	if len(j.o.extra.rules) > 0 {
		env.Fields += ",fingerprints"
	}
	if j.o.fields != "" {
		env.Fields = j.o.fields
		if _, err := grabSchema().Select(env.Fields); err != nil {
			return argError("output-fields", env.Fields, fmt.Errorf("must be out of %s", strings.Join(grabFieldNames(), ",")))
		}
	}
	texts := j.o.outputs
	if len(texts) == 0 {
		texts = []string{"json"}
	}
	stdout := 0
	for _, text := range texts {
		spec, err := outputs.Parse(text)
		if err != nil {
			return fmt.Errorf("--output-module: %w", err)
		}
		if spec.ToStdout() {
			stdout++
		}
		if stdout > 1 {
			return argError("output-module", text, errors.New("would write where another output does; name files"))
		}
		out, err := spec.Open(grabSchema(), env)
		if err != nil {
			return outputError(&spec, err)
		}
		keep, err := filter.Compile(out.Filter, grabSchema())
		if err != nil {
			return outputError(&spec, err)
		}
		j.lists = j.lists || takesCertificates(&spec, j.o.fields)
		j.outputs = append(j.outputs, &converted{name: out.Name, sink: out.Sink, keep: keep})
	}
	return nil
}

// start empties the files and opens what is to be written to.
func (j *grabJob) start() error {
	j.files.log = j.log
	j.files.beginFiles()
	scan := sink.Scan{ID: sink.NewID(), Started: j.began, Probe: "grab " + j.module.Describe().Name, Version: zmap.Version()}
	for _, t := range j.outputs {
		if store, ok := t.sink.(sink.Store); ok {
			if err := store.Begin(scan); err != nil {
				return fmt.Errorf("begin %s: %w", t.name, err)
			}
		}
		if err := t.sink.Open(grabSchema()); err != nil {
			return fmt.Errorf("open %s: %w", t.name, err)
		}
	}
	return nil
}

// run grabs from all targets.
func (j *grabJob) run(ctx context.Context) (err error) {
	defer holdBallast()()
	j.began = time.Now()
	defer func() { err = errors.Join(err, j.close()) }()
	if err := j.start(); err != nil {
		return err
	}
	j.pool, err = pool.New(pool.Config{
		Module: j.module, Main: j.dialer, More: j.dialer, Names: j.extras.names(j.o.extra.most), Operator: grab.Operator{URI: j.o.operator, Host: j.o.ehlo},
		Limits: j.o.limits(), Guard: j.guard.allows, Public: func(a netip.Addr) bool { return j.public.allows(a) && j.guard.allows(a) },
		Rate: j.o.pace(), InFlight: j.inFlight(openFiles()), PerAddr: int(j.o.perAddr), PerNet: int(j.o.perNet), Queue: int(j.o.queue),
		Done: j.done, Log: j.log,
	})
	if err != nil {
		return err
	}
	feeding, failed := context.WithCancel(ctx)
	defer failed()
	fed := make(chan error, 1)
	go func() {
		defer close(j.rows)
		ferr := j.feed(feeding)
		late, cancel := graceful(feeding, j.grace(ctx))
		defer cancel()
		if derr := j.pool.Drain(late); derr != nil && ctx.Err() != nil {
			j.log.Warn("grabs were cut short, their rows say so")
		}
		fed <- ferr
	}()
	werr := j.write(failed)
	err = errors.Join(<-fed, werr)
	if werr == nil && ctx.Err() != nil {
		j.log.Warn(fmt.Sprintf("interrupted: go on behind line %d of %s", j.account.line.Load(), j.inName))
	}
	return errors.Join(err, j.finish(err, ctx.Err() != nil), j.complaint(err))
}

// inFlight is how many grabs there may be at once, by the user's word and what files the process may have.
func (j *grabJob) inFlight(files uint64) int {
	n, lowered := filesFor(int(j.o.inFlight), files)
	if lowered && j.o.inFlight > 0 {
		j.log.Warn(fmt.Sprintf("--in-flight %d: the process may have %d files open (ulimit -n), so that it is %d", j.o.inFlight, files, n))
	}
	return n
}

// complaint is an error if lines could not be used, and nothing else went wrong.
func (j *grabJob) complaint(err error) error {
	n := j.account.bad.Load()
	if n == 0 || err != nil || j.o.ignoreInput {
		return nil
	}
	return fmt.Errorf("%d lines of %s could not be used; --ignore-input-errors makes that no error", n, j.inName)
}

// grace is how long grabs may go on when the feeding has ended early: if the user wants an end, for as long as one connection; if the
// outputs are broken, not at all. It is asked then.
func (j *grabJob) grace(ctx context.Context) func() time.Duration {
	return func() time.Duration {
		if ctx.Err() == nil {
			return 0
		}
		j.log.Info("interrupted: waiting for grabs to end; once more ends the program at once")
		return j.o.limits().WithDefaults().Timeout + time.Second/2 // what ends by itself should not be cut short
	}
}

// graceful returns a context that ends some time after ctx has.
func graceful(ctx context.Context, after func() time.Duration) (context.Context, func()) {
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		t := time.NewTimer(after())
		defer t.Stop()
		select {
		case <-t.C:
			cancel()
		case <-late.Done():
		}
	})
	return late, func() {
		stop()
		cancel()
	}
}

// close gives up what was opened. Outputs have been closed by finish, if it came to that.
func (j *grabJob) close() error {
	var errs []error
	for _, t := range j.outputs {
		errs = append(errs, t.sink.Close())
	}
	j.outputs = nil
	errs = append(errs, j.extras.close())
	if j.in != nil {
		_ = j.in.Close() // was only read
	}
	return errors.Join(append(errs, j.files.closeFiles())...)
}

// source returns a reader of the targets.
func (j *grabJob) source() *intake.Reader { return intake.New(j.in, j.inName) }

package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/zmap-go/zmap"
	"github.com/zmap-go/zmap/annotate"
	"github.com/zmap-go/zmap/internal/engine"
	"github.com/zmap-go/zmap/internal/grabrow"
	"github.com/zmap-go/zmap/internal/outputs"
	"github.com/zmap-go/zmap/record"
)

// openOutputs makes the sinks and what is behind them.
func (j *job) openOutputs() error {
	fields := annotate.Join(j.config.Annotate...).Fields()
	if j.config.AliasCheck {
		fields = append([]record.Field{engine.AliasField()}, fields...)
	}
	if j.config.Grab != nil {
		fields = append(slices.Clip(fields), grabrow.Fields()...)
	}
	schema := engine.Schema(j.config.Probe.Describe(), fields...)
	env, stdout := j.outputEnv(), 0
	for _, text := range j.o.outputs {
		if why := goneFormat(text); why != "" {
			return argError("output-module", text, errors.New(why))
		}
		spec, err := outputs.Parse(text)
		if err != nil {
			return fmt.Errorf("--output-module: %w", err)
		}
		if spec.ToStdout() {
			if stdout++; stdout > 1 {
				return argError("output-module", text, fmt.Errorf("would write to %s as another output does; name files, as in %s=FILE",
					cmp.Or(env.File, "standard output"), spec.Kind.Name))
			}
		}
		out, err := j.openOutput(&spec, schema, env)
		if err != nil {
			return outputError(&spec, err)
		}
		if err := j.checkResumable(&spec, env, out.Sink); err != nil {
			return argError("output-module", text, err)
		}
		j.config.Outputs = append(j.config.Outputs, out)
	}
	for _, line := range oldFields(schema, env.Fields+" "+j.o.filter) {
		j.log.Warn(line, "module", "zmap")
	}
	return nil
}

// openOutput makes one output. Where nothing is to be written, only what it says of itself is checked.
func (j *job) openOutput(spec *outputs.Spec, schema *record.Schema, env *outputs.Env) (zmap.Output, error) {
	if j.o.explain {
		return spec.Pretend(schema, env)
	}
	return spec.Open(schema, env)
}

// outputError says which option an output's mistake is in.
func outputError(spec *outputs.Spec, err error) error {
	var told *openError
	var fields *outputs.FieldsError
	switch {
	case errors.As(err, &told):
		return err
	case errors.As(err, &fields) && spec.Option("fields") == "":
		return fmt.Errorf("--output-fields: %w", err)
	default:
		return argError("output-module", spec.String(), err)
	}
}

// outputNames are the outputs, without what nobody may see.
func (j *job) outputNames() string {
	names := make([]string, len(j.o.outputs))
	for i, text := range j.o.outputs {
		if spec, err := outputs.Parse(text); err == nil {
			names[i] = spec.String()
		} else {
			names[i], _, _ = strings.Cut(text, "=") // a mistake, which is told elsewhere
		}
	}
	return strings.Join(names, " ")
}

// An openError is an error of a file, and names its option.
type openError struct{ error }

// Unwrap returns the error.
func (e *openError) Unwrap() error { return e.error }

// createOutput opens a file of an output.
func (j *job) createOutput(path string) (io.Writer, error) {
	option := "output-file"
	if path != j.o.output {
		option = "output-module"
	}
	f, err := j.open(option, path)
	if err != nil {
		return nil, &openError{err}
	}
	if j.o.resume != "" {
		f.begun = true // what is in it is the scan's
	}
	return f, nil
}

// create opens the file of an option.
func (j *job) create(option, path string) (io.Writer, error) {
	f, err := j.open(option, path)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// outputEnv is what outputs share.
func (j *job) outputEnv() *outputs.Env {
	fields := j.o.fields
	if fields == "" {
		fields = "saddr"
		if zmap.SeveralPorts(j.config.Ports) || j.config.Pairs != nil {
			fields = "saddr,sport"
		}
		if j.config.AliasCheck {
			fields += ",aliased"
		}
		if j.config.Grab != nil {
			fields = grabFields
			if len(j.o.extra.rules) > 0 {
				fields += ",fingerprints"
			}
		}
	}
	env := &outputs.Env{
		Stdout: j.std.Out, Stderr: j.std.Err, Log: j.log, Stop: j.stop, File: j.o.output, Args: j.o.formatArgs,
		Fields: fields, Filter: j.o.filter, GivenFields: j.given("output-fields"), GivenFilter: j.given("output-filter"),
		DefaultMode: j.defaultMode(), NoHeader: j.o.noHeader || j.defaultMode(),
		Create: j.createOutput,
	}
	if j.o.fastDryRun {
		env.Stdout = io.Discard // it belongs to the probes, and a reader counts bytes
	}
	return env
}

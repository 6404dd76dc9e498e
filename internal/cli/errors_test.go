package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
	"github.com/zmap-go/zmap"
	"github.com/zmap-go/zmap/filter"
	"github.com/zmap-go/zmap/sink"
)

// Every field of a Config that an option sets has that option's name, so that no error shows the name of a Go field.
func TestEveryFieldHasAnOption(t *testing.T) {
	options := make(map[string]bool)
	for _, s := range sections(defaults()) {
		s.flags.VisitAll(func(f *pflag.Flag) { options[f.Name] = true })
	}
	without := map[string]bool{"Networks": true, "Hooks": true, "Log": true}
	config := reflect.TypeFor[zmap.Config]()
	for i := range config.NumField() {
		name := config.Field(i).Name
		option, there := optionNames[name]
		switch {
		case !there && !without[name]:
			t.Errorf("Config.%s has no option", name)
		case there && !options[option]:
			t.Errorf("Config.%s has --%s, which is none", name, option)
		}
	}
	for name := range optionNames {
		of, sub, nested := strings.Cut(name, ".")
		f, there := config.FieldByName(of)
		if nested && there {
			_, there = f.Type.Elem().FieldByName(sub)
		}
		if !there {
			t.Errorf("there is no field Config.%s", name)
		}
	}
}

func TestLines(t *testing.T) {
	gone := &fs.PathError{Op: "write", Path: "/dev/stdout", Err: syscall.EPIPE}
	ports := &zmap.ConfigError{Field: "Ports", Value: "70000", Err: errors.New("too large")}
	interrupted := &zmap.StopError{Reason: zmap.StopInterrupted, Err: signalError{syscall.SIGINT}}
	_, syntax := filter.Compile("é = 1", nil)
	for _, c := range []struct {
		name string
		err  error
		want []string
	}{
		{"nothing", nil, nil},
		{"one", errors.New("a"), []string{"a"}},
		{"joined", errors.Join(errors.New("a"), errors.New("b")), []string{"a", "b"}},
		{"joined twice", errors.Join(errors.Join(errors.New("a"), nil), errors.Join(errors.New("b"), errors.New("c"))), []string{"a", "b", "c"}},
		{"joined and wrapped", fmt.Errorf("read: %w", errors.Join(errors.New("a"), errors.New("b"))), []string{"read: a; b"}},
		{"several lines", errors.New("a:\n  b\n\n  c"), []string{"a:; b; c"}},
		{"said before", errors.Join(errors.New("sink failed: disk full"), errors.New("disk full")), []string{"sink failed: disk full"}},
		{"field", ports, []string{`--target-ports "70000": too large`}},
		{"fields", errors.Join(ports, &zmap.ConfigError{Field: "Tries", Err: errors.New("too many")}), []string{`--target-ports "70000": too large`, "--probes: too many"}},
		{"unknown field", &zmap.ConfigError{Field: "Moon", Err: errors.New("full")}, []string{"Moon: full"}},
		{"signal", interrupted, nil},
		{"signal and more", errors.Join(interrupted, errors.New("close: disk full")), []string{"close: disk full"}},
		{"exit status", exitStatus(5), nil},
		{"reader gone", errors.Join(&zmap.StopError{Reason: zmap.StopReaderGone, Err: sink.WriteError(gone)}, sink.WriteError(gone)), []string{"nobody reads /dev/stdout any more: broken pipe"}},
		{"two reasons in one", fmt.Errorf("%w: %w", errors.New("a"), errors.New("b")), []string{"a: b"}},
	} {
		if d := cmp.Diff(c.want, lines(c.err)); d != "" {
			t.Errorf("%s: lines (-want +got):\n%s", c.name, d)
		}
	}
	if got := lines(&zmap.ConfigError{Field: "Filter", Err: syntax}); syntax != nil && (len(got) != 1 || !strings.HasPrefix(got[0], `--output-filter "é = 1": `)) {
		t.Errorf("filter: lines %q", got)
	}
}

// The position in a filter counts characters, not bytes.
func TestFilterPosition(t *testing.T) {
	err := &zmap.ConfigError{Field: "Filter", Err: &filter.Error{Source: "ä§ x", Pos: len("ä§ "), Msg: "no"}}
	if d := cmp.Diff([]string{`--output-filter "ä§ x": no, at character 4`}, lines(err)); d != "" {
		t.Errorf("lines (-want +got):\n%s", d)
	}
}

func TestComplain(t *testing.T) {
	var b bytes.Buffer
	complain(&b, "zmap", errors.Join(errors.New("a"), errors.New("b")))
	if got, want := b.String(), "zmap: a\nzmap: b\n"; got != want {
		t.Errorf("complain wrote %q, want %q", got, want)
	}
}

func TestExitCodes(t *testing.T) {
	sig := signalError{syscall.SIGTERM}
	for want, errs := range map[int][]error{
		0:   {nil},
		1:   {errors.New("a"), context.Canceled},
		5:   {exitStatus(5), fmt.Errorf("demo: %w", exitStatus(5))},
		143: {sig, &zmap.StopError{Reason: zmap.StopInterrupted, Err: sig}, errors.Join(sig, errors.New("close: disk full"))},
	} {
		for _, err := range errs {
			if got := exitCode(err); got != want {
				t.Errorf("exitCode(%v) = %d, want %d", err, got, want)
			}
		}
	}
}

// Whatever a signal kept from going on is told by the signal, and only that.
func TestInterruption(t *testing.T) {
	running := t.Context()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(signalError{syscall.SIGINT})
	ended, end := context.WithCancel(t.Context())
	end()
	own := errors.New("disk full")
	asked := fmt.Errorf("ask for the gateway: %w", context.Canceled)
	for _, c := range []struct {
		name string
		ctx  context.Context
		err  error
		want int
	}{
		{"no signal", running, nil, 0},
		{"no signal, error", running, own, 1},
		{"signal, cut short", ctx, asked, 130},
		{"signal, nothing said", ctx, nil, 130},
		{"signal, other error", ctx, own, 1},
		{"ended without a signal", ended, asked, 1},
		{"ended without a signal, nothing said", ended, nil, 0},
	} {
		if got := exitCode(interruption(c.ctx, c.err)); got != c.want {
			t.Errorf("%s: exit code %d, want %d", c.name, got, c.want)
		}
	}
}

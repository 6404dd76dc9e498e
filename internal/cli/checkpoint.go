package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/zmap-go/zmap"
	"github.com/zmap-go/zmap/internal/checkpoint"
	"github.com/zmap-go/zmap/internal/outputs"
	"github.com/zmap-go/zmap/sink"
)

// A commandLine is what a checkpoint keeps of the command line, to be used again.
type commandLine struct {
	Args   []string `json:"args"`   // without the program's name
	Folder string   `json:"folder"` // that the program was started in
}

// replay scans on with the command line of the scan in a checkpoint, and what is typed now besides.
func replay(ctx context.Context, path string, args []string, std Streams) error {
	state, err := checkpoint.Open(path)
	if err != nil {
		return fmt.Errorf("--resume: %w", err)
	}
	var was commandLine
	if err := json.Unmarshal(state.Program, &was); err != nil || len(was.Args) == 0 {
		return fmt.Errorf("--resume: %s has no command line: the program that wrote it must carry that scan on", path)
	}
	if now, err := os.Getwd(); err != nil || now != was.Folder {
		return errors.Join(fmt.Errorf("--resume: the scan was started in %s, and names of files may begin there: go to that folder first", was.Folder), err)
	}
	root, o, list := newRoot(args, std)
	if err := root.ParseFlags(was.Args); err != nil {
		return fmt.Errorf("--resume: command line of the scan: %w", err)
	}
	networks := slices.Clone(root.Flags().Args())
	allowAgain(root.Flags())
	if err := root.ParseFlags(args[1:]); err != nil {
		return err
	}
	if o.checkpoint != path {
		o.remarks = append(o.remarks, fmt.Sprintf("the checkpoint was called %s, and goes on as %s", o.checkpoint, path))
	}
	o.commandLine = state.Program
	if err := o.settle(root.Flags(), std.Etc); err != nil {
		return err
	}
	return scan(ctx, o, append(networks, root.Flags().Args()...), list, std)
}

// setCheckpoint says where the scan writes down how far it is, and whether one is carried on.
func (j *job) setCheckpoint() error {
	o := j.o
	switch {
	case o.resumeRewind >= 0 && o.resume == "":
		return errors.New("--resume-rewind has nothing to do: it is for --resume")
	case o.checkpoint == "" && o.resume == "":
		return nil
	case o.explain:
		return errors.New("--explain and --checkpoint exclude each other: nothing is scanned")
	}
	c := &zmap.Checkpoint{Path: o.checkpoint, Program: o.commandLine, Same: map[string]string{
		"probe arguments": o.moduleArgs, "output fields": o.fields, "output filter": o.filter, "options of --grab": o.grab,
	}}
	if o.resume != "" {
		c.Path, c.Resume = o.resume, true
		if o.resumeRewind >= 0 {
			c.Rewind = time.Duration(orNone(o.resumeRewind)) * time.Second
		}
	} else {
		folder, err := os.Getwd()
		if err != nil {
			return fmt.Errorf("--checkpoint: %w", err)
		}
		if c.Program, err = json.Marshal(commandLine{o.argv[1:], folder}); err != nil {
			return fmt.Errorf("--checkpoint: %w", err)
		}
	}
	j.config.Checkpoint = c
	return nil
}

// checkResumable says that an output cannot be carried on, before the scan begins that needs it to be.
func (j *job) checkResumable(spec *outputs.Spec, env *outputs.Env, out sink.Sink) error {
	if j.config.Checkpoint == nil {
		return nil
	}
	if spec.ToStdout() && (env.File == "" || env.File == "-") {
		return errors.New("standard output cannot be taken back to an earlier row, as --checkpoint needs it: name a file")
	}
	if _, ok := out.(sink.Resumer); !ok {
		return errors.New("cannot be carried on after the program was killed, as --checkpoint needs it: csv, json and sqlite in files without rotation can")
	}
	return nil
}

// announceResumption logs where a scan is carried on.
func (j *job) announceResumption(r *zmap.Resumption) {
	if r == nil {
		return
	}
	j.log.Info(fmt.Sprintf("the scan goes on where it was on %s: %d targets and %d rows are behind it; what it asked in the %s before is asked again",
		r.At.Format(time.DateTime), r.Targets, r.Rows, r.At.Sub(r.Back).Round(time.Millisecond)), "module", "zmap")
}

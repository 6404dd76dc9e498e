package cli

import (
	"errors"
	"fmt"

	"github.com/zmap-go/zmap/annotate"
	"github.com/zmap-go/zmap/internal/engine"
	"github.com/zmap-go/zmap/probe"
)

// readTables reads what rows are annotated from.
func (j *job) readTables() error {
	var err error
	j.config.Annotate, err = readTables(j.o.tables, j.config.Probe.Describe())
	return err
}

// readTables reads tables whose fields are to stand in one row with those of a probe module, and reports all mistakes together.
func readTables(paths []string, d probe.Description) ([]annotate.Annotator, error) {
	var all []annotate.Annotator
	var errs []error
	for _, path := range paths {
		t, err := annotate.Open(path)
		if err != nil {
			errs = append(errs, fmt.Errorf("--annotate: %w", err))
			continue
		}
		if err := engine.CheckNotes(d, t.Fields()); err != nil {
			errs = append(errs, argError("annotate", path, err))
		}
		all = append(all, t)
	}
	return all, errors.Join(errs...)
}

package cli

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/zmap-go/zmap"
	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/internal/outputs"
	"github.com/zmap-go/zmap/internal/privilege"
)

// dropPrivileges gives up what the scan does not need from here on: its links and files are open.
func (j *job) dropPrivileges(p *zmap.Plan) {
	if !j.std.Whole || j.config.DryRun != nil {
		return
	}
	s, err := privilege.Drop(j.need(p))
	if err != nil {
		j.log.Warn(fmt.Sprintf("the scan goes on with rights that it does not need: %v", err), "module", "privilege")
		return
	}
	left := "no capabilities"
	if len(s.Capabilities) > 0 {
		left = "capabilities " + strings.Join(s.Capabilities, ", ")
	}
	j.log.Debug(fmt.Sprintf("runs on as user %d with %s; new privileges barred: %v; files kept from being written by Landlock %d", s.User, left, s.Sealed, s.Landlock),
		"module", "privilege")
}

// need says what the scan still needs.
func (j *job) need(p *zmap.Plan) privilege.Need {
	n := privilege.Need{Admin: p.Transport == grab.Handover, BPF: p.Link == "xdp", Programs: len(j.listeners) > 0}
	if c := j.config.Checkpoint; c != nil {
		n.Folders = append(n.Folders, filepath.Dir(c.Path))
	}
	for _, text := range j.o.outputs {
		spec, err := outputs.Parse(text)
		if err != nil {
			continue // it is open, so that there is none
		}
		n.Programs = n.Programs || spec.Runs()
		n.Folders = append(n.Folders, spec.Folders(j.o.output)...)
	}
	return n
}

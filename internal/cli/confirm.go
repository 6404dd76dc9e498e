package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/zmap-go/zmap"
	"github.com/zmap-go/zmap/citizen"
	"github.com/zmap-go/zmap/internal/compare"
	"github.com/zmap-go/zmap/internal/outputs"
	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/sink"
	"github.com/zmap-go/zmap/target"
)

// confirmProbes is how many probes a service gets that seems gone, unless --probes says otherwise: with 5 % of the packets
// lost on either way, one service in a thousand stays silent through three.
const confirmProbes = 3

// reprobe asks what seems gone once more, and takes what answers out of the changes. Only targets that the first scan had are
// asked, and none on its blocklist.
func (d *difference) reprobe(ctx context.Context, r *compare.Result, before sink.Source) error {
	byPort := make(map[uint16][]compare.Target)
	for _, c := range r.Changes {
		if c.Kind == compare.Gone {
			byPort[c.Target.Port] = append(byPort[c.Target.Port], c.Target)
		}
	}
	if len(byPort) == 0 {
		return nil
	}
	if err := d.settle(before); err != nil {
		return err
	}
	found := &answers{there: make(map[compare.Target]bool)}
	for port, gone := range byPort {
		if err := d.ask(ctx, port, gone, found); err != nil {
			return fmt.Errorf("confirm what is gone: %w", err)
		}
	}
	seeming := len(r.Changes)
	r.Changes = slices.DeleteFunc(r.Changes, func(c compare.Change) bool { return c.Kind == compare.Gone && found.there[c.Target] })
	missed := seeming - len(r.Changes)
	d.log.Info(fmt.Sprintf("%d services that seemed gone answer", missed))
	d.doubt(r, missed)
	return nil
}

// doubt says how many services may have appeared only because the first scan missed them. Nobody can ask for them any more, but
// the scans are alike: for each service that the second one found, the first one will have missed as large a part of one.
func (d *difference) doubt(r *compare.Result, missed int) {
	appeared := 0
	for _, c := range r.Changes {
		if c.Kind == compare.Appeared && c.Was == nil {
			appeared++
		}
	}
	if missed == 0 || appeared == 0 {
		return
	}
	there := r.Before * missed / max(r.After, 1)
	d.log.Warn(fmt.Sprintf("the second scan missed %d of the first one's services; if the first one was no better, some %d of the %d that appeared "+
		"without an answer before may have been there: scans with more --probes tell", missed, min(there, appeared), appeared))
}

// settle fills in what the first scan says of itself and the command line does not.
func (d *difference) settle(before sink.Source) error {
	o := d.scan
	if kept, ok := before.(outputs.Kept); ok {
		scan := kept.Scan()
		var scope zmap.Scope
		if err := json.Unmarshal(scan.Config, &scope); len(scan.Config) > 0 && err != nil {
			return fmt.Errorf("read what the first scan was: %w", err)
		}
		d.adopt(scan.Probe, &scope)
	}
	if o.probes == 1 && !o.typed["probes"] {
		o.probes = confirmProbes
	}
	return nil
}

// adopt takes over a scan's probe module and its lists.
func (d *difference) adopt(module string, s *zmap.Scope) {
	o := d.scan
	if module != "" && !o.typed["probe-module"] {
		o.module = module
	}
	if s.Blocklist != "" && !o.typed["blocklist-file"] {
		o.blocklist, o.ownList = s.Blocklist, !citizen.IsBuiltin(s.Blocklist)
	}
	if !o.typed["allow-special"] && !o.ownList {
		for _, c := range s.AllowSpecial {
			o.allowSpecial = append(o.allowSpecial, citizen.Class(c))
		}
	}
	if !o.typed["allowlist-file"] {
		o.allowlist = s.Allowlist
	}
	d.networks = s.Networks
}

// ask scans what seems gone at one port.
func (d *difference) ask(ctx context.Context, port uint16, gone []compare.Target, found *answers) error {
	dir, err := os.MkdirTemp("", "zmap-diff-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	var list strings.Builder
	for _, t := range gone {
		fmt.Fprintln(&list, t.Addr)
	}
	o := *d.scan
	o.addressList = filepath.Join(dir, "gone")
	if err := os.WriteFile(o.addressList, []byte(list.String()), 0o600); err != nil {
		return err
	}
	if o.ports = ""; port != 0 {
		o.ports = fmt.Sprint(port)
	}
	j := &job{
		o: &o, networks: d.networks, std: Streams{In: d.std.In, Out: d.std.Err, Err: d.std.Err, Etc: d.std.Etc}, log: d.log,
		elsewhere: slog.New(slog.DiscardHandler),
	}
	if err := errors.Join(j.setProbe(), j.setTargets(), j.setPace(), j.setNetwork(), j.setAnswers()); err != nil {
		return err
	}
	found.port = port
	j.config.Log = d.log
	j.config.Outputs = []zmap.Output{{Name: "answers", Sink: found, DefaultMode: true}}
	report, err := zmap.Run(ctx, j.config)
	if errors.Is(err, target.ErrEmpty) {
		err = nil
	}
	if left := uint64(len(gone)) - report.Targets; err == nil && left > 0 {
		d.log.Warn(fmt.Sprintf("%d services that seem gone are not asked again: they are on the blocklist, or were not among the first scan's targets", left))
	}
	return err
}

// answers are the targets that answered.
type answers struct {
	there map[compare.Target]bool
	addr  int
	port  uint16
}

// Open finds the address in a row.
func (a *answers) Open(s *record.Schema) error {
	a.addr, _ = s.Lookup("saddr") // every schema of a scan has it
	return nil
}

// Write notes who answered.
func (a *answers) Write(r *record.Record) error {
	a.there[compare.Target{Addr: r.Values[a.addr].Addr(), Port: a.port}] = true
	return nil
}

// Close has nothing to do.
func (a *answers) Close() error { return nil }

package zmap

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/zmap-go/zmap/citizen"
	"github.com/zmap-go/zmap/internal/engine"
	"github.com/zmap-go/zmap/sink"
)

// A Scope is what databases keep of a [Config] beside its rows, as JSON: what another program needs to ask the same targets
// again, and a reader to know what the rows are answers to. Paths are absolute.
type Scope struct {
	Networks     []string     `json:"networks,omitempty"`
	Allowlist    string       `json:"allowlist,omitempty"`
	Blocklist    string       `json:"blocklist,omitempty"` // a file, or a list that package citizen has by name
	AllowSpecial []string     `json:"allow_special,omitempty"`
	AddressList  string       `json:"address_list,omitempty"`
	Ports        string       `json:"ports,omitempty"`
	Tries        int          `json:"tries"`
	TTL          uint8        `json:"ttl"`
	Seed         uint64       `json:"seed"`
	Shard        uint32       `json:"shard"`
	Shards       uint32       `json:"shards"`
	Rate         float64      `json:"rate"` // probes per second, 0 for not limited
	Targets      uint64       `json:"targets"`
	Interface    string       `json:"interface,omitempty"`
	Sources      []netip.Addr `json:"sources,omitempty"`
}

// scope returns the scan's.
func (s *setup) scope(p *Plan) Scope {
	out := Scope{
		Networks: s.Networks, Allowlist: absolute(s.Allowlist), Blocklist: s.Blocklist, AddressList: absolute(s.AddressList),
		Ports: s.Ports, Tries: s.Tries, TTL: s.TTL, Seed: p.Seed, Shard: s.Shard, Shards: s.Shards, Rate: p.Rate, Targets: p.Share,
		Interface: p.Path.Interface, Sources: p.SourceAddrs(),
	}
	if !citizen.IsBuiltin(s.Blocklist) {
		out.Blocklist = absolute(s.Blocklist)
	}
	for _, c := range s.AllowSpecial {
		out.AllowSpecial = append(out.AllowSpecial, string(c))
	}
	return out
}

// absolute returns a path that means the same in another folder.
func absolute(path string) string {
	if path == "" {
		return ""
	}
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// beginStores tells the stores among the outputs which scan their rows are of.
func (s *setup) beginStores(p *Plan) error {
	scope, err := json.Marshal(s.scope(p))
	if err != nil {
		return fmt.Errorf("describe scan: %w", err)
	}
	scan := sink.Scan{ID: p.ID, Started: time.Now(), Probe: s.desc.Name, Version: Version(), Config: scope}
	for i, o := range s.outs {
		if store, ok := o.Sink.(sink.Store); ok {
			if err := store.Begin(scan); err != nil {
				return engine.SinkStop(engine.OutputFailure(s.outs, i, err))
			}
		}
	}
	return nil
}

// endStores tells them how it ended.
func (s *setup) endStores(r *Report) {
	counts, err := json.Marshal(r.Counts)
	for i := range r.Outputs {
		o := &r.Outputs[i]
		store, ok := s.outs[i].Sink.(sink.Store)
		if ok && o.Err == nil {
			o.Err = errors.Join(err, store.End(sink.Outcome{Ended: time.Now(), Reason: r.Reason.String(), Counts: counts}))
		}
	}
}

// closeOutputs has the sinks write what they hold back, and returns the error of the scan. A scan that went well until then
// ends for the reason that rows are lost; a sink that has failed before only says so again.
func (s *setup) closeOutputs(r *Report, err error) error {
	if r.Outputs == nil {
		return errors.Join(err, s.closeUnused())
	}
	told := r.Reason == engine.SinkFailed || r.Reason == engine.ReaderGone
	s.endStores(r)
	var lost []error
	for i := range r.Outputs {
		o := &r.Outputs[i]
		if cerr := s.outs[i].Sink.Close(); o.Err == nil {
			o.Err = cerr
		}
		if o.Err != nil && !told {
			lost = append(lost, engine.OutputFailure(s.outs, i, o.Err))
		}
	}
	if len(lost) == 0 || err != nil {
		return errors.Join(append([]error{err}, lost...)...)
	}
	stop := engine.SinkStop(errors.Join(lost...))
	r.Reason = stop.Reason
	return stop
}

// closeUnused closes the sinks of a scan that did not begin.
func (c *Config) closeUnused() error {
	var errs []error
	for _, o := range c.Outputs {
		if o.Sink != nil {
			errs = append(errs, o.Sink.Close())
		}
	}
	return errors.Join(errs...)
}

package plan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/zmap-go/zmap/internal/sealed"
	"github.com/zmap-go/zmap/permute"
	"github.com/zmap-go/zmap/target"
	"github.com/zmap-go/zmap/validate"
)

// format is that of plans: a million networks are 20 MB.
func format() sealed.Kind {
	return sealed.Kind{Magic: "zmap-plan", Name: "plan", Version: 1, MaxBytes: 256 << 20}
}

// A Plan is what all shards of a scan have in common.
type Plan struct {
	Made      time.Time `json:"made"`
	Version   string    `json:"zmap_version"`
	Probe     string    `json:"probe"`                // name of the module
	ProbeArgs string    `json:"probe_args,omitempty"` // its arguments
	Ports     string    `json:"ports,omitempty"`      // asked at each address, as typed; "" for probes without ports
	Sources   string    `json:"source_ports"`         // of the probes: "32768-61000"
	Tries     int       `json:"tries"`                // probes to each target
	TTL       uint8     `json:"ttl"`
	Rate      float64   `json:"rate"` // of each shard unless it is told otherwise, in probes a second; 0 is as fast as the link goes
	Seed      uint64    `json:"seed,string"`
	Shards    uint32    `json:"shards"`
	Key       string    `json:"key"`      // of the probes, 32 hexadecimal digits
	Networks  []string  `json:"networks"` // the addresses to ask, without those that are blocked; of IPv6 windows
	Suffixes  string    `json:"ipv6_suffixes,omitempty"`
}

// Create writes p to a new file, which its owner alone may read. What is there already stays: its key may be asked for.
func (p *Plan) Create(path string) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists: a plan is never written over, since its key may be asked for", path)
	}
	if err != nil {
		return err
	}
	if _, err = p.WriteTo(f); err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// WriteTo writes p.
func (p *Plan) WriteTo(w io.Writer) (int64, error) {
	text, err := format().Encode(p)
	if err != nil {
		return 0, err
	}
	n, err := w.Write(text)
	return int64(n), err
}

// Open reads the plan in a file. Shared says that others than its owner may read it.
func Open(path string) (p *Plan, shared bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, false, err
	}
	if p, err = Read(f); err != nil {
		return nil, false, fmt.Errorf("%s: %w", path, err)
	}
	return p, st.Mode().Perm()&0o077 != 0, nil
}

// Read reads a plan. Of what is none it says why.
func Read(r io.Reader) (*Plan, error) {
	p := &Plan{}
	if err := format().Decode(r, p); err != nil {
		return nil, err
	}
	return p, p.check()
}

// check says what is wrong with a plan that somebody has made by hand.
func (p *Plan) check() error {
	_, err := p.ProbeKey()
	switch {
	case err != nil:
		return err
	case p.Shards == 0 || p.Tries < 1 || p.Tries > 65535 || p.Rate < 0 || len(p.Networks) == 0:
		return fmt.Errorf("is no plan: it has %d shards, %d tries, rate %v and %d networks", p.Shards, p.Tries, p.Rate, len(p.Networks))
	}
	var b target.Builder
	for _, n := range p.Networks {
		if b.Add(target.Allow, n) != nil || !strings.Contains(n, "/") {
			return fmt.Errorf("is no plan: %.40q is no network", n)
		}
	}
	if _, err := target.ParseSuffixes(p.Suffixes); err != nil {
		return fmt.Errorf("is no plan: %w", err)
	}
	_, err = validate.ParsePorts(p.Sources)
	return err
}

// ProbeKey returns the key of the probes.
func (p *Plan) ProbeKey() (k validate.Key, err error) {
	if k, err = validate.ParseKey(p.Key); err != nil {
		err = fmt.Errorf("is no plan: its %w", err)
	}
	return k, err
}

// order returns the targets, and the cycle in which they are asked.
func (p *Plan) order(ctx context.Context, ports target.Ports) (*target.Space, *permute.Cycle, error) {
	suffixes, err := target.ParseSuffixes(p.Suffixes)
	if err != nil {
		return nil, nil, err
	}
	b := target.Builder{Ports: ports, Suffixes: suffixes, Seed: p.Seed}
	if err := b.AddAllowed("", p.Networks); err != nil {
		return nil, nil, err
	}
	space, err := b.Build(ctx)
	if err != nil {
		return nil, nil, err
	}
	c, err := permute.New(p.Seed, permute.Grid{Rows: space.Rows(), Cols: space.Cols()})
	return space, c, err
}

package cli

import (
	"errors"
	"fmt"
	"io"
	"net/netip"

	"github.com/zmap-go/zmap/fingerprint"
	"github.com/zmap-go/zmap/grab/name"
	"github.com/zmap-go/zmap/sink"
)

// extraOptions are what grabs are told of names to ask for and of rules to match, as typed: by scans with --grab and by zmap grab.
type extraOptions struct {
	maps, rules     []string
	most            int64
	resolver, found string
}

// defaultExtras are those of a command line without any.
func defaultExtras() extraOptions { return extraOptions{most: name.DefaultMax} }

// extraNames are the options that belong to an extraOptions.
func extraNames() []string {
	return []string{"sni-map", "max-names", "resolver", "found-names-file", "fingerprints"}
}

// add declares the options.
func (o *extraOptions) add(s optionSet) {
	s.texts(&o.maps, "sni-map", "", "names to ask addresses for, from a map `file`; may be given several times")
	s.integer(&o.most, "max-names", "", "grab at most `n` times from one target, each time by another name from a map or a certificate (default 1)", 1, name.MostMax)
	s.text(&o.resolver, "resolver", "", "with --max-names, ask the DNS server at `address` for names of targets, and whether names belong to them")
	s.text(&o.found, "found-names-file", "", "write names that certificates and redirects hold to `file`, for a later run")
	s.texts(&o.rules, "fingerprints", "", "name what answered by the rules in `file`, in the field fingerprints; builtin has those that the program "+
		"brings along; may be given several times")
}

// extras are what an extraOptions names, opened.
type extras struct {
	maps     []*name.Map
	resolver *name.Resolver // nil asks nobody
	found    *name.Found    // nil writes nothing
	rules    *fingerprint.Set
}

// open reads the rules, opens the maps and, by create, the file for names. The resolver must be one that may be contacted.
func (o *extraOptions) open(allowed func(netip.Addr) bool, create func(option, path string) (io.Writer, error)) (x extras, err error) {
	defer func() {
		if err != nil {
			_ = x.close() // whose maps were not read
		}
	}()
	if len(o.rules) > 0 {
		if x.rules, err = fingerprint.Open(o.rules...); err != nil {
			return x, fmt.Errorf("--fingerprints: %w", err)
		}
	}
	if o.resolver != "" {
		if x.resolver, err = newResolver(o.resolver, allowed); err != nil {
			return x, argError("resolver", o.resolver, err)
		}
	}
	for _, path := range o.maps {
		m, err := name.Open(path)
		if err != nil {
			return x, fmt.Errorf("--sni-map: %w", err)
		}
		x.maps = append(x.maps, m)
	}
	if o.found != "" {
		f, err := create("found-names-file", o.found)
		if err != nil {
			return x, err
		}
		x.found = name.NewFound(f)
	}
	return x, nil
}

// names are what grabs ask targets for.
func (x *extras) names(most int64) *name.Chooser {
	return name.New(name.Config{Max: int(most), Maps: x.maps, Resolver: x.resolver, Found: x.found})
}

// flush writes the names that were found, and returns how many there were.
func (x *extras) flush() (uint64, error) {
	n, err := x.found.Flush()
	if err != nil {
		err = fmt.Errorf("--found-names-file: %w", sink.WriteError(err))
	}
	return n, err
}

// close closes the maps.
func (x *extras) close() error {
	var errs []error
	for _, m := range x.maps {
		errs = append(errs, m.Close())
	}
	x.maps = nil
	return errors.Join(errs...)
}

// newResolver reads the address of a DNS server, with or without a port.
func newResolver(text string, allowed func(netip.Addr) bool) (*name.Resolver, error) {
	server, err := netip.ParseAddrPort(text)
	if err != nil {
		a, aerr := netip.ParseAddr(text)
		if aerr != nil {
			return nil, errors.New("is no address: write 192.0.2.53 or 192.0.2.53:53")
		}
		server = netip.AddrPortFrom(a, 53)
	}
	return name.NewResolver(server, allowed)
}

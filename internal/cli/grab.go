package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/zmap-go/zmap"
	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/grab/pool"
	"github.com/zmap-go/zmap/grab/service"
	"github.com/zmap-go/zmap/sink"
)

const (
	// grabFields are the fields of rows of a scan with grabs, if nobody names others.
	grabFields = "saddr,sport,ttl,timestamp_str,data"
	// grabProbeArgs are the arguments of the SYN whose connection can be carried on.
	grabProbeArgs = "smallest-probes"
)

// setGrab says what to speak with hosts that accept.
func (j *job) setGrab() error {
	o := j.o
	if o.grab == "" {
		for _, name := range append(extraNames(), "grab-transport", "grab-timeout", "grab-max-bytes", "grab-connections", "grab-rate", "grab-in-flight",
			"grab-per-address", "grab-per-network", "operator") {
			if o.line[name] {
				return fmt.Errorf("--%s has nothing to do without --grab", name)
			}
		}
		return nil
	}
	m, err := service.Parse(grabText(o.grab, o.outputs, o.fields))
	if err != nil {
		return fmt.Errorf("--grab %q: %w (--list-grab-modules shows the modules with their options)", o.grab, err)
	}
	t, err := parseTransport(o.grabTransport)
	if err != nil {
		return argError("grab-transport", o.grabTransport, err)
	}
	if u, err := url.Parse(o.operator); err != nil || o.operator != "" && u.Scheme == "" || strings.ContainsAny(o.operator, " \t\r\n()<>") {
		return argError("operator", o.operator, errors.New("is no URI, such as https://example.org/scans or mailto:scans@example.org"))
	}
	j.config.Grab = &zmap.Grab{
		Module: m, Transport: t, Operator: grab.Operator{URI: o.operator},
		Limits: grab.Limits{Timeout: time.Duration(o.grabTimeout) * time.Second, Bytes: int(o.grabBytes), Connections: int(o.grabConns)},
		Rate:   float64(o.grabRate), InFlight: int(o.grabInFlight), PerAddr: int(o.grabPerAddr), PerNet: int(o.grabPerNet),
	}
	if n, lowered := filesFor(int(o.grabInFlight), openFiles()); lowered && t != grab.Oneshot {
		j.config.Grab.InFlight = n
	}
	if !j.given("output-module") {
		o.outputs = []string{"json"}
	}
	return nil
}

// openGrab opens what grabs are told of names and rules. Whom the resolver asks must be no one that the scan may not.
func (j *job) openGrab(ctx context.Context) (err error) {
	g := j.config.Grab
	if g == nil {
		return nil
	}
	o, allowed := j.o, (*guard)(nil)
	if o.extra.resolver != "" {
		allowed, err = newGuard(ctx, guardLists{blocklist: o.blocklist, ownList: o.ownList, special: o.allowSpecial, ignoreErrors: o.ignoreListErrors})
		if err != nil {
			return err
		}
	}
	if j.extras, err = o.extra.open(allowed.allows, j.create); err != nil {
		return err
	}
	g.Names, g.Rules = j.extras.names(o.extra.most), j.extras.rules
	return nil
}

// otherFiles is how many files the process may need for other things than connections.
const otherFiles = 64

// filesFor returns how many grabs there may be at once, each with a file of those that the process may have: as many as are asked
// for, 0 for the default, or less.
func filesFor(asked int, files uint64) (n int, lowered bool) {
	n = cmp.Or(asked, pool.DefaultInFlight)
	if files == 0 || uint64(n)+otherFiles <= files {
		return n, false
	}
	return max(1, int(files)-otherFiles), true
}

// parseTransport reads what supplies connections.
func parseTransport(text string) (grab.Transport, error) {
	known := []grab.Transport{grab.AnyTransport, grab.Oneshot, grab.Handover, grab.Dial}
	for _, t := range known {
		if t.String() == text {
			return t, nil
		}
	}
	return 0, errors.New("must be auto, oneshot, handover or dial")
}

// listGrabs prints the modules with their options.
func listGrabs(w io.Writer) error {
	var b strings.Builder
	for _, k := range service.Kinds() {
		m, err := k.New(nil)
		if err != nil {
			return err
		}
		d := m.Describe()
		fmt.Fprintf(&b, "%s: %s", k.Name, d.Doc)
		if d.Port != 0 {
			fmt.Fprintf(&b, " (port %d)", d.Port)
		}
		b.WriteByte('\n')
		for line := range strings.Lines(k.Args) {
			fmt.Fprintf(&b, "    %s\n", strings.TrimSuffix(line, "\n"))
		}
	}
	_, err := io.WriteString(w, b.String())
	return sink.WriteError(err)
}

// grabSummary says in a few words what the grabs came to.
func grabSummary(r *zmap.Report) string {
	g := &r.Grabs
	text := fmt.Sprintf("%d hosts grabbed by %s (%s)", g.Done, r.Grab, r.Transport)
	for _, status := range slices.Sorted(maps.Keys(g.Grabs)) {
		text += fmt.Sprintf(", %d %s", g.Grabs[status], status)
	}
	if n := r.Deferred; n > 0 {
		text += fmt.Sprintf("; %d answers were left for their hosts to repeat, as too many waited", n)
	}
	if g.Refused > 0 {
		text += fmt.Sprintf("; %d not grabbed, as too many waited", g.Refused)
	}
	return text
}

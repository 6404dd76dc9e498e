package cli

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/zmap-go/zmap/cert"
	"github.com/zmap-go/zmap/cert/lint"
	"github.com/zmap-go/zmap/internal/outputs"
	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/sink"
)

const certsAbout = `Sums up the certificates in results of grabs: how many distinct ones there are, who issued them, of what sort their keys are, which
have expired, and which keys several hosts share. RESULTS are what zmap --grab or zmap grab has written, JSON lines or a database,
or zgrab2's.

Examples:
  zmap certs rows.json                     a table
  zmap certs rows.json --expiring 30       which certificates expire within 30 days, and where they were seen
  zmap certs rows.json --lint              which rules of certificates they break, by zlint
  zmap certs survey.db --json              one JSON object`

// A certReport is the work of zmap certs.
type certReport struct {
	out      io.Writer
	json     bool
	expiring int64 // days; 0 asks for the summary
	entries  int64
	lint     bool
	now      time.Time
}

// certsCommand sums up certificates.
func certsCommand(std Streams) *cobra.Command {
	t := newToolSet(3)
	t.under = "zmap "
	r := certReport{out: std.Out, entries: 10, now: time.Now()}
	t.flag(&r.json, "json", "", "print JSON: one object, or with --expiring a line for each certificate")
	t.integer(&r.expiring, "expiring", "", "list the certificates that expire within `days`", 1, 36500)
	t.integer(&r.entries, "top", "", "have at most `n` entries in each list (default 10)", 1, 1<<20)
	t.flag(&r.lint, "lint", "", "check each distinct certificate by the rules of zlint, which takes a millisecond or so for each")
	return t.command(std, "certs RESULTS ... [options]", certsAbout, func(ctx context.Context, log *slog.Logger, args []string) error {
		if len(args) == 0 {
			return errors.New("certs takes results of grabs: zmap certs rows.json")
		}
		return r.run(ctx, log, args)
	})
}

// run reads all results and prints what they come to.
func (r *certReport) run(ctx context.Context, log *slog.Logger, results []string) error {
	c := cert.NewCensus()
	var l *lint.Linter
	if r.lint {
		var err error
		if l, err = lint.New(); err != nil {
			return fmt.Errorf("--lint: %w", err)
		}
	}
	err := eachResult(ctx, log, results, func(host string, crt *cert.Certificate) {
		if c.Add(host, crt) && l != nil {
			l.Add(crt.DER)
		}
	})
	var found *lint.Report
	if l != nil {
		found = l.Close()
	}
	if err != nil {
		return err
	}
	return r.print(c, found)
}

// eachResult gives all certificates in results to take.
func eachResult(ctx context.Context, log *slog.Logger, results []string, take func(host string, crt *cert.Certificate)) error {
	for _, name := range results {
		rows, found, err := eachCertificate(ctx, name, take)
		if err != nil {
			return err
		}
		log.Info(fmt.Sprintf("%s: %d rows, %d with a certificate", name, rows, found))
	}
	return nil
}

// certStoreBytes is the memory for certificates that are likely to come again.
const certStoreBytes = 64 << 20

// eachCertificate gives the certificate of each row to take.
func eachCertificate(ctx context.Context, name string, take func(host string, crt *cert.Certificate)) (rows, found uint64, err error) {
	src, err := outputs.OpenSource(name)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	leaf, err := leafReader(src.Schema())
	if err != nil {
		return 0, 0, fmt.Errorf("%s: %w", name, err)
	}
	host, ok := firstField(src.Schema(), "saddr", "ip", "domain")
	if !ok {
		return 0, 0, fmt.Errorf("%s: there is no field saddr or ip: nothing says where a certificate was seen", name)
	}
	store, row := cert.NewStore(certStoreBytes), record.New(src.Schema())
	for ; ctx.Err() == nil; rows++ {
		row.Reset()
		if err := src.Read(row); errors.Is(err, io.EOF) {
			return rows, found, nil
		} else if err != nil {
			return rows, found, err
		}
		if der := leaf(row); der != nil {
			found++
			take(hostText(&row.Values[host]), store.Get(der))
		}
	}
	return rows, found, context.Cause(ctx)
}

// leafReader returns what finds the certificate of a row's server, nil if there is none: in the field that databases have for
// certificates, or else in the document of the grab.
func leafReader(s *record.Schema) (func(*record.Record) []byte, error) {
	list, lists := s.Lookup(certificatesField)
	data, documents := s.Lookup("data")
	if !lists && !documents {
		return nil, errors.New("there is no field data: these are no results of grabs")
	}
	return func(row *record.Record) []byte {
		if lists {
			if all := row.Values[list].List(); len(all) > 0 {
				return memberBytes(all[0], "der")
			}
		}
		if !documents {
			return nil
		}
		return leafOf(row.Values[data].Bytes())
	}, nil
}

// memberBytes returns what an object has under a name.
func memberBytes(o record.Object, name string) []byte {
	for i := range o {
		if o[i].Name == name {
			return o[i].Value.Bytes()
		}
	}
	return nil
}

// hostText returns who a host is, as results call it.
func hostText(v *record.Value) string {
	if a := v.Addr(); a.IsValid() {
		return a.String()
	}
	return v.Text()
}

// firstField returns the number of the first of the fields that there is.
func firstField(s *record.Schema, names ...string) (int, bool) {
	for _, name := range names {
		if i, ok := s.Lookup(name); ok {
			return i, true
		}
	}
	return 0, false
}

// leafOf returns the certificate of a server in the data of a grab: the first server_certificates.certificate.raw, however deep, for
// protocols that begin in plain text have their handshake further down. Nil means that there is none.
func leafOf(data []byte) []byte {
	var doc any
	if len(data) == 0 || json.Unmarshal(data, &doc) != nil {
		return nil
	}
	return leafIn(doc)
}

func leafIn(doc any) []byte {
	o, _ := doc.(map[string]any) // nil, which has nothing, if it is none
	shown, _ := o["server_certificates"].(map[string]any)
	leaf, _ := shown["certificate"].(map[string]any)
	text, _ := leaf["raw"].(string)
	if der, err := base64.StdEncoding.DecodeString(text); err == nil && len(der) > 0 {
		return der
	}
	for _, v := range o {
		if der := leafIn(v); der != nil {
			return der
		}
	}
	return nil
}

// print writes what was asked for.
func (r *certReport) print(c *cert.Census, found *lint.Report) error {
	var err error
	switch {
	case r.expiring > 0:
		err = r.printExpiring(c.Expiring(r.now, r.now.AddDate(0, 0, int(r.expiring))))
	case r.json:
		err = json.NewEncoder(r.out).Encode(struct {
			*cert.Summary
			Lint *lint.Report `json:"lint,omitempty"`
		}{c.Summary(r.now, int(r.entries)), found})
	default:
		err = errors.Join(r.printSummary(c.Summary(r.now, int(r.entries))), r.printLint(found))
	}
	return sink.WriteError(err)
}

func (r *certReport) printExpiring(list []*cert.Leaf) error {
	enc := json.NewEncoder(r.out)
	w := tabwriter.NewWriter(r.out, 0, 0, 2, ' ', 0)
	if !r.json {
		fmt.Fprintln(w, "EXPIRES\tHOSTS\tFIRST HOST\tSUBJECT\tISSUER\tSHA-256")
	}
	for _, l := range list {
		if r.json {
			if err := enc.Encode(map[string]any{
				"not_after": l.NotAfter, "hosts": l.Hosts, "host": l.Host, "subject": l.Subject, "issuer": l.Issuer, "fingerprint_sha256": fmt.Sprintf("%x", l.SHA256),
			}); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%x\n", l.NotAfter.UTC().Format("2006-01-02 15:04"), l.Hosts, l.Host, printable(l.Subject), printable(l.Issuer), l.SHA256)
	}
	return w.Flush()
}

func (r *certReport) printSummary(s *cert.Summary) error {
	w := tabwriter.NewWriter(r.out, 0, 0, 2, ' ', 0)
	readable := s.Distinct - s.Unreadable
	share := func(n uint64) string {
		if readable == 0 {
			return ""
		}
		return fmt.Sprintf("%.1f%%", float64(n)/float64(readable)*100)
	}
	line := func(what string, n uint64, share string) { fmt.Fprintf(w, "%s\t%d\t%s\n", what, n, share) }
	line("hosts with a certificate", s.Observations, "")
	line("distinct certificates", s.Distinct, "")
	line("  that cannot be read", s.Unreadable, "")
	line("distinct keys", s.DistinctKeys, "")
	line("self-signed", s.SelfSigned, share(s.SelfSigned))
	line("expired", s.Expired, share(s.Expired))
	line("not yet valid", s.NotYet, share(s.NotYet))
	line("expiring within 30 days", s.Within30Days, share(s.Within30Days))
	for _, list := range []struct {
		title string
		of    []cert.Count
	}{{"issuers", s.Issuers}, {"keys", s.Keys}, {"signatures", s.Signatures}} {
		fmt.Fprintf(w, "\n%s\tcertificates\t\n", list.title)
		for _, c := range list.of {
			line("  "+printable(c.What), c.Certificates, share(c.Certificates))
		}
	}
	if len(s.SharedKeys) > 0 {
		fmt.Fprint(w, "\nkeys that several hosts have (SHA-256)\thosts\tcertificates\n")
	}
	for _, k := range s.SharedKeys {
		line("  "+k.SPKI, k.Hosts, fmt.Sprint(k.Certificates))
	}
	return w.Flush()
}

// printLint prints the rules that are broken, the gravest first.
func (r *certReport) printLint(found *lint.Report) error {
	if found == nil {
		return nil
	}
	w := tabwriter.NewWriter(r.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\nrules of zlint\tbroken by, of %d certificates\n  none, or with a warning\t%d\n  could not be checked\t%d\n", found.Linted, found.Clean, found.Failed)
	for _, f := range found.Findings[:min(len(found.Findings), int(r.entries))] {
		fmt.Fprintf(w, "  %s: %s\t%d\n", f.Level, f.Rule, f.Certificates)
	}
	return w.Flush()
}

// printable is a text of foreigners with nothing in it that a terminal would obey.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}

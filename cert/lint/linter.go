//go:build !minimal

package lint

import (
	"cmp"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/zmap/zcrypto/x509"
	"github.com/zmap/zlint/v3"
	"github.com/zmap/zlint/v3/lint"
)

// A Linter checks certificates, by as many goroutines as the machine has processors. It is owned by one goroutine, and must be closed.
type Linter struct {
	ders   chan []byte
	done   sync.WaitGroup
	mu     sync.Mutex
	report Report
	found  map[string]*Finding // by rule
}

// queued is how many certificates wait for each goroutine.
const queued = 4

// New returns a linter. There is none in a minimal build.
func New() (*Linter, error) {
	n := runtime.GOMAXPROCS(0)
	l := &Linter{ders: make(chan []byte, queued*n), found: make(map[string]*Finding)}
	for range n {
		l.done.Go(func() {
			for der := range l.ders {
				l.take(check(der))
			}
		})
	}
	return l, nil
}

// Add has a certificate checked, which nobody may change meanwhile. It blocks while others are.
func (l *Linter) Add(der []byte) { l.ders <- der }

// Close waits for what was added, and returns what was found. There may be no Add after it.
func (l *Linter) Close() *Report {
	close(l.ders)
	l.done.Wait()
	r := &l.report
	r.Findings = []Finding{}
	for _, f := range l.found {
		r.Findings = append(r.Findings, *f)
	}
	slices.SortFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(gravity(b.Level), gravity(a.Level)), cmp.Compare(b.Certificates, a.Certificates), cmp.Compare(a.Rule, b.Rule))
	})
	return r
}

var errPanic = errors.New("a rule panicked")

// check returns zlint's results for one certificate. Certificates are made by anybody, and rules by many: one that panics costs one
// certificate.
func check(der []byte) (results map[string]*lint.LintResult, err error) {
	defer func() {
		if v := recover(); v != nil {
			results, err = nil, fmt.Errorf("%w: %v", errPanic, v)
		}
	}()
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return zlint.LintCertificate(c).Results, nil
}

// take counts the results for one certificate.
func (l *Linter) take(results map[string]*lint.LintResult, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.report.Failed++
		return
	}
	l.report.Linted++
	clean := true
	for rule, r := range results {
		if r.Status < lint.Notice {
			continue
		}
		clean = clean && r.Status < lint.Error
		f := l.found[rule]
		if f == nil {
			f = &Finding{Level: r.Status.String(), Rule: rule}
			if known := lint.GlobalRegistry().CertificateLints().ByName(rule); known != nil {
				f.Says, f.Source = known.Description, string(known.Source)
			}
			l.found[rule] = f
		}
		f.Certificates++
	}
	if clean {
		l.report.Clean++
	}
}

// gravity orders levels.
func gravity(level string) int {
	return slices.Index([]string{"info", "warn", "error", "fatal"}, level)
}

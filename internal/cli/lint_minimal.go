//go:build minimal

package cli

import "errors"

// A linter is what this build has not: the rules alone are megabytes.
type linter struct{}

// A lintReport is what a linter would find.
type lintReport struct {
	Linted, Failed, Clean uint64
	Findings              []lintFinding
}

// A lintFinding is a rule that certificates break.
type lintFinding struct {
	Level, Rule  string
	Certificates uint64
}

// Add takes a certificate.
func (*linter) Add([]byte) {}

// Close returns what was found.
func (*linter) Close() *lintReport { return &lintReport{} }

// newLinter says that there is none.
func newLinter() (*linter, error) {
	return nil, errors.New("--lint: this program was built without the rules (-tags minimal)")
}

//go:build !minimal

package cli

import "github.com/zmap-go/zmap/cert/lint"

// A linter says what is wrong with certificates.
type linter = lint.Linter

// A lintReport is what it found.
type lintReport = lint.Report

// newLinter returns one.
func newLinter() (*linter, error) { return lint.New(), nil }

//go:build !unix

package cli

import "os"

// rateSignals are none: this system has no signals for programs to give a meaning to.
func rateSignals() map[os.Signal]float64 { return nil }

//go:build unix

package cli

import (
	"os"
	"syscall"
)

// rateSignals are the signals that change the rate, with what they multiply it by.
func rateSignals() map[os.Signal]float64 {
	return map[os.Signal]float64{syscall.SIGUSR1: 1.05, syscall.SIGUSR2: 0.95}
}

//go:build !linux

package engine

// SystemClock returns the most exact clock that the system has.
func SystemClock() Clock { return PlainClock() }

//go:build !linux

package engine

// pin does nothing on systems without thread affinity.
func (s *Scan) pin(int) func() { return func() {} }

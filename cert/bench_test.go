package cert

import (
	"crypto/x509"
	"encoding/json"
	"testing"
	"time"
)

// BenchmarkCertificate is what one certificate costs at each step.
func BenchmarkCertificate(b *testing.B) {
	root := (*maker)(nil).issue(b, "ECDSA", authority("Root"))
	leaf := root.issue(b, "ECDSA", nil)
	pool := x509.NewCertPool()
	pool.AddCert(root.x)
	c, _ := Parse(leaf.x.Raw)
	b.Run("Parse", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = Parse(leaf.x.Raw)
		}
	})
	b.Run("x509", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = x509.ParseCertificate(leaf.x.Raw)
		}
	})
	b.Run("Store", func(b *testing.B) {
		s := NewStore(1 << 20)
		b.ReportAllocs()
		for b.Loop() {
			s.Get(leaf.x.Raw)
		}
	})
	b.Run("JSON, new", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = json.Marshal(c.parsed())
		}
	})
	b.Run("JSON, seen", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = json.Marshal(c.Inline())
		}
	})
	b.Run("judge", func(b *testing.B) {
		v := NewVerifier(pool)
		for b.Loop() {
			v.judge([]*Certificate{c}, time.Now())
		}
	})
	b.Run("remembered", func(b *testing.B) {
		v := NewVerifier(pool)
		for b.Loop() {
			v.Verify([]*Certificate{c}, "", time.Now())
		}
	})
}

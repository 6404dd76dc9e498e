package cert

import (
	"crypto/x509"
	"testing"
	"time"
)

// TestCensus counts certificates once, and keys by who has them.
func TestCensus(t *testing.T) {
	now := time.Now()
	made := func(m *maker) *Certificate {
		c, err := Parse(m.x.Raw)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	ca := (*maker)(nil).issue(t, "ECDSA", func(x *x509.Certificate) { x.IsCA, x.BasicConstraintsValid = true, true })
	soon := made(ca.issue(t, "RSA", nil)) // an hour is left
	old := made((*maker)(nil).issue(t, "ECDSA", func(x *x509.Certificate) { x.NotBefore, x.NotAfter = now.Add(-2*time.Hour), now.Add(-time.Hour) }))
	later := made(ca.issue(t, "RSA", func(x *x509.Certificate) { x.NotAfter = now.AddDate(1, 0, 0) }))
	broken, _ := Parse([]byte("nothing"))
	c := NewCensus()
	for range 2 { // the same host twice
		c.Add("192.0.2.1", soon)
	}
	c.Add("192.0.2.2", soon)
	c.Add("192.0.2.3", old)
	c.Add("192.0.2.4", later)
	c.Add("192.0.2.5", broken)
	s := c.Summary(now, 10)
	if s.Observations != 6 || s.Distinct != 4 || s.Unreadable != 1 || s.SelfSigned != 1 || s.Expired != 1 || s.NotYet != 0 || s.Within30Days != 1 || s.DistinctKeys != 3 {
		t.Errorf("got %+v", s)
	}
	if len(s.Keys) != 2 || s.Keys[0] != (Count{"RSA 2048", 2}) || s.Keys[1] != (Count{"ECDSA 384", 1}) {
		t.Errorf("keys %+v", s.Keys)
	}
	if len(s.SharedKeys) != 1 || s.SharedKeys[0].Hosts != 2 || s.SharedKeys[0].Certificates != 1 {
		t.Errorf("shared keys %+v", s.SharedKeys)
	}
	if l := c.Expiring(now, now.AddDate(0, 0, 30)); len(l) != 1 || l[0].SHA256 != soon.SHA256 || l[0].Hosts != 3 || l[0].Host != "192.0.2.1" {
		t.Errorf("expiring: %+v", l)
	}
	if l := c.Expiring(now, now.AddDate(2, 0, 0)); len(l) != 2 || l[0].SHA256 != soon.SHA256 {
		t.Errorf("expiring within two years: %+v", l)
	}
	if s := c.Summary(now, 1); len(s.Keys) != 1 || len(s.Issuers) != 1 {
		t.Errorf("more than one entry: %+v", s)
	}
}

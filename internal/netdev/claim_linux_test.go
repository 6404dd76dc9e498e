package netdev

import (
	"errors"
	"testing"
)

// TestClaim gives a name to one at a time.
func TestClaim(t *testing.T) {
	release, err := Claim("zmap-test")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Claim("zmap-test"); !errors.Is(err, ErrClaimed) {
		t.Errorf("a second claim: %v", err)
	}
	other, err := Claim("zmap-test-2")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(other(), release()); err != nil {
		t.Error(err)
	}
	if release, err = Claim("zmap-test"); err != nil {
		t.Fatal(err)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
}

// TestLocalPorts reads what the kernel says.
func TestLocalPorts(t *testing.T) {
	first, last, err := LocalPorts()
	if err != nil || first == 0 || last < first {
		t.Errorf("%d-%d, %v", first, last, err)
	}
}

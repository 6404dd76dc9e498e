//go:build !linux

package ring

import (
	"errors"
	"testing"

	"github.com/zmap-go/zmap/link"
)

func TestOpenIsUnsupported(t *testing.T) {
	l, err := link.Open(t.Context(), link.Config{Interface: "en0", Ether: true}, link.Auto, Engine{})
	if l != nil || !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("got link %v, error %v, want none and %v", l, err, errors.ErrUnsupported)
	}
}

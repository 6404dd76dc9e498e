package xdp

import (
	"testing"

	"github.com/zmap-go/zmap/lab"
)

// TestMain runs the tests in a network namespace of their own: nothing that they send can leave it.
func TestMain(m *testing.M) { lab.Main(m) }

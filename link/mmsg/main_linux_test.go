package mmsg

import (
	"testing"

	"github.com/zmap-go/zmap/lab"
)

// All tests run inside a fresh network namespace, whose loopback interface they use.
func TestMain(m *testing.M) { lab.Main(m) }

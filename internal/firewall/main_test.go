package firewall

import (
	"testing"

	"github.com/zmap-go/zmap/lab"
)

// All tests run inside a fresh network namespace; on systems that have none, the lab fails them with its reason.
func TestMain(m *testing.M) { lab.Main(m) }

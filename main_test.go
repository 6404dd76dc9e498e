package zmap

import (
	"testing"

	"github.com/zmap-go/zmap/lab"
)

func TestMain(m *testing.M) { lab.Main(m) }

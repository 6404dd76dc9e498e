//go:build !unix

package cli

import (
	"errors"

	"github.com/zmap-go/zmap/internal/monitor"
)

// openSyslog says that there is none.
func openSyslog() (monitor.Syslog, error) {
	return nil, errors.New("this system has no syslog; use --log-file")
}

//go:build unix

package cli

import (
	"errors"
	"log/syslog"

	"github.com/zmap-go/zmap/internal/monitor"
)

// openSyslog connects to the system's log, where the program is called zmap as C ZMap is.
func openSyslog() (monitor.Syslog, error) {
	w, err := syslog.New(syslog.LOG_USER|syslog.LOG_INFO, "zmap")
	if err != nil { // which says only that it did not work
		return nil, errors.New("no syslog daemon takes messages on this machine (at /dev/log); start one, or leave the option out")
	}
	return w, nil
}

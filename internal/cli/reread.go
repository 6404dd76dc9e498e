package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// rereadExclusions has SIGHUP read --exclude-file again, until the returned function is called. Without that file the signal ends the
// program, as ever.
func (j *job) rereadExclusions(ctx context.Context) (end func()) {
	if j.o.excludeFile == "" {
		return func() {}
	}
	hups := make(chan os.Signal, 1)
	signal.Notify(hups, syscall.SIGHUP)
	over := make(chan struct{})
	go func() {
		for {
			select {
			case <-over:
				return
			case <-hups:
			}
			c := j.control.Load()
			if c == nil {
				continue // the list has not been read for the first time, or was just now
			}
			if err := c.ReadExclude(ctx); err != nil {
				j.log.Error("--exclude-file: " + err.Error() + "; what was excluded before stays excluded")
				continue
			}
			j.log.Info("read "+j.o.excludeFile+" again: what it has is passed over from here on", "module", "zmap")
		}
	}()
	return func() {
		signal.Stop(hups)
		close(over)
	}
}

package cli

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/zmap-go/zmap/internal/monitor"
)

// logName is the name of a log in a log directory, of the local time at which the scan began.
const logName = "zmap-2006-01-02T150405-0700.log"

// openLog opens the log: a file or standard error, and the system's log if that is asked for.
func (j *job) openLog() error {
	o, level := j.o, monitor.Verbosity(int(j.o.verbosity))
	switch {
	case o.logFile != "" && o.logDirectory != "":
		return errors.New("--log-file and --log-directory exclude each other; give one of them")
	case o.syslog && o.noSyslog:
		return errors.New("--syslog and --disable-syslog exclude each other; give one of them")
	}
	f, err := j.openLogFile()
	if err != nil {
		return err
	}
	var all, elsewhere []slog.Handler
	if f != nil && !o.explain {
		elsewhere = append(elsewhere, monitor.NewLogHandler(f, monitor.LogOptions{Level: level}))
	} else {
		all = append(all, monitor.NewLogHandler(j.std.Err, monitor.LogOptions{Level: level, Colours: coloursFor(j.std.Err)}))
	}
	if o.syslog && !o.explain {
		var daemon monitor.Syslog
		if daemon, err = openSyslog(); err != nil {
			err = fmt.Errorf("--syslog: %w", err)
		} else {
			elsewhere = append(elsewhere, monitor.NewSyslogHandler(daemon, level))
		}
	}
	j.elsewhere = slog.New(slog.NewMultiHandler(elsewhere...))
	j.log = slog.New(slog.NewMultiHandler(append(all, elsewhere...)...))
	j.config.Log = j.log
	return err
}

// openLogFile opens the file for the log, nil if standard error takes its place.
func (j *job) openLogFile() (*file, error) {
	if j.o.logDirectory != "" {
		f, err := j.openWith("log-directory", filepath.Join(j.o.logDirectory, time.Now().Format(logName)), os.O_APPEND)
		if err == nil {
			f.begun = true // it is not emptied: another scan may have begun in the same second
		}
		return f, err
	}
	if j.o.logFile == "" {
		return nil, nil
	}
	f, err := j.openGrowing("log-file", j.o.logFile)
	if err != nil {
		return nil, err
	}
	if err := f.begin(); err != nil {
		return nil, fmt.Errorf("--log-file: %w", err)
	}
	return f, nil
}

// coloursFor chooses colours for a character device, as a terminal is, and none for anything else.
func coloursFor(w io.Writer) monitor.Colours {
	if f, ok := w.(*os.File); ok {
		if st, err := f.Stat(); err == nil && st.Mode()&os.ModeCharDevice != 0 {
			return monitor.ANSI
		}
	}
	return monitor.NoColours
}

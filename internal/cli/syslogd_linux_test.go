package cli

import (
	"net"
	"os"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdSyslogd listens as a syslog daemon does, and appends the messages to a file, until the script ends: syslogd dev/log syslog.txt.
func cmdSyslogd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: syslogd SOCKET FILE")
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: ts.MkAbs(args[0]), Net: "unixgram"})
	ts.Check(err)
	file, err := os.Create(ts.MkAbs(args[1]))
	ts.Check(err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1<<16)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			_, _ = file.Write(buf[:n]) // the script misses what is not written
		}
	}()
	ts.Defer(func() {
		_ = conn.Close()
		<-done
		_ = file.Close()
	})
}

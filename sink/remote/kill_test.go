package remote

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/sink"
)

// Environment of a process that writes rows until it is killed.
const (
	childServer = "ZMAP_REMOTE_CHILD"  // what newServer takes
	childFolder = "ZMAP_REMOTE_FOLDER" // of the queue
)

// newServer returns the server of a text such as "http URL".
func newServer(text string) (Server, error) {
	what, where, _ := strings.Cut(text, " ")
	switch what {
	case "http":
		return NewHTTP(HTTPConfig{URL: where})
	case "postgres":
		return NewPostgres(PostgresConfig{DSN: where})
	case "nats":
		return NewNATS(NATSConfig{URL: where, Stream: "ROWS"})
	}
	return nil, fmt.Errorf("no server %q", what)
}

// child writes rows without an end, flushes now and then, and prints how many rows it has been promised then.
func child(role string) {
	time.AfterFunc(time.Minute, func() { os.Exit(3) })
	s, err := newServer(role)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	k := New(s, Options{Folder: os.Getenv(childFolder), backoff: [2]time.Duration{time.Millisecond, 10 * time.Millisecond}, grace: 5 * time.Millisecond})
	err = errors.Join(k.Begin(sink.Scan{ID: fmt.Sprint("killed-", os.Getpid()), Started: time.Now(), Probe: "tcp_synscan"}), k.Open(testSchema()))
	r := record.New(testSchema())
	for n := uint64(0); err == nil; n++ {
		testRow(r, n)
		if err = k.Write(r); err == nil && n%97 == 96 {
			if err = k.Flush(); err == nil {
				fmt.Println("promised", n+1)
			}
		}
	}
	fmt.Println(err)
	os.Exit(1)
}

// runChild runs a writing process and kills it with SIGKILL once it has been promised that many rows. It returns how many it was
// promised in the end.
func runChild(t *testing.T, role, folder string, atLeast uint64) (promised uint64) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childServer+"="+role, childFolder+"="+folder)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	killed := false
	for lines := bufio.NewScanner(out); lines.Scan(); {
		n, ok := strings.CutPrefix(lines.Text(), "promised ")
		if !ok {
			t.Errorf("writing process says %q", lines.Text())
			break
		}
		if promised, err = strconv.ParseUint(n, 10, 64); err != nil {
			t.Error(err)
		}
		if promised >= atLeast && !killed {
			killed = true
			if err := cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil || !killed {
		t.Errorf("writing process ended by itself: %v", err)
	}
	return promised
}

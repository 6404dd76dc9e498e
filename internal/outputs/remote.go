package outputs

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/zmap-go/zmap/sink"
	"github.com/zmap-go/zmap/sink/remote"
)

// spoolFolder is where rows wait for servers, below the working folder, unless an output names another place.
const spoolFolder = "zmap.spool"

// queueOptions are the options that all servers have beside their own.
func queueOptions() []Option {
	return []Option{
		{"folder", "where rows wait while the server is away (default " + spoolFolder + "/KIND-NUMBER, one for each server)"},
		{"disk", "most that may wait there: 10GB (default 1GiB); then the scan slows"},
		{"drop", "yes: give rows up then, and count them, instead of slowing the scan"},
		{"sync", "yes: also keep rows when the machine fails"},
		{"wait", "how long the end waits for the server: 5m (default 30s)"},
	}
}

// ofServer makes a kind of one whose rows go to a server.
func ofServer(k Kind, server func(s *Spec) (remote.Server, error), own ...Option) Kind {
	k.Store, k.server, k.Options = true, server, own
	k.open = func(s *Spec, e *Env) (sink.Sink, error) {
		r, err := server(s)
		if err != nil {
			return nil, err
		}
		o, err := s.queue(e)
		if err != nil {
			return nil, err
		}
		return remote.New(r, o), nil
	}
	return k
}

// Deliver delivers what earlier scans have left for a server, and returns how many rows that were.
func (s *Spec) Deliver(ctx context.Context, e *Env) (rows int64, err error) {
	if s.Kind.server == nil {
		return 0, fmt.Errorf("%s is no server: nothing waits for it", s.Kind.Name)
	}
	server, err := s.Kind.server(s)
	if err != nil {
		return 0, err
	}
	o, err := s.queue(e)
	if err != nil {
		return 0, err
	}
	return remote.Deliver(ctx, server, o)
}

// queue says how rows wait for a server.
func (s *Spec) queue(e *Env) (remote.Options, error) {
	o := remote.Options{Fields: s.fields(e), Folder: s.folder(), Stop: e.Stop, Logger: e.Log}
	var err error
	if o.Drop, err = s.yes("drop"); err != nil {
		return o, err
	}
	if o.Sync, err = s.yes("sync"); err != nil {
		return o, err
	}
	if text := s.Option("disk"); text != "" {
		if o.DiskBytes, _, err = sink.ParseRotation(text); err != nil || o.DiskBytes == 0 {
			return o, fmt.Errorf("disk=%s is no size; write 10GB", text)
		}
	}
	if text := s.Option("wait"); text != "" {
		if o.CloseWait, err = time.ParseDuration(text); err != nil || o.CloseWait < 0 {
			return o, fmt.Errorf("wait=%s is no time; write 5m", text)
		}
		if o.CloseWait == 0 {
			o.CloseWait = -1
		}
	}
	return o, nil
}

// folder is where rows wait for a server.
func (s *Spec) folder() string {
	if own := s.Option("folder"); own != "" {
		return own
	}
	sum := sha256.Sum256([]byte(s.Destination))
	return filepath.Join(spoolFolder, s.Kind.Name+"-"+hex.EncodeToString(sum[:4]))
}

// yes reads an option that is yes or no.
func (s *Spec) yes(name string) (bool, error) {
	switch v := s.Option(name); v {
	case "yes":
		return true, nil
	case "", "no":
		return false, nil
	default:
		return false, fmt.Errorf("%s=%s: expected yes or no", name, v)
	}
}

// httpKind posts rows.
func httpKind() Kind {
	k := Kind{Name: "http", Destination: "URL", Doc: "JSON lines posted in batches, again until they are acknowledged"}
	return ofServer(k, func(s *Spec) (remote.Server, error) {
		c := remote.HTTPConfig{URL: s.Destination}
		var err error
		if c.Gzip, err = s.yes("gzip"); err != nil {
			return nil, err
		}
		if path := s.Option("headers"); path != "" {
			if c.Header, err = readHeaders(path); err != nil {
				return nil, err
			}
		}
		return remote.NewHTTP(c)
	},
		Option{"gzip", "yes: compress the batches"},
		Option{"headers", "file with headers for every request, a line each: Authorization: Bearer TOKEN"})
}

// natsKind publishes messages.
func natsKind() Kind {
	k := Kind{Name: "nats", Destination: "URL", Doc: "messages of a NATS JetStream stream, one a row"}
	return ofServer(k, func(s *Spec) (remote.Server, error) {
		return remote.NewNATS(remote.NATSConfig{
			URL: s.Destination, Subject: s.Option("subject"), Stream: s.Option("stream"), Credentials: s.Option("credentials"),
		})
	},
		Option{"subject", "subject of the messages, in which {scan} and {probe} are replaced (default zmap.rows)"},
		Option{"stream", "stream that is made if none takes the subject"},
		Option{"credentials", "file with the user's key, as nsc writes it"})
}

// postgresKind writes to a database.
func postgresKind() Kind {
	k := Kind{Name: "postgres", Destination: "URL", Doc: "tables of a PostgreSQL server, each row exactly once"}
	return ofServer(k, func(s *Spec) (remote.Server, error) {
		c := remote.PostgresConfig{DSN: s.Destination}
		var err error
		if c.Upsert, err = s.yes("upsert"); err != nil {
			return nil, err
		}
		if c.NoHosts, err = s.yes("nohosts"); err != nil {
			return nil, err
		}
		return remote.NewPostgres(c)
	},
		Option{"upsert", "yes: keep only the last row of each address and port"},
		Option{"nohosts", "yes: leave the table of hosts alone, which is faster"})
}

// readHeaders reads a file of headers. Its errors show no values, which may be secret.
func readHeaders(path string) (http.Header, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read headers: %w", err)
	}
	defer f.Close()
	h := make(http.Header)
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || name == "" || strings.ContainsAny(name, " \t") {
			return nil, fmt.Errorf("%s:%d: this is no header; write NAME: VALUE", path, n)
		}
		h.Add(name, strings.TrimSpace(value))
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read headers from %s: %w", path, err)
	}
	return h, nil
}

// withoutPassword is a destination as it may be shown: a URL without its password, and nothing of what is none.
func withoutPassword(destination string) string {
	u, err := url.Parse(destination)
	if err != nil || u.Scheme == "" {
		return "..."
	}
	u.RawQuery = "" // keys may be there
	return u.Redacted()
}

//go:build peers

package peers

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zmap-go/zmap"
	"github.com/zmap-go/zmap/citizen"
	"github.com/zmap-go/zmap/lab"
	"github.com/zmap-go/zmap/probe"
	"github.com/zmap-go/zmap/sink"
)

// network is what is scanned, and host the only address in it that has a server.
const (
	network = "10.7.0.0/28"
	host    = "10.7.0.5"
)

// gate is the Internet's end of the link, for servers that speak to their own link alone, and onLink a network with no other
// host in it.
const (
	onLink = "172.31.255.252/30"
	gate   = "172.31.255.254"
)

// newNet starts a test Internet whose only hosts are those of network: a real kernel that refuses what nobody listens to. host
// is an address of an interface as well, for servers that listen only on such.
func newNet(t *testing.T) *lab.Net {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	n, err := lab.New(ctx, lab.World{Hosts: []lab.Hosts{{Prefix: netip.MustParsePrefix(network), Kind: lab.Kernel}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Errorf("close test Internet: %v", err)
		}
	})
	runInside(t, n, "ip", "address", "add", host+"/32", "dev", "lo")
	return n
}

// newNetOf is newNet for servers that cannot be told to listen to one address only: host is the only one there is.
func newNetOf(t *testing.T, host string) *lab.Net {
	t.Helper()
	n := newNet(t)
	// The answers of a socket that is bound to no address come from the preferred one of the route back.
	runInside(t, n, "ip", "route", "replace", n.Link().Prefix.String(), "dev", "net0", "src", host)
	runInside(t, n, "ip", "route", "delete", "local", network, "dev", "lo", "table", "local")
	return n
}

// runInside runs a program in the test Internet to its end.
func runInside(t *testing.T, n *lab.Net, args ...string) {
	t.Helper()
	said := &transcript{}
	p, err := n.Start(t.Context(), lab.Program{Args: args, Output: said})
	if err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	if err := p.Err(); !strings.HasSuffix(err.Error(), "exit status 0") {
		t.Fatalf("%v: %v (%s)", args, err, said)
	}
}

// A transcript is what a server writes, for tests that fail.
type transcript struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *transcript) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *transcript) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// A server is a program for the test Internet.
type server struct {
	args  []string
	env   []string
	empty []string // folders, besides /run
	port  string   // that it has bound when it is ready, if it binds any
	ready string   // what it says when it is ready, if that is not enough
}

// start starts the server, and waits until it is ready. What it says is shown if the test fails.
func (s server) start(t *testing.T, n *lab.Net) {
	t.Helper()
	said := &transcript{}
	p := lab.Program{Args: s.args, Env: s.env, Empty: append(s.empty, "/run"), Output: said}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%v said:\n%s", p.Args, said)
		}
	})
	path, err := findProgram(p.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	p.Args[0] = path
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	process, err := n.Start(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if s.port != "" {
		if err := process.Await(ctx, s.port); err != nil {
			t.Fatal(err)
		}
	}
	for !strings.Contains(said.String(), s.ready) {
		if ctx.Err() != nil || process.Err() != nil {
			t.Fatalf("the server does not say %q", s.ready)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// findProgram finds servers also for users whose PATH does not have them.
func findProgram(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	return exec.LookPath(filepath.Join("/usr/sbin", name))
}

// file writes a configuration file and returns its path.
func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// certificate makes a key and a certificate.
func certificate(t *testing.T) (key, cert string) {
	t.Helper()
	dir := t.TempDir()
	key, cert = filepath.Join(dir, "key.pem"), filepath.Join(dir, "cert.pem")
	out, err := exec.CommandContext(t.Context(), "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
		"-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=example.test").CombinedOutput()
	if err != nil {
		t.Fatalf("make a certificate: %v: %s", err, out)
	}
	return key, cert
}

// A row is a row of a scan as -O json prints it. Numbers are json.Number.
type row map[string]any

// text returns a field as text, "<nil>" if it is not there.
func (r row) text(field string) string { return fmt.Sprint(r[field]) }

// bytes returns a field that is printed in hexadecimal.
func (r row) bytes(t *testing.T, field string) []byte {
	t.Helper()
	b, err := hex.DecodeString(r.text(field))
	if err != nil {
		t.Fatalf("field %s is %q: %v", field, r.text(field), err)
	}
	return b
}

// want fails the test unless fields have the values given.
func (r row) want(t *testing.T, fields map[string]string) {
	t.Helper()
	for name, want := range fields {
		if got := r.text(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

// A question is a scan in short.
type question struct {
	module, args string
	ports        string
	tries        int
	onLink       bool // scan onLink instead of network
	alone        bool // there is no host but one, and so none that refuses
}

// scan asks all of a network, and returns the rows of successes, of which there must be as many as probes to a target, all
// from the only host with a server. The kernel refuses for the other addresses of network, which must be there too.
func scan(t *testing.T, q question) []row {
	t.Helper()
	tries, from := max(1, q.tries), host
	if q.onLink {
		from = gate
	}
	successes, others := scanAll(t, q)
	if len(successes) != tries {
		t.Fatalf("%d successes, want %d: %v\nothers: %v", len(successes), tries, successes, others)
	}
	for _, r := range successes {
		r.want(t, map[string]string{"saddr": from})
	}
	for _, r := range others {
		r.want(t, map[string]string{"classification": "icmp", "icmp_type": "3", "icmp_code": "3", "icmp_unreach_str": "port unreachable"})
	}
	wanted := 15 * tries
	if q.onLink || q.alone {
		wanted = 0
	}
	if len(others) != wanted {
		t.Errorf("%d refusals, want %d", len(others), wanted)
	}
	return successes
}

// scanAll runs a scan and returns the rows of successes and the others.
func scanAll(t *testing.T, q question) (successes, others []row) {
	t.Helper()
	var out bytes.Buffer
	var err error
	c := zmap.Config{Networks: []string{network}, AllowSpecial: []citizen.Class{citizen.Private}, Ports: q.ports, Tries: q.tries}
	if q.onLink {
		c.Networks = []string{onLink}
	}
	if c.Probe, err = probe.New(q.module, probe.Args{Text: q.args}); err != nil {
		t.Fatal(err)
	}
	c.Outputs = []zmap.Output{{Sink: sink.NewJSON(&out, sink.Options{Fields: "*"})}}
	c.Rate, c.Cooldown = 1000, 600*time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := zmap.Run(ctx, c); err != nil {
		t.Fatalf("scan with %s %q: %v", q.module, q.args, err)
	}
	for dec := json.NewDecoder(&out); dec.More(); {
		dec.UseNumber()
		var r row
		if err := dec.Decode(&r); err != nil {
			t.Fatal(err)
		}
		if success := r.text("success"); success == "true" || success == "1" {
			successes = append(successes, r)
		} else {
			others = append(others, r)
		}
	}
	return successes, others
}

package main

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zmap-go/zmap"
	"github.com/zmap-go/zmap/citizen"
	"github.com/zmap-go/zmap/lab"
)

func TestMain(m *testing.M) { lab.Main(m) }

// hosts are those of the tests: 1024, of which 832 listen.
const hosts = "10.40.0.0/22"

// A collector is a server in the test Internet. It answers its first requests with the statuses given, then with 204.
type collector struct {
	mu       sync.Mutex
	statuses []int
	requests []int // rows of each request that it took
	found    []string
	bad      []error
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.statuses) > 0 {
		w.WriteHeader(c.statuses[0])
		c.statuses = c.statuses[1:]
		return
	}
	if err != nil || r.Header.Get("Content-Type") != "application/x-ndjson" {
		c.bad = append(c.bad, errors.Join(err, errors.New("content type "+r.Header.Get("Content-Type"))))
	}
	lines := strings.SplitAfter(string(body), "\n")
	c.requests = append(c.requests, len(lines)-1)
	for _, line := range lines[:len(lines)-1] {
		var row struct {
			Saddr          string
			Sport          int
			Classification string
		}
		if err := json.Unmarshal([]byte(line), &row); err != nil || row.Sport != 80 || row.Classification != "synack" {
			c.bad = append(c.bad, errors.Join(err, errors.New(line)))
		}
		c.found = append(c.found, row.Saddr)
	}
	w.WriteHeader(http.StatusNoContent)
}

// scan scans with a collector that answers so, and returns that, who was there, and what the scan said.
func scan(t *testing.T, change func(*zmap.Config), statuses ...int) (*collector, []string, error) {
	t.Helper()
	n, err := lab.New(t.Context(), lab.World{Ports: []uint16{80}, Hosts: []lab.Hosts{
		{Prefix: netip.MustParsePrefix(hosts), Kind: lab.Kernel},
		{Prefix: netip.MustParsePrefix("10.40.1.0/26"), Kind: lab.Silent},
		{Prefix: netip.MustParsePrefix("10.40.2.0/25"), Kind: lab.Refuse},
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	l, err := n.Listen(t.Context(), "10.40.3.3:8080")
	if err != nil {
		t.Fatal(err)
	}
	c := &collector{statuses: statuses}
	server := &http.Server{Handler: c}
	go server.Serve(l)
	defer server.Close()
	config := config("http://10.40.3.3:8080/rows", "80", []string{hosts})
	config.AllowSpecial = []citizen.Class{citizen.Private}
	config.Cooldown = 400 * time.Millisecond
	config.Rate = 100_000
	change(&config)
	_, err = zmap.Run(t.Context(), config)
	var truth []string
	for a := range n.Truth().Addrs(lab.SYN(80), lab.SYNACK) {
		truth = append(truth, a.String())
	}
	return c, truth, err
}

// TestPosts scans fast and slowly: the server gets each host once, in batches, and again what it did not take.
func TestPosts(t *testing.T) {
	for _, rate := range []float64{100_000, 2000} {
		c, want, err := scan(t, func(c *zmap.Config) { c.Rate = rate }, 503, 429)
		if err != nil {
			t.Fatal(err)
		}
		if len(c.bad) > 0 {
			t.Errorf("%d requests or rows are wrong, the first: %v", len(c.bad), c.bad[0])
		}
		slices.Sort(c.found)
		slices.Sort(want)
		if d := cmp.Diff(want, c.found); d != "" || len(want) != 1024-64-128 {
			t.Errorf("%v probes a second: rows (-want +got):\n%s", rate, d)
		}
		if len(c.requests) > 60 || slices.Max(c.requests) > batchRows || len(c.requests) < 2 {
			t.Errorf("%v probes a second: requests of %v rows, want a few of at most %d", rate, c.requests, batchRows)
		}
	}
}

// TestErrors has servers that do not take rows: the scan says so, and of whom.
func TestErrors(t *testing.T) {
	for _, c := range []struct {
		name     string
		statuses []int
		want     string
		left     int // statuses that nobody asked for
	}{
		{"no hope", []int{400, 400}, "400 Bad Request", 1},
		{"trouble that lasts", []int{500, 502, 503, 503, 503}, "503 Service Unavailable", 1},
	} {
		got, _, err := scan(t, func(*zmap.Config) {}, c.statuses...)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "rows to http://10.40.3.3:8080/rows") {
			t.Errorf("%s: error %v, want one with %q and the address", c.name, err, c.want)
		}
		if len(got.statuses) != c.left || len(got.found) > 0 {
			t.Errorf("%s: %d of the answers are left, want %d; %d rows were taken", c.name, len(got.statuses), c.left, len(got.found))
		}
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{nil, {"http://x"}, {"http://x", "80"}, {"http://x", "80", "10.40.0.0/33"}} {
		if err := run(t.Context(), args); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}

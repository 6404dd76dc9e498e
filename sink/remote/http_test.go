package remote

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A receiver takes rows as a server of users' would: it honours the key of a batch and keeps what is in the lines.
type receiver struct {
	mu     sync.Mutex
	seen   map[string]string // body by key
	rows   []uint64
	again  int // batches that came more than once
	calls  int
	mood   func(call int, w http.ResponseWriter, r *http.Request) bool // true: it has answered
	header http.Header
	lines  []string // of the first batch
}

func (v *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.calls++
	if v.mood != nil && v.mood(v.calls, w, r) {
		return
	}
	if err := v.take(r); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

func (v *receiver) take(r *http.Request) error {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(body)
		if err != nil {
			return err
		}
		body = z
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	key, err := strconv.Unquote(r.Header.Get("Idempotency-Key"))
	if err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/x-ndjson" {
		return fmt.Errorf("%s with key %q, %v", r.Method, key, err)
	}
	if v.seen == nil {
		v.seen, v.header = make(map[string]string), r.Header
	}
	if before, ok := v.seen[key]; ok {
		v.again++
		if before != string(text) {
			return errors.New("another body with the same key")
		}
		return nil
	}
	v.seen[key] = string(text)
	first, n := len(v.rows), 0
	for lines := bufio.NewScanner(strings.NewReader(string(text))); lines.Scan(); n++ {
		var row struct{ N uint64 }
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			return err
		}
		v.rows = append(v.rows, row.N)
		if len(v.lines) < 8 {
			v.lines = append(v.lines, lines.Text())
		}
	}
	if got := r.Header.Get("Zmap-Rows"); got != strconv.Itoa(n) {
		return fmt.Errorf("%d rows from number %d, header says %s", n, first, got)
	}
	return nil
}

func (v *receiver) expect(t *testing.T, n uint64) {
	t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	expectRows(t, v.rows, n)
}

func httpTo(t testing.TB, url string) Server {
	t.Helper()
	s, err := NewHTTP(HTTPConfig{URL: url, Header: http.Header{"authorization": {"Bearer abc"}}, Gzip: true})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestHTTP(t *testing.T) {
	for _, packed := range []bool{false, true} {
		v := &receiver{}
		web := httptest.NewServer(v)
		defer web.Close()
		s, err := NewHTTP(HTTPConfig{URL: web.URL + "/rows", Gzip: packed, Header: http.Header{"authorization": {"Bearer abc"}}})
		if err != nil {
			t.Fatal(err)
		}
		k := openSink(t, s, quick(t))
		writeRows(t, k, 0, 20000, 5000)
		if err := k.Close(); err != nil {
			t.Fatal(err)
		}
		v.expect(t, 20000)
		h := v.header
		if h.Get("Authorization") != "Bearer abc" || h.Get("Zmap-Scan") != "scan1" || h.Get("Zmap-Probe") != "tcp_synscan" || h.Get("Zmap-First-Row") != "0" {
			t.Errorf("got header %v", h)
		}
		want := `{"saddr":"20.0.0.7","sport":81,"classification":"rst","success":false,"data":"0007ff",` +
			`"answers":[{"name":"a","id":7},{}],"timestamp_str":"2026-11-22T15:23:02.480+0000","n":7}`
		if v.lines[7] != want {
			t.Errorf("got  %s\nwant %s", v.lines[7], want)
		}
	}
}

// TestHTTPFlaky: a server that answers by mistakes of all kinds gets every row, and stores it once, since it keeps keys.
func TestHTTPFlaky(t *testing.T) {
	v := &receiver{}
	v.mood = func(call int, w http.ResponseWriter, r *http.Request) bool {
		switch call % 8 {
		case 1:
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusTooManyRequests)
		case 2:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 3: // takes the rows, and the connection ends before the answer
			if err := v.take(r); err != nil {
				t.Error(err)
			}
			panic(http.ErrAbortHandler)
		case 4:
			w.WriteHeader(http.StatusConflict)
		case 5: // takes the rows, and says that it failed
			if err := v.take(r); err != nil {
				t.Error(err)
			}
			w.WriteHeader(http.StatusBadGateway)
		case 6:
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		default:
			return false
		}
		return true
	}
	web := httptest.NewServer(v)
	defer web.Close()
	k := openSink(t, httpTo(t, web.URL), quick(t))
	writeRows(t, k, 0, 1000, 20)
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	v.expect(t, 1000)
	if v.again == 0 {
		t.Error("no batch came twice: the test has lost its point")
	}
}

// TestHTTPJudges says what every answer means: what passes is tried again, what stays ends the scan.
func TestHTTPJudges(t *testing.T) {
	status := func(n int) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(n); fmt.Fprint(w, "because\n") }
	}
	tests := []struct {
		name   string
		answer func(http.ResponseWriter, *http.Request)
		stays  bool
		want   string
	}{
		{"bad request", status(400), true, `400 Bad Request: "because"`},
		{"wrong password", status(401), true, "401"},
		{"not found", status(404), true, "404"},
		{"unprocessable", status(422), true, "422"},
		{"timeout", status(408), false, "408"},
		{"at work", status(409), false, "409"},
		{"too early", status(425), false, "425"},
		{"too many", status(429), false, "429"},
		{"internal", status(500), false, "500"},
		{"not implemented", status(501), false, "501"},
		{"gateway", status(504), false, "504"},
		{"see other", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusSeeOther) }, true, `redirects to "/"`},
		{"other host", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.2:9/", http.StatusTemporaryRedirect)
		}, true, `redirects to "http://127.0.0.2:9/"`},
		{"round", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusPermanentRedirect) }, true, "redirects"},
		{"endless body", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(500)
			for range 1000 {
				if _, err := w.Write(make([]byte, 4096)); err != nil {
					return
				}
			}
		}, false, "500"},
	}
	for _, tt := range tests {
		web := httptest.NewServer(http.HandlerFunc(tt.answer))
		err := httpTo(t, web.URL).deliver(t.Context(), testBatch(t, 0, 3))
		var stays *permanentError
		if err == nil || errors.As(err, &stays) != tt.stays || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q, for good: %v", tt.name, err, tt.want, tt.stays)
		}
		if len(fmt.Sprint(err)) > 2500 {
			t.Errorf("%s: an error of %d bytes", tt.name, len(err.Error()))
		}
		web.Close()
	}
}

// TestHTTPTLS: a server with a certificate that nobody knows is refused for good, and no row goes there.
func TestHTTPTLS(t *testing.T) {
	v := &receiver{}
	web := httptest.NewUnstartedServer(v)
	web.Config.ErrorLog = log.New(io.Discard, "", 0)
	web.StartTLS()
	defer web.Close()
	err := httpTo(t, web.URL).deliver(t.Context(), testBatch(t, 0, 3))
	var stays *permanentError
	if !errors.As(err, &stays) || v.calls > 0 {
		t.Errorf("unknown certificate: got %v and %d calls", err, v.calls)
	}
	s, err := NewHTTP(HTTPConfig{URL: web.URL, TLS: web.Client().Transport.(*http.Transport).TLSClientConfig})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.deliver(t.Context(), testBatch(t, 0, 3)); err != nil || len(v.rows) != 3 {
		t.Errorf("known certificate: got %v and %d rows", err, len(v.rows))
	}
}

// TestHTTPStalls: a server that takes a connection and never answers costs a try, not the scan.
func TestHTTPStalls(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	o := quick(t)
	o.Timeout, o.CloseWait = 100*time.Millisecond, 400*time.Millisecond
	k := openSink(t, httpTo(t, "http://"+l.Addr().String()), o)
	writeRows(t, k, 0, 100, 10)
	var left *UndeliveredError
	if err := k.Close(); !errors.As(err, &left) || left.Rows != 100 {
		t.Errorf("got %v", err)
	}
	if s := k.Stats(); s.Retries == 0 {
		t.Errorf("no try has failed: %+v", s)
	}
}

// TestHTTPKilled kills the scanner, three times over with the same folder: what it was promised is stored, once.
func TestHTTPKilled(t *testing.T) {
	v := &receiver{mood: func(call int, w http.ResponseWriter, _ *http.Request) bool {
		if call%20 < 10 { // away half of the time, so that some rows go over the disk and some do not
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		return false
	}}
	web := httptest.NewServer(v)
	defer web.Close()
	o := quick(t)
	var promised []uint64
	for range 3 {
		promised = append(promised, runChild(t, "http "+web.URL, o.Folder, 10000))
	}
	if _, err := Deliver(t.Context(), httpTo(t, web.URL), o); err != nil {
		t.Fatal(err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	starts := split(v.rows)
	if len(starts) != len(promised) {
		t.Fatalf("rows of %d scanners came, want %d", len(starts), len(promised))
	}
	for i, rows := range starts {
		if rows < promised[i] {
			t.Errorf("scanner %d: %d rows came, %d were promised", i, rows, promised[i])
		}
		t.Logf("scanner %d: %d rows promised, %d came", i, promised[i], rows)
	}
}

// split returns how many rows each of several scanners wrote, 0 if its rows are not those from 0 on in order.
func split(rows []uint64) (counts []uint64) {
	for _, n := range rows {
		switch {
		case n == 0:
			counts = append(counts, 1)
		case n != counts[len(counts)-1]:
			return append(counts, 0)
		default:
			counts[len(counts)-1]++
		}
	}
	return counts
}

func TestHTTPRefusesURLs(t *testing.T) {
	for _, url := range []string{"", "ftp://h/", "//h", "http://", "http://u:secret@h:x/", "https://u:secret@%zz/", "gopher://u:secret@h"} {
		if _, err := NewHTTP(HTTPConfig{URL: url}); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: got %v", url, err)
		}
	}
	if s, err := NewHTTP(HTTPConfig{URL: "http://u:secret@h/"}); err != nil || strings.Contains(s.String(), "secret") {
		t.Errorf("got %v, %v", s, err)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	for s, want := range map[string]time.Duration{
		"0": 0, "7": 7 * time.Second, "99999999999": maxLater, "18446744073709551615": maxLater,
		"Thu, 26 Nov 2026 12:00:09 GMT": 9 * time.Second, "Thu, 26 Nov 2020 12:00:09 GMT": 0, "Thu, 26 Nov 2099 12:00:09 GMT": maxLater,
	} {
		if got, ok := parseRetryAfter(s, now); !ok || got != want {
			t.Errorf("%q: got %v, %v, want %v", s, got, ok, want)
		}
	}
	for _, s := range []string{"", "-1", "soon", "1.5"} {
		if got, ok := parseRetryAfter(s, now); ok {
			t.Errorf("%q: got %v", s, got)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	f.Add("7")
	f.Add("Thu, 26 Nov 2026 12:00:09 GMT")
	f.Fuzz(func(t *testing.T, s string) {
		if d, _ := parseRetryAfter(s, time.Unix(0, 0)); d < 0 || d > maxLater {
			t.Errorf("%q: got %v", s, d)
		}
	})
}

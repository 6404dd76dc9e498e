package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/sink"
)

// Bounds of a post. A server that is away for longer than the pauses together ends the output.
const (
	batchRows  = 500              // rows in a request at most
	timeout    = 10 * time.Second // for one request with its answer
	attempts   = 4
	firstPause = 100 * time.Millisecond // before the second attempt; doubled for each one after
)

// An httpSink posts rows to a server as JSON lines (application/x-ndjson). A request has many rows: those that came until there were
// batchRows of them, or until the scan asked to flush, which is at the latest 100 ms after a row.
//
// While a request is on its way nobody takes rows, so the scan slows down rather than lose some. A server that broke off after
// it had read a request gets it again: its rows are there at least once. Package sink/remote is the sink to use where that
// matters: it numbers its requests, and keeps rows on disk for servers that are away.
type httpSink struct {
	url    string
	client *http.Client
	rows   *sink.JSON   // writes lines to body
	body   bytes.Buffer // of the next request
	held   int          // rows in rows and body
	err    error        // why rows are lost; every method returns it from then on
}

// What the scan looks for in a sink beside the sink itself.
var (
	_ sink.Flusher = (*httpSink)(nil) // without it the last rows of a slow scan would wait for more
	_ sink.Chooser = (*httpSink)(nil) // without it the scan would fill in all fields
)

// newHTTPSink returns a sink of those fields.
func newHTTPSink(url, fields string) *httpSink {
	s := &httpSink{url: url, client: &http.Client{Timeout: timeout}}
	s.rows = sink.NewJSON(&s.body, sink.Options{Fields: fields, Location: time.UTC})
	return s
}

// Open learns which fields the rows have. It is the place for errors that can be seen before the scan.
func (s *httpSink) Open(schema *record.Schema) error {
	s.err = s.rows.Open(schema)
	return s.err
}

// Fields says which fields are read.
func (s *httpSink) Fields() []int { return s.rows.Fields() }

// Write takes a row. It belongs to the scan again when Write returns: the line that rows has made of it is a copy.
func (s *httpSink) Write(r *record.Record) error {
	if s.err != nil {
		return s.err
	}
	if s.err = s.rows.Write(r); s.err != nil {
		return s.err
	}
	if s.held++; s.held < batchRows {
		return nil
	}
	return s.Flush()
}

// Flush posts what is held.
func (s *httpSink) Flush() error {
	if s.err != nil || s.held == 0 {
		return s.err
	}
	if s.err = s.rows.Flush(); s.err != nil {
		return s.err
	}
	if err := s.post(); err != nil {
		s.err = fmt.Errorf("post %d rows to %s: %w", s.held, s.url, err)
		return s.err
	}
	s.body.Reset()
	s.held = 0
	return nil
}

// Close posts the last rows. The scan calls it however it ends.
func (s *httpSink) Close() error {
	err := s.Flush()
	s.client.CloseIdleConnections()
	return err
}

// post sends the body until the server has it, or there is no hope.
func (s *httpSink) post() error {
	pause := firstPause
	for attempt := 1; ; attempt++ {
		err := s.send()
		var refused *refusal
		if err == nil || attempt == attempts || errors.As(err, &refused) && !refused.passes() {
			return err
		}
		time.Sleep(pause)
		pause *= 2
	}
}

// send makes one request.
func (s *httpSink) send() error {
	answer, err := s.client.Post(s.url, "application/x-ndjson", bytes.NewReader(s.body.Bytes()))
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	if _, err := io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10)); err != nil { // read, the connection serves again
		return err
	}
	if answer.StatusCode/100 != 2 {
		return &refusal{answer.StatusCode, answer.Status}
	}
	return nil
}

// A refusal is an answer that is not 2xx.
type refusal struct {
	code   int
	status string
}

// Error names the status.
func (r *refusal) Error() string { return "the server answered " + r.status }

// passes says whether another attempt may have an effect: the server is busy (429) or in trouble (5xx).
func (r *refusal) passes() bool { return r.code == http.StatusTooManyRequests || r.code/100 == 5 }

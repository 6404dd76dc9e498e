package zmap

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/zmap-go/zmap/internal/engine"
	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/sink"
)

// A fullDisk takes as many bytes as there is room for.
type fullDisk struct {
	bytes.Buffer
	room int
}

var errFull = errors.New("no space left on device")

func (d *fullDisk) Write(b []byte) (int, error) {
	if d.Len()+len(b) > d.room {
		return 0, errFull
	}
	return d.Buffer.Write(b)
}

func TestStopSinkFailed(t *testing.T) {
	_, c, _ := stopScan(t)
	disk := &fullDisk{room: 10_000} // the header, and what some hundred milliseconds bring
	c.Outputs = to(sink.NewCSV(disk, sink.Options{Fields: "saddr"}))
	r := runStopped(t.Context(), t, c, engine.SinkFailed, errFull)
	if !strings.HasPrefix(disk.String(), "saddr\n10.5.") {
		t.Errorf("the file begins with %.40q, want the header and rows", disk.String())
	}
	if _, err := Run(t.Context(), c); err == nil {
		t.Error("a scan into a sink that has failed before works")
	}
	if d := r.RecvEnd.Sub(r.SendEnd); d > c.Cooldown*10 {
		t.Errorf("listened for %v without a sink", d)
	}
}

// A badSink fails where it is told to.
type badSink struct {
	table
	open, write, flush, close error
}

func (s *badSink) Open(schema *record.Schema) error { return errors.Join(s.open, s.table.Open(schema)) }

func (s *badSink) Write(r *record.Record) error { return errors.Join(s.write, s.table.Write(r)) }
func (s *badSink) Flush() error                 { return s.flush }
func (s *badSink) Close() error                 { return errors.Join(s.close, s.table.Close()) }

// TestSinkErrors has a sink fail in each of its methods: Run says so, whichever it was, and says it once.
func TestSinkErrors(t *testing.T) {
	_, c, _ := stopScan(t)
	c.Networks = []string{"10.5.0.0/26"}
	for _, s := range []struct {
		name string
		sink badSink
	}{
		{"open", badSink{open: errFull}},
		{"write", badSink{write: errFull}},
		{"write and after", badSink{write: errFull, flush: errFull, close: errFull}},
		{"flush", badSink{flush: errFull}},
		{"close", badSink{close: errFull}},
	} {
		t.Run(s.name, func(t *testing.T) {
			c.Outputs = to(&s.sink)
			r, err := Run(t.Context(), c)
			if !errors.Is(err, errFull) || r.Reason != engine.SinkFailed {
				t.Fatalf("reason %q, error %v; want sink failed, %v", r.Reason, err, errFull)
			}
			if n := strings.Count(err.Error(), errFull.Error()); n != 1 {
				t.Errorf("error %q names the cause %d times", err, n)
			}
			var stopped *engine.StopError
			if !errors.As(err, &stopped) || stopped.Reason != engine.SinkFailed {
				t.Errorf("error %v is no *StopError", err)
			}
		})
	}
}

// TestSinkErrorAfterAnother has the sink lose rows at the very end of a scan that was interrupted: both are told.
func TestSinkErrorAfterAnother(t *testing.T) {
	_, c, _ := stopScan(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	s := &badSink{close: errFull}
	s.onRow = func(int) { cancel(cause) }
	c.Outputs = to(s)
	r, err := Run(ctx, c)
	if r.Reason != engine.Interrupted || !errors.Is(err, cause) || !errors.Is(err, errFull) {
		t.Errorf("reason %q, error %v; want interrupted, %v and %v", r.Reason, err, cause, errFull)
	}
}

// TestStopReaderGone writes to a pipe whose reader goes away after a few rows, as in zmap | head.
func TestStopReaderGone(t *testing.T) {
	_, c, _ := stopScan(t)
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	read := make(chan string, 1)
	go func() {
		defer reader.Close()
		b := make([]byte, 64)
		n, _ := reader.Read(b)
		read <- string(b[:n])
	}()
	c.Outputs = to(sink.NewJSON(writer, sink.Options{Fields: "saddr"}))
	runStopped(t.Context(), t, c, engine.ReaderGone, sink.ErrReaderGone)
	if got := <-read; !strings.HasPrefix(got, `{"saddr":"10.5.`) {
		t.Errorf("the reader got %q, want rows", got)
	}
}

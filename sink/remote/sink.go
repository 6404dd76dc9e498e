package remote

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/sink"
)

// Options are what the user says about a queue. Zero values are the defaults.
type Options struct {
	Fields    string          // names as [record.Schema.Select] takes them; "" is all
	Folder    string          // where rows wait; made if need be, needed always, used by one process at a time
	DiskBytes int64           // most bytes in Folder: 1 GiB
	Drop      bool            // give rows up when the queue is full, instead of slowing the scan
	Sync      bool            // also keep the promise when the machine fails: an fsync for each Flush that writes to Folder
	Timeout   time.Duration   // for one try to deliver a batch: 30 s
	CloseWait time.Duration   // how long Close waits for delivery: 30 s; negative is not at all
	Stop      <-chan struct{} // closed when a Write that waits for room in the queue shall give up
	Logger    *slog.Logger    // nil is none

	backoff [2]time.Duration // between tries: first and longest
	grace   time.Duration    // for the server to acknowledge what a Flush finds in memory
}

func (o Options) withDefaults() Options {
	if o.Fields == "" {
		o.Fields = "*"
	}
	if o.DiskBytes <= 0 {
		o.DiskBytes = 1 << 30
	}
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	if o.CloseWait == 0 {
		o.CloseWait = 30 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.backoff == [2]time.Duration{} {
		o.backoff = [2]time.Duration{100 * time.Millisecond, 10 * time.Second}
	}
	if o.grace == 0 {
		o.grace = 20 * time.Millisecond
	}
	return o
}

// Bounds of a batch. A larger one saves little for the server and costs latency; a row beyond maxRow is refused.
const (
	batchBytes = 512 << 10
	batchRows  = 8192
	maxRow     = 4 << 20
)

// A Sink delivers rows to a server; see the package comment for what it promises. It implements [sink.Store], [sink.Flusher] and
// [sink.Chooser]. It is owned by one goroutine, but for Stats.
type Sink struct {
	server  Server
	options Options
	scan    sink.Scan
	indexes []int
	origin  *origin
	queue   *queue
	data    []byte // rows of the next batch
	rows    int
	seq     uint64
	first   uint64 // number of the first row in data
	err     error  // why the sink takes no more rows

	stop  context.CancelFunc // ends the goroutine
	hurry chan struct{}
	done  chan struct{} // closed when the goroutine has ended; nil when there is none
}

// New returns a sink that delivers to s.
func New(s Server, o Options) *Sink {
	return &Sink{server: s, options: o.withDefaults()}
}

// Begin implements [sink.Store]. Without it the rows are those of a scan without a configuration and with an id of its own.
func (s *Sink) Begin(scan sink.Scan) error {
	s.scan = scan
	return nil
}

// Open implements [sink.Sink]: it opens the folder and tries to reach the server. A server that refuses for good, a wrong password
// say, is an error; one that cannot be reached is not: rows then wait in the folder.
func (s *Sink) Open(schema *record.Schema) error {
	s.err = s.open(schema)
	return s.err
}

func (s *Sink) open(schema *record.Schema) error {
	indexes, err := schema.Select(s.options.Fields)
	if err != nil {
		return err
	}
	slices.Sort(indexes)
	s.indexes = slices.Compact(indexes)
	var random [16]byte
	rand.Read(random[:])
	session := hex.EncodeToString(random[:])
	if s.scan.ID == "" {
		s.scan.ID, s.scan.Started = session, time.Now()
	}
	if s.origin, err = newOrigin(session, s.scan, schema, s.indexes); err != nil {
		return err
	}
	if err := s.greet(); err != nil {
		return err
	}
	disk, err := openSpool(s.options.Folder, s.options.DiskBytes, s.options.Sync)
	if err != nil {
		s.server.close()
		return err
	}
	if disk.rows > 0 {
		s.options.Logger.Info("rows of earlier scans wait in the queue", "rows", disk.rows, "folder", disk.folder)
	}
	s.queue = newQueue(disk, s.options)
	ctx, cancel := context.WithCancel(context.Background())
	s.stop, s.hurry, s.done = cancel, make(chan struct{}), make(chan struct{})
	go s.deliver(ctx)
	if err := s.put(kindBegin, nil); err != nil {
		return errors.Join(err, s.Close())
	}
	return nil
}

// greet tries to reach the server once.
func (s *Sink) greet() error {
	ctx, cancel := context.WithTimeout(context.Background(), min(s.options.Timeout, 10*time.Second))
	defer cancel()
	err := s.server.connect(ctx)
	var stays *permanentError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &stays):
		s.server.close()
		return fmt.Errorf("reach %s: %w", s.server, err)
	}
	s.options.Logger.Warn("server cannot be reached: rows wait in the queue", "server", s.server.String(), "error", err)
	return nil
}

// deliver is the goroutine that delivers. Close ends it.
func (s *Sink) deliver(ctx context.Context) {
	defer close(s.done)
	err := newCourier(s.server, s.queue, s.options, s.hurry).run(ctx, false)
	if ctx.Err() == nil {
		s.queue.end(err)
	}
}

// Fields implements [sink.Chooser].
func (s *Sink) Fields() []int { return s.indexes }

// Write implements [sink.Sink]. It blocks while the queue is full.
func (s *Sink) Write(r *record.Record) error {
	if s.err != nil {
		return s.err
	}
	before := len(s.data)
	if s.data == nil {
		s.data = make([]byte, 0, batchBytes+batchBytes/16)
	}
	s.data = appendRow(s.data, r, s.indexes)
	if size := len(s.data) - before; size > maxRow {
		s.data = s.data[:before]
		s.err = fmt.Errorf("row of %d bytes: a queue takes %d", size, maxRow)
		return s.err
	}
	s.rows++
	if len(s.data) < batchBytes && s.rows < batchRows {
		return nil
	}
	return s.seal()
}

// seal puts the rows so far into the queue.
func (s *Sink) seal() error {
	if s.rows == 0 {
		return nil
	}
	data := s.data
	if len(data) < cap(data)/2 {
		data = slices.Clone(data)
		s.data = s.data[:0]
	} else {
		s.data = nil
	}
	return s.put(kindRows, data)
}

// put puts a batch into the queue.
func (s *Sink) put(k kind, data []byte) error {
	b := &batch{origin: s.origin, seq: s.seq, kind: k, first: s.first, data: data}
	if k == kindRows {
		b.rows, s.rows = s.rows, 0
	}
	s.seq++
	s.first += uint64(b.rows)
	s.err = s.queue.put(b)
	return s.err
}

// Flush implements [sink.Flusher]: when it returns nil, all rows written are acknowledged or in the folder. It blocks while the
// queue is full.
func (s *Sink) Flush() error {
	if s.err != nil {
		return s.err
	}
	if err := s.seal(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.options.grace)
	defer cancel()
	s.err = s.queue.flush(ctx)
	return s.err
}

// End implements [sink.Store].
func (s *Sink) End(o sink.Outcome) error {
	if s.err != nil {
		return s.err
	}
	text, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("encode outcome of the scan: %w", err)
	}
	if err := s.seal(); err != nil {
		return err
	}
	return s.put(kindEnd, text)
}

// Close implements [sink.Sink]. It waits for delivery as long as the options say, and leaves the rest in the folder: the error
// then is an [UndeliveredError]. It ends the goroutine that Open has started.
func (s *Sink) Close() error {
	if s.done == nil {
		return s.err
	}
	_ = s.seal() // an error stays in the queue
	close(s.hurry)
	left := s.queue.drained(s.options.CloseWait)
	s.stop()
	<-s.done
	s.done = nil
	s.err = fmt.Errorf("sink is closed: %w", os.ErrClosed)
	return s.queue.close(left)
}

// Stats returns the counters, 0 before Open. After that it may be called by any goroutine.
func (s *Sink) Stats() Stats {
	if s.queue == nil {
		return Stats{}
	}
	return s.queue.snapshot()
}

var (
	_ sink.Store   = (*Sink)(nil)
	_ sink.Flusher = (*Sink)(nil)
	_ sink.Chooser = (*Sink)(nil)
)

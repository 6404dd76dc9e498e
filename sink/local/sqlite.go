package local

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/sink"
)

const (
	// chunkRows are inserted by one statement. More do not help: the time goes into the tree of the index.
	chunkRows = 16
	// commitRows are committed at the latest when nobody calls Flush: more would only make the log longer.
	commitRows = 50_000
	// hostRows are made known to the table of hosts at a time when rows come fast, and slowRows in a transaction are few enough to do
	// it at once. A host may be anywhere in its table: many in a row of commits cost as much as the rows themselves.
	hostRows = 100_000
	slowRows = 500
	// rowBits is how many bits of a row's id count the rows of a scan. The rows of one scan lie together in the file.
	rowBits = 40
	// busyTime is how long another program may hold the database before that is an error.
	busyTime = 5 * time.Second
)

// SQLiteOptions are what the user says about a database.
type SQLiteOptions struct {
	// Fields are names as [record.Schema.Select] takes them; "" is all. What scans are compared by is written as well, if the
	// rows have it: saddr, sport, success, classification and the first time.
	Fields string
	// Busy is how long to wait for another program that holds the database; 0 is 5 seconds.
	Busy time.Duration
}

// An SQLite is a [sink.Store] that writes to an SQLite database, one row of the table observation for each answer. The tables
// are described at [SQLiteSchema]; several scans, of several probe modules and by several processes, share a database.
//
// What Flush has returned from survives the death of the process (each row exactly once), and a power cut leaves a sound
// database that lacks at most the last moments: the log is synced when it is moved into the database, not with each Flush. After
// an error the rows since the last Flush are lost, those before it stay, and every method returns that error.
//
// It is owned by one goroutine.
type SQLite struct {
	path    string
	options SQLiteOptions
	db      *sql.DB
	conn    *sql.Conn
	scan    sink.Scan
	begun   bool
	number  int64 // of the scan in this database; 0 before Open
	columns columns
	chunk   statement // inserts chunkRows rows
	single  statement // inserts one
	held    int       // rows in chunk that are not inserted
	next    int64     // id of the next row
	safe    int64     // ids below are committed
	hosted  int64     // ids below are known to the table of hosts
	within  bool      // a transaction
	synced  bool      // with every commit
	closed  bool
	err     error
}

// OpenSQLite opens the database at path, and makes it if there is none. It refuses a file of another program, or of a version of
// this one that has other tables.
func OpenSQLite(path string, o SQLiteOptions) (*SQLite, error) {
	if o.Busy == 0 {
		o.Busy = busyTime
	}
	if err := inspect(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, explain("open", path, err)
	}
	db, err := connect(path, "mode=rwc", o.Busy)
	if err != nil {
		return nil, err
	}
	s := &SQLite{path: path, options: o, db: db}
	if err := s.prepare(); err != nil {
		return nil, explain("open", path, errors.Join(err, s.release()))
	}
	return s, nil
}

// prepare makes the tables, or finds that they are there.
func (s *SQLite) prepare() (err error) {
	if s.conn, err = s.db.Conn(context.Background()); err != nil {
		return err
	}
	if _, err := identify(s.conn); err != nil { // before anything is changed
		return err
	}
	if err := writeAhead(s.conn, s.options.Busy); err != nil {
		return err
	}
	return s.transact(func() error {
		fresh, err := identify(s.conn) // somebody else may have been faster
		if err == nil && fresh {
			_, err = s.conn.ExecContext(context.Background(), SQLiteSchema())
		}
		return err
	})
}

// Begin implements [sink.Store]. The scan is in the database once Open has returned.
func (s *SQLite) Begin(scan sink.Scan) error {
	switch {
	case s.err != nil:
	case s.begun:
		return s.fail("begin a scan in", errors.New("there is one already: open the database again for another"))
	case scan.ID == "":
		return s.fail("begin a scan in", errors.New("it has no ID"))
	}
	s.scan, s.begun = scan, true
	return s.err
}

// Open implements [sink.Sink]. It adds the columns that the table has not yet.
func (s *SQLite) Open(schema *record.Schema) error {
	if s.err != nil {
		return s.err
	}
	if !s.begun {
		return s.fail("open", errors.New("Begin comes before Open"))
	}
	var err error
	if s.columns, err = choose(schema, s.options.Fields); err != nil {
		return s.fail("open", err)
	}
	if err := s.transact(s.enter); err != nil {
		return s.fail("begin a scan in", err)
	}
	s.next = s.number << rowBits
	s.safe, s.hosted = s.next, s.next
	return s.fail("open", s.makeStatements())
}

// enter adds columns and the scan.
func (s *SQLite) enter() error {
	ctx := context.Background()
	if err := s.columns.add(s.conn); err != nil {
		return err
	}
	var taken int
	if err := s.conn.QueryRowContext(ctx, "SELECT count(*) FROM scan WHERE id = ?", s.scan.ID).Scan(&taken); err != nil {
		return err
	}
	if taken > 0 {
		return fmt.Errorf("scan %s is in it already, and a scan is written once", s.scan.ID)
	}
	r, err := s.conn.ExecContext(ctx, "INSERT INTO scan (id, started, probe, version, config, fields) VALUES (?, ?, ?, ?, ?, ?)",
		s.scan.ID, s.scan.Started.UnixMicro(), s.scan.Probe, s.scan.Version, jsonText(s.scan.Config), s.columns.describe())
	if err != nil {
		return err
	}
	if s.number, err = r.LastInsertId(); err != nil {
		return err
	}
	if s.number >= 1<<(63-rowBits) {
		return errors.New("it is full: no file holds more than 8 million scans")
	}
	s.columns.scan = driver.Value(s.number)
	return noteKilled(s.conn, s.columns.time)
}

// jsonText returns an object as the database holds it.
func jsonText(raw []byte) any {
	if len(raw) == 0 {
		return nil
	}
	return string(raw)
}

// Write implements [sink.Sink].
func (s *SQLite) Write(r *record.Record) error {
	if s.err != nil {
		return s.err
	}
	if s.number == 0 {
		return s.fail("write to", errors.New("Open comes before Write"))
	}
	width := s.columns.width
	s.columns.fill(s.chunk.args[s.held*width:(s.held+1)*width], s.next, r)
	err := s.writeParts(s.next, r)
	s.held++
	s.next++
	if err == nil && s.held < chunkRows {
		return nil
	}
	if err == nil {
		err = s.begin()
	}
	if err == nil {
		err = s.chunk.exec(s.conn)
	}
	s.held = 0
	if err == nil && s.next-s.safe >= commitRows {
		return s.Flush()
	}
	return s.fail("write rows to", err)
}

// Flush implements [sink.Flusher]: it commits the rows written so far.
func (s *SQLite) Flush() error {
	if s.err != nil || s.next == s.safe {
		return s.err
	}
	return s.fail("write rows to", s.flush())
}

func (s *SQLite) flush() error {
	if err := s.begin(); err != nil {
		return err
	}
	width := s.columns.width
	for i := range s.held {
		row := s.chunk.args[i*width : (i+1)*width]
		for j := range row {
			s.single.args[j].Value = row[j].Value
		}
		if err := s.single.exec(s.conn); err != nil {
			return err
		}
	}
	s.held = 0
	if s.next-s.safe <= slowRows || s.next-s.hosted >= hostRows {
		if err := s.noteHosts(); err != nil {
			return err
		}
	}
	if err := s.commit(); err != nil {
		return err
	}
	s.safe = s.next
	return nil
}

// noteHosts makes the addresses of all rows so far known.
func (s *SQLite) noteHosts() error {
	if s.hosted == s.next {
		return nil
	}
	if err := noteHosts(s.conn, s.columns.time, s.number, s.hosted); err != nil {
		return err
	}
	s.hosted = s.next
	return nil
}

// End implements [sink.Store].
func (s *SQLite) End(o sink.Outcome) error {
	if err := s.Flush(); err != nil {
		return err
	}
	if s.number == 0 {
		return s.fail("end a scan in", errors.New("Open comes before End"))
	}
	return s.fail("end a scan in", s.transact(func() error {
		if err := s.noteHosts(); err != nil {
			return err
		}
		_, err := s.conn.ExecContext(context.Background(), "UPDATE scan SET ended = ?, reason = ?, counts = ? WHERE n = ?",
			o.Ended.UnixMicro(), o.Reason, jsonText(o.Counts), s.number)
		return err
	}))
}

// Close implements [sink.Sink]. When nobody else has the database open, all of it is in one file afterwards. A second call
// returns what the first did.
func (s *SQLite) Close() error {
	if s.closed {
		return s.closeError()
	}
	if s.Flush() == nil && s.number != 0 {
		s.fail("write rows to", s.transact(s.noteHosts)) //nolint:errcheck // it is kept
	}
	s.closed = true
	err := s.release()
	if s.fail("close", err) == nil {
		s.err = errClosed
	}
	return s.closeError()
}

// errClosed is what the methods of a closed store return.
var errClosed = fmt.Errorf("the database is closed: %w", os.ErrClosed)

func (s *SQLite) closeError() error {
	if errors.Is(s.err, errClosed) {
		return nil
	}
	return s.err
}

// release gives up statements and the connection.
func (s *SQLite) release() error {
	var errs []error
	errs = append(errs, s.chunk.close(s.conn), s.single.close(s.conn))
	for _, p := range s.columns.parts {
		errs = append(errs, p.close(s.conn))
	}
	if s.conn != nil {
		errs = append(errs, s.conn.Close())
	}
	return errors.Join(append(errs, s.db.Close())...)
}

// Fields implements [sink.Chooser].
func (s *SQLite) Fields() []int {
	indexes := make([]int, len(s.columns.fields))
	for i, f := range s.columns.fields {
		indexes[i] = f.index
	}
	for _, p := range s.columns.parts {
		indexes = append(indexes, p.index)
	}
	return indexes
}

// makeStatements prepares what Write and Flush run.
func (s *SQLite) makeStatements() error {
	if err := s.chunk.prepare(s.conn, s.columns.insert(chunkRows), s.columns.width*chunkRows); err != nil {
		return err
	}
	if err := s.single.prepare(s.conn, s.columns.insert(1), s.columns.width); err != nil {
		return err
	}
	for _, p := range s.columns.parts {
		if err := p.prepare(s.conn); err != nil {
			return err
		}
	}
	return nil
}

var (
	_ sink.Store   = (*SQLite)(nil)
	_ sink.Flusher = (*SQLite)(nil)
	_ sink.Chooser = (*SQLite)(nil)
)

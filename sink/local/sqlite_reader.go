package local

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"modernc.org/sqlite"
	code "modernc.org/sqlite/lib"

	"github.com/zmap-go/zmap/sink"
)

// maxCell is how many bytes a value of a database may have: whoever has made it cannot have us take more memory than some of these.
const maxCell = 16 << 20

// A StoredScan is what a database says of a scan. Ended is zero if it has not, or was killed.
type StoredScan struct {
	sink.Scan
	sink.Outcome
	Rows int64 // that it has written
}

// Scans returns the scans in the database at path, in the order in which they began to write.
func Scans(path string) ([]StoredScan, error) {
	r, err := openToRead(path)
	if err != nil {
		return nil, explain("read", path, err)
	}
	all, err := scans(r.conn)
	return all, explain("read", path, errors.Join(err, r.close()))
}

func scans(conn *sql.Conn) ([]StoredScan, error) {
	rows, err := conn.QueryContext(context.Background(), fmt.Sprintf(`
		SELECT `+scanColumns+`,
			ifnull((SELECT max(o.id) + 1 FROM observation AS o WHERE o.id >= n << %d AND o.id < (n + 1) << %d), n << %d) - (n << %d)
		FROM scan ORDER BY n`, rowBits, rowBits, rowBits, rowBits))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []StoredScan
	for rows.Next() {
		var s StoredScan
		if err := s.read(rows.Scan, &s.Rows); err != nil {
			return nil, fmt.Errorf("read scan %d: %w", len(all)+1, err)
		}
		all = append(all, s)
	}
	return all, rows.Err()
}

// scanColumns are the columns of the table scan that are read, in order.
const scanColumns = "id, started, ended, probe, version, config, reason, counts"

// read reads scanColumns, and more behind them.
func (s *StoredScan) read(scan func(to ...any) error, more ...any) error {
	var started, ended sql.NullInt64
	var config, reason, counts sql.NullString
	if err := scan(append([]any{&s.ID, &started, &ended, &s.Probe, &s.Version, &config, &reason, &counts}, more...)...); err != nil {
		return err
	}
	s.Started = time.UnixMicro(started.Int64)
	if ended.Valid {
		s.Ended = time.UnixMicro(ended.Int64)
	}
	s.Reason = reason.String
	if config.Valid {
		s.Config = json.RawMessage(config.String)
	}
	if counts.Valid {
		s.Counts = json.RawMessage(counts.String)
	}
	return nil
}

// A reader is a database that is only read, with its one connection.
type reader struct {
	db   *sql.DB
	conn *sql.Conn
}

func (r *reader) close() error {
	var errs []error
	if r.conn != nil {
		errs = append(errs, r.conn.Close())
	}
	return errors.Join(append(errs, r.db.Close())...)
}

// openToRead opens a database that is there.
func openToRead(path string) (*reader, error) {
	if err := inspect(path); err != nil {
		return nil, err
	}
	r, err := openAs(path, "mode=ro")
	var e *sqlite.Error
	if errors.As(err, &e) && (e.Code()&0xff == code.SQLITE_CANTOPEN || e.Code()&0xff == code.SQLITE_READONLY) {
		// A reader, too, takes part in sharing memory, with files beside the database. Where it may not make them, and nobody
		// else has, the database is one that nobody writes to.
		if _, gone := os.Stat(path + "-wal"); errors.Is(gone, os.ErrNotExist) {
			return openAs(path, "mode=ro&immutable=1")
		}
	}
	return r, err
}

func openAs(path, mode string) (*reader, error) {
	db, err := connect(path, mode+"&_query_only=1", busyTime)
	if err != nil {
		return nil, err
	}
	r := &reader{db: db}
	if err := r.check(); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

// check connects, and finds that the tables are there.
func (r *reader) check() (err error) {
	if r.conn, err = r.db.Conn(context.Background()); err != nil {
		return err
	}
	if _, err := sqlite.Limit(r.conn, code.SQLITE_LIMIT_LENGTH, maxCell); err != nil {
		return err
	}
	fresh, err := identify(r.conn)
	if err != nil {
		return err
	}
	if fresh {
		return errors.New("there is nothing in it")
	}
	return realTables(r.conn)
}

// realTables demands that what is read are tables: a view or a virtual table may take for ever.
func realTables(conn *sql.Conn) error {
	var n int
	err := conn.QueryRowContext(context.Background(),
		"SELECT count(*) FROM sqlite_master WHERE type = 'table' AND rootpage > 0 AND name IN ('scan', 'observation')").Scan(&n)
	if err == nil && n != 2 {
		err = errors.New("its tables scan and observation are missing")
	}
	return err
}

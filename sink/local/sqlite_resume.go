package local

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strconv"

	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/sink"
)

// Save implements [sink.Resumer]: the place is the number of the scan's rows. From the first call on each commit is synced, so that
// what it has returned from survives a power cut as well.
func (s *SQLite) Save() (string, error) {
	if err := s.Flush(); err != nil {
		return "", err
	}
	if s.number == 0 {
		return "", s.fail("save rows in", errors.New("Open comes before Save"))
	}
	if !s.synced {
		if err := s.sync(); err != nil {
			return "", s.fail("save rows in", err)
		}
	}
	return strconv.FormatInt(s.next-s.number<<rowBits, 10), nil
}

// sync has each commit synced from now on, with one that takes along those before.
func (s *SQLite) sync() error {
	_, err := s.conn.ExecContext(context.Background(), "PRAGMA synchronous = FULL")
	if err != nil {
		return err
	}
	s.synced = true
	return s.transact(func() error {
		_, err := s.conn.ExecContext(context.Background(), "UPDATE scan SET hosted = hosted WHERE n = ?", s.number)
		return err
	})
}

// Resume implements [sink.Resumer]. Begin comes before, with the ID of the scan that is carried on.
func (s *SQLite) Resume(schema *record.Schema, place string) error {
	if s.err != nil {
		return s.err
	}
	if !s.begun {
		return s.fail("open", errors.New("Begin comes before Resume"))
	}
	rows, err := strconv.ParseInt(place, 10, 64)
	if err != nil || rows < 0 || rows >= 1<<rowBits {
		return s.fail("carry on a scan in", fmt.Errorf("%.40q is no number of rows", place))
	}
	if s.columns, err = choose(schema, s.options.Fields); err != nil {
		return s.fail("open", err)
	}
	if err := s.transact(func() error { return s.reenter(rows) }); err != nil {
		return s.fail("carry on a scan in", err)
	}
	s.next = s.number<<rowBits + rows
	s.safe, s.hosted = s.next, s.number<<rowBits // all are noted once more, which does no harm
	return s.fail("open", s.makeStatements())
}

// reenter finds the scan, and drops its rows behind the first ones.
func (s *SQLite) reenter(rows int64) error {
	ctx := context.Background()
	if err := s.columns.add(s.conn); err != nil {
		return err
	}
	err := s.conn.QueryRowContext(ctx, "SELECT n FROM scan WHERE id = ?", s.scan.ID).Scan(&s.number)
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("scan %s is not in it", s.scan.ID)
	}
	if err != nil {
		return err
	}
	s.columns.scan = driver.Value(s.number)
	first := s.number << rowBits
	next, end := first+rows, first+1<<rowBits
	var there int64
	if err := s.conn.QueryRowContext(ctx, "SELECT count(*) FROM observation WHERE id >= ? AND id < ?", first, next).Scan(&there); err != nil {
		return err
	}
	if there != rows {
		return fmt.Errorf("it has %d rows of the scan, and had %d when that was killed", there, rows)
	}
	dropped := fmt.Sprintf("id >= %d AND id < %d", next, end)
	// A host that only rows to be dropped have made known is unknown again.
	drop := []string{fmt.Sprintf(`DELETE FROM host WHERE first_scan = %d AND saddr_key IN (SELECT saddr_key FROM observation WHERE %s)
		AND NOT EXISTS (SELECT 1 FROM observation AS o WHERE o.scan = %[1]d AND o.saddr_key = host.saddr_key AND o.id < %[3]d)`, s.number, dropped, next)}
	for _, p := range s.columns.parts {
		drop = append(drop, fmt.Sprintf(`DELETE FROM "observed_%s" WHERE observation IN (SELECT id FROM observation WHERE %s)`, p.table, dropped))
	}
	drop = append(drop, "DELETE FROM observation WHERE "+dropped,
		fmt.Sprintf("UPDATE scan SET ended = NULL, reason = NULL, counts = NULL, hosted = min(hosted, %d) WHERE n = %d", next, s.number))
	for _, text := range drop {
		if _, err := s.conn.ExecContext(ctx, text); err != nil {
			return err
		}
	}
	return nil
}

var _ sink.Resumer = (*SQLite)(nil)

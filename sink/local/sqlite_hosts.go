package local

import (
	"context"
	"database/sql"
	"errors"
)

// noteHosts makes the addresses of a scan's rows known to the table of hosts, from that id on; time is the column that says when
// a row was received, "" if none does. Rows that were noted before do no harm.
func noteHosts(c *sql.Conn, time string, scan, from int64) error {
	seen := "s.started"
	if time != "" {
		seen = `ifnull(o."` + time + `", s.started)`
	}
	_, err := c.ExecContext(context.Background(), `
		INSERT OR ROLLBACK INTO host SELECT o.saddr_key, o.saddr, s.n, min(`+seen+`), s.n, max(`+seen+`)
			FROM scan AS s CROSS JOIN observation AS o ON o.id >= ?2 AND o.id < ?3
			WHERE s.n = ?1 AND o.saddr_key IS NOT NULL GROUP BY o.saddr_key
		ON CONFLICT (saddr_key) DO UPDATE SET
			first_scan = CASE WHEN excluded.first_seen < first_seen THEN excluded.first_scan ELSE first_scan END,
			first_seen = min(excluded.first_seen, first_seen),
			last_scan = CASE WHEN excluded.last_seen >= last_seen THEN excluded.last_scan ELSE last_scan END,
			last_seen = max(excluded.last_seen, last_seen)`, scan, from, (scan+1)<<rowBits)
	if err != nil {
		return err
	}
	_, err = c.ExecContext(context.Background(), `
		UPDATE scan SET hosted = (SELECT max(id) + 1 FROM observation WHERE id < (n + 1) << ?2) WHERE n = ?1`, scan, rowBits)
	return err
}

// noteKilled does that for the rows that scans have left behind which were killed. Of scans that still run it does some of
// their work.
func noteKilled(c *sql.Conn, time string) error {
	rows, err := c.QueryContext(context.Background(), `
		SELECT n, max(hosted, n << ?1) AS first FROM scan WHERE ended IS NULL
			AND EXISTS (SELECT 1 FROM observation WHERE id >= first AND id < (n + 1) << ?1)`, rowBits)
	if err != nil {
		return err
	}
	defer rows.Close()
	type rest struct{ scan, from int64 }
	var all []rest
	for rows.Next() {
		var r rest
		if err := rows.Scan(&r.scan, &r.from); err != nil {
			return err
		}
		all = append(all, r)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for _, r := range all {
		if err := noteHosts(c, time, r.scan, r.from); err != nil {
			return err
		}
	}
	return nil
}

package local

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"modernc.org/sqlite"
	code "modernc.org/sqlite/lib"
)

const (
	// applicationID is "zmap" in ASCII; file(1) and PRAGMA application_id show it.
	applicationID = 0x7a6d6170
	// schemaVersion is PRAGMA user_version of the tables below.
	schemaVersion = 1
)

// latest is the condition that row o is the last of its address and port in its scan. That one counts: deduplication lets a
// second answer through only if it says more than the first.
const latest = `o.id = (SELECT max(l.id) FROM observation AS l WHERE l.scan = o.scan AND l.saddr_key IS o.saddr_key AND l.sport IS o.sport)`

// SQLiteSchema returns the statements that make the tables of a database.
//
//   - scan: a row for each scan. ended, reason and counts are null as long as it runs, and for ever if it was killed.
//   - observation: a row for each answer, with a column for each field of the probe modules that have written to the database.
//     observation.scan is scan.n. A row's id tells the order of writing within the scan.
//   - host: a row for each address that has answered, in the column saddr, with the first and last scan and time. While rows
//     come fast it lacks up to 100,000 of the last ones; it has all when a scan has ended. What a scan that was killed has left
//     out, the next one adds: scan.hosted is the id below which rows are in.
//   - change: a view of what is different between any two scans.
//   - certificate and observed_certificate, when rows have certificates: each certificate once, known by its SHA-256, and which
//     rows showed which, in order from position 0, the leaf's. The same is done with every field whose objects have a key
//     ([record.Field.Key]): the field certificates has the tables certificate and observed_certificate.
//
// Addresses are text, and beside it NAME_key has 16 bytes, which sort as addresses do: IPv4 as ::ffff:a.b.c.d. Times are whole
// numbers, microseconds since 1970: they sort, subtract and take 8 bytes, datetime(t/1e6, 'unixepoch') prints them, and
// pandas.to_datetime(t, unit="us") reads a column in one go; text would have to be parsed for all of that but the printing.
// Truth values are 1 and 0, bytes are BLOB, lists are JSON text, as the JSON output has it. Integers from 2^63 to 2^64-1, which
// SQLite has not, are BLOB of 8 bytes, big-endian: they are exact, and sort behind all others. Text from the wire that is no
// UTF-8 is BLOB, too.
//
// What changed between two scans is one query:
//
//	SELECT what, saddr, sport, was, now FROM change WHERE before = 'ID' AND after = 'ID' ORDER BY saddr_key, sport;
//
// with what = appeared, gone or changed (another success or classification, which are in was and now). Of several rows of an
// address and port the last counts. old_row and new_row are ids of observation, to join for more.
func SQLiteSchema() string {
	return `
CREATE TABLE scan (
	n INTEGER PRIMARY KEY,
	id TEXT NOT NULL UNIQUE,
	started INTEGER NOT NULL,
	ended INTEGER,
	probe TEXT NOT NULL,
	version TEXT NOT NULL,
	config TEXT,
	reason TEXT,
	counts TEXT,
	fields TEXT NOT NULL,
	hosted INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE observation (
	id INTEGER PRIMARY KEY,
	scan INTEGER NOT NULL REFERENCES scan(n) ON DELETE CASCADE,
	saddr TEXT,
	saddr_key BLOB,
	sport INTEGER,
	success INTEGER,
	classification TEXT
);
CREATE INDEX observation_scan_saddr_sport ON observation (scan, saddr_key, sport);
CREATE TABLE host (
	saddr_key BLOB PRIMARY KEY,
	saddr TEXT NOT NULL,
	first_scan INTEGER NOT NULL,
	first_seen INTEGER NOT NULL,
	last_scan INTEGER NOT NULL,
	last_seen INTEGER NOT NULL
) WITHOUT ROWID;
CREATE VIEW change AS
	SELECT b.id AS before, a.id AS after, CASE WHEN n.id IS NULL THEN 'gone' ELSE 'changed' END AS what,
		o.saddr AS saddr, o.saddr_key AS saddr_key, o.sport AS sport,
		o.classification AS was, n.classification AS now, o.success AS was_success, n.success AS now_success,
		o.id AS old_row, n.id AS new_row
	FROM scan AS b CROSS JOIN scan AS a CROSS JOIN observation AS o ON o.scan = b.n
		LEFT JOIN observation AS n ON n.id =
			(SELECT max(l.id) FROM observation AS l WHERE l.scan = a.n AND l.saddr_key IS o.saddr_key AND l.sport IS o.sport)
	WHERE ` + latest + `
		AND (n.id IS NULL OR n.success IS NOT o.success OR n.classification IS NOT o.classification)
	UNION ALL
	SELECT b.id, a.id, 'appeared', o.saddr, o.saddr_key, o.sport, NULL, o.classification, NULL, o.success, NULL, o.id
	FROM scan AS b CROSS JOIN scan AS a CROSS JOIN observation AS o ON o.scan = a.n
	WHERE ` + latest + `
		AND NOT EXISTS (SELECT 1 FROM observation AS p WHERE p.scan = b.n AND p.saddr_key IS o.saddr_key AND p.sport IS o.sport);
PRAGMA application_id = ` + strconv.Itoa(applicationID) + `;
PRAGMA user_version = ` + strconv.Itoa(schemaVersion) + `;
`
}

// connect returns a database that is opened by the first use. mode is that of SQLite's file names.
func connect(path, mode string, busy time.Duration) (*sql.DB, error) {
	if path == "" {
		return nil, errors.New("open SQLite database: the path is empty")
	}
	full, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open SQLite database %s: %w", path, err)
	}
	if full = filepath.ToSlash(full); full[0] != '/' {
		full = "/" + full // C:/x
	}
	name := url.URL{Scheme: "file", Path: full, RawQuery: mode + "&_error_rc=1&_dqs=0"}
	for _, pragma := range []string{
		fmt.Sprintf("busy_timeout(%d)", busy.Milliseconds()),
		"synchronous(NORMAL)",       // sync when the log is moved: a power cut may take the last rows, and leaves a sound file
		"wal_autocheckpoint(16384)", // pages in the log before it is moved: the index has many rows of a page by then
		"cache_size(-65536)",        // KB
		"temp_store(MEMORY)",
		"trusted_schema(OFF)",
	} {
		name.RawQuery += "&_pragma=" + pragma
	}
	c, err := sqlite.NewConnector(name.String())
	if err != nil {
		return nil, fmt.Errorf("open SQLite database %s: %w", path, err)
	}
	return sql.OpenDB(c), nil
}

// minFile is the least size of a database: a page.
const minFile = 512

// inspect refuses what is at path if it cannot be a database. SQLite takes the place of a file that is shorter than a page.
func inspect(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return errors.New("this is a folder: name a file")
	case info.Mode().IsRegular() && info.Size() > 0 && info.Size() < minFile:
		return errors.New(notDatabase)
	}
	return nil
}

// identify says whether the database has nothing in it yet. One that is not this program's is an error.
func identify(c *sql.Conn) (fresh bool, err error) {
	var application, version, tables int64
	// One statement, and so one moment: another process may be about to make the tables.
	row := c.QueryRowContext(context.Background(), `SELECT application_id, user_version, (SELECT count(*) FROM sqlite_master)
		FROM pragma_application_id, pragma_user_version`)
	if err := row.Scan(&application, &version, &tables); err != nil {
		return false, err
	}
	switch {
	case application == 0 && version == 0 && tables == 0:
		return true, nil
	case application != applicationID:
		return false, errors.New("it is another program's: name another file")
	case version > schemaVersion:
		return false, fmt.Errorf("its tables are of version %d, and this program knows %d: use a newer zmap, or name another file",
			version, schemaVersion)
	case version != schemaVersion:
		return false, fmt.Errorf("its tables are of version %d, which no zmap has made: name another file", version)
	}
	return false, nil
}

// writeAhead has changes written to a log beside the database. Readers do not wait for writers then, and a commit is one write
// in one place. A database that somebody else turns over at the same moment may be busy at once, whatever the busy timeout, so that
// two do not wait for each other (sqlite3_busy_handler() in SQLite's manual): it is asked again for as long as that.
func writeAhead(c *sql.Conn, busy time.Duration) error {
	const step = 5 * time.Millisecond
	var mode string
	for begun := time.Now(); ; time.Sleep(step) {
		err := c.QueryRowContext(context.Background(), "PRAGMA journal_mode = WAL").Scan(&mode)
		if err == nil {
			break
		}
		var e *sqlite.Error
		if !errors.As(err, &e) || e.Code()&0xff != code.SQLITE_BUSY || time.Since(begun) >= busy {
			return err
		}
	}
	if !strings.EqualFold(mode, "wal") {
		return fmt.Errorf("its file system cannot share memory between programs (journal mode %s): put it on a local disk", mode)
	}
	return nil
}

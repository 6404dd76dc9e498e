//go:build !minimal

package outputs

import (
	"fmt"
	"io"
	"time"

	"github.com/zmap-go/zmap/sink"
	"github.com/zmap-go/zmap/sink/local"
)

// Minimal says that the program was built without SQLite and Parquet.
const Minimal = false

// localKinds are the kinds of files with structure of their own.
func localKinds() []Kind { return []Kind{parquetKind(), sqliteKind()} }

// openParquet returns the source of a Parquet file.
func openParquet(path string) (sink.Source, error) { return local.OpenParquet(path) }

// sqliteKind keeps scans in a database.
func sqliteKind() Kind {
	return Kind{
		Name: "sqlite", Destination: "file", Store: true, ends: []string{".db", ".sqlite", ".sqlite3"},
		Doc:     "an SQLite database, which may have many scans in it",
		Options: []Option{{"busy", "how long to wait for another program that holds the database: 30s (default 5s)"}},
		open: func(s *Spec, e *Env) (sink.Sink, error) {
			o := local.SQLiteOptions{Fields: s.fields(e)}
			if text := s.Option("busy"); text != "" {
				var err error
				if o.Busy, err = time.ParseDuration(text); err != nil || o.Busy <= 0 {
					return nil, fmt.Errorf("busy=%s is no time; write 30s", text)
				}
			}
			return local.OpenSQLite(s.Destination, o)
		},
	}
}

// parquetKind writes files for programs that analyse columns.
func parquetKind() Kind {
	return Kind{
		Name: "parquet", Destination: "file", Store: true, Doc: "Parquet files, typed and compressed, for DuckDB, BigQuery, pandas and the like",
		Options: fileOptions(), ends: []string{".parquet"},
		open: func(s *Spec, e *Env) (sink.Sink, error) {
			o := local.ParquetOptions{Fields: s.fields(e)}
			if s.Option("rotate") != "" {
				return s.rotating(s.Destination, func(w io.Writer) sink.Sink { return local.NewParquet(w, o) })
			}
			return local.CreateParquet(s.Destination, o)
		},
	}
}

// openSQLite returns the source of a scan of a database, by its ID or the beginning of it.
func openSQLite(path, scan string) (sink.Source, error) { return local.OpenSQLiteSource(path, scan) }

// lastTwo returns the names of the two scans of a database that began last, the older one first.
func lastTwo(path string) ([]string, error) {
	all, err := local.Scans(path)
	if err != nil {
		return nil, err
	}
	n := len(all)
	if n < 2 {
		return nil, fmt.Errorf("%s has %d scan, and two are compared", path, n)
	}
	return []string{path + "#" + all[n-2].ID, path + "#" + all[n-1].ID}, nil
}

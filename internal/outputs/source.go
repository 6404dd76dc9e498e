package outputs

import (
	"fmt"

	"github.com/zmap-go/zmap/annotate"
	"github.com/zmap-go/zmap/internal/engine"
	"github.com/zmap-go/zmap/probe"
	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/sink"
)

// OpenSource opens results that this program or C ZMap has written: a file of CSV or JSON lines, compressed or not, a Parquet file,
// or a scan of an SQLite database, FILE#ID, or FILE for its newest.
func OpenSource(name string) (sink.Source, error) {
	path, scan := splitScan(name)
	switch {
	case beginsWith(path, sqliteHead):
		return openSQLite(path, scan)
	case scan == "" && beginsWith(path, parquetHead):
		return openParquet(path)
	case scan != "":
		return nil, fmt.Errorf("open rows: %s is no database of scans, of which #%s could be one", path, scan)
	}
	fields, err := knownFields()
	if err != nil {
		return nil, err
	}
	return sink.OpenSource(name, sink.SourceOptions{Field: func(name string) (record.Field, bool) {
		f, ok := fields[name]
		return f, ok
	}})
}

// knownFields are the fields of all probe modules, and of annotations, but for names to which two of them give different types.
func knownFields() (map[string]record.Field, error) {
	fields := make(map[string]record.Field)
	for _, f := range annotate.Known() {
		fields[f.Name] = f
	}
	odd := make(map[string]bool)
	for _, m := range probe.Modules() {
		p, err := probe.Sample(m.Name)
		if err != nil {
			return nil, err
		}
		for _, f := range engine.Schema(p.Describe()).Fields() {
			if other, there := fields[f.Name]; there && other.Type != f.Type {
				odd[f.Name] = true
			}
			fields[f.Name] = f
		}
	}
	for name := range odd {
		delete(fields, name)
	}
	return fields, nil
}

// LastTwo returns the names of the two scans of a database that began last, the older one first.
func LastTwo(path string) ([]string, error) {
	if !beginsWith(path, sqliteHead) {
		return nil, fmt.Errorf("%s is no database of scans: name the results before and after", path)
	}
	return lastTwo(path)
}

// A Kept is a source that knows which scan its rows are of.
type Kept interface {
	sink.Source
	Scan() sink.Scan
	Outcome() sink.Outcome
}

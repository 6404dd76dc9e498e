package outputs

import (
	"fmt"

	"github.com/zmap-go/zmap/annotate"
	"github.com/zmap-go/zmap/internal/engine"
	"github.com/zmap-go/zmap/probe"
	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/sink"
	"github.com/zmap-go/zmap/sink/local"
)

// OpenSource opens results that this program or C ZMap has written: a file of CSV or JSON lines, compressed or not, a Parquet file,
// or a scan of an SQLite database, FILE#ID, or FILE for its newest.
func OpenSource(name string) (sink.Source, error) {
	path, scan := splitScan(name)
	switch {
	case beginsWith(path, sqliteHead):
		return openSQLite(path, scan)
	case scan == "" && beginsWith(path, parquetHead):
		return local.OpenParquet(path)
	case scan != "":
		return nil, fmt.Errorf("open rows: %s is no database of scans, of which #%s could be one", path, scan)
	}
	types, err := knownTypes()
	if err != nil {
		return nil, err
	}
	return sink.OpenSource(name, sink.SourceOptions{Type: func(field string) (record.Type, bool) {
		t, ok := types[field]
		return t, ok
	}})
}

// knownTypes are the types of the fields of all probe modules, and of annotations. A name that two of them give different types has none.
func knownTypes() (map[string]record.Type, error) {
	types := make(map[string]record.Type)
	for _, f := range annotate.Known() {
		types[f.Name] = f.Type
	}
	odd := make(map[string]bool)
	for _, m := range probe.Modules() {
		p, err := probe.Sample(m.Name)
		if err != nil {
			return nil, err
		}
		for _, f := range engine.Schema(p.Describe()).Fields() {
			if t, there := types[f.Name]; there && t != f.Type {
				odd[f.Name] = true
			}
			types[f.Name] = f.Type
		}
	}
	for name := range odd {
		delete(types, name)
	}
	return types, nil
}

// A Kept is a source that knows which scan its rows are of.
type Kept interface {
	sink.Source
	Scan() sink.Scan
	Outcome() sink.Outcome
}

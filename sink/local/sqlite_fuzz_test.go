package local

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/zmap-go/zmap/record"
)

// FuzzSQLiteSource reads databases with bytes of them changed: pages, trees, cells, the schema and our own descriptions in it. The
// first numbers say where, the rest is what is there instead. It demands an end in time, and no more rows than there were.
func FuzzSQLiteSource(f *testing.F) {
	s := record.NewSchema(synFields().Fields(), []record.Field{
		{Name: "data", Type: record.Binary},
		{Name: "answers", Type: record.Repeated},
		{Name: "stamp", Type: record.Int},
		partsSchema().Fields()[len(synFields().Fields())],
	})
	path := filepath.Join(f.TempDir(), "seed.db")
	db := open(f, path, scanOf("aa01", 1), s)
	r := record.New(s)
	for i := range 40 {
		synRow(r, host(i), 443, "synack", 1000)
		r.SetBytes(6, []byte{1, 2, 3})
		r.Values[7] = record.List([]record.Object{{{Name: "name", Value: record.Text("a")}}})
		r.Values[8] = record.Uint(1 << 63)
		r.Values[9] = record.List([]record.Object{certificate(i%3, true)})
		if err := db.Write(r); err != nil {
			f.Fatal(err)
		}
	}
	finish(f, db, 2)
	sound, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint16(0), uint16(0), []byte{})
	f.Add(uint16(0), uint16(16), []byte{0xff, 0xff, 9, 9})
	f.Add(uint16(0), uint16(100), []byte{13, 255, 255, 0, 0})
	f.Add(uint16(1), uint16(0), []byte{5, 0, 0, 0, 200})
	f.Add(uint16(2), uint16(4000), []byte(`[{"name":"x"}]`))
	f.Add(uint16(3), uint16(8), []byte{0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, page, offset uint16, patch []byte) {
		b := append([]byte{}, sound...)
		copy(b[(int(page)*4096+int(offset))%len(b):], patch)
		path := filepath.Join(t.TempDir(), "scans.db")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		err := drain(path)
		if errors.Is(err, errEndless) {
			t.Error(err)
		}
		if took := time.Since(begun); took > 20*time.Second {
			t.Errorf("reading takes %v", took)
		}
		if _, err := Scans(path); err != nil {
			says(t, err, path)
		}
	})
}

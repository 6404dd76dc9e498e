//go:build peers

package local

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zmap-go/zmap/record"
)

// TestParquetArrow has Apache Arrow read what is written for all probe modules, over more than a row group, and compares every
// value. The program that does it is testdata/arrow, a module of its own; the first build of that takes minutes.
func TestParquetArrow(t *testing.T) {
	program := filepath.Join(t.TempDir(), "arrow")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".")
	build.Dir = "testdata/arrow"
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build testdata/arrow: %v\n%s", err, out)
	}
	for name, s := range schemas(t) {
		n := 2500
		if name == "icmp_echoscan" {
			n += parquetGroupRows
		}
		path := filepath.Join(t.TempDir(), name+".parquet")
		writeParquet(t, path, s, n)
		cmd := exec.CommandContext(t.Context(), program, path)
		var complaints bytes.Buffer
		cmd.Stderr = &complaints
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: Arrow: %v: %s", name, err, complaints.Bytes())
		}
		rows := json.NewDecoder(bytes.NewReader(out))
		rows.UseNumber()
		count := 0
		randomRows(s, n, func(r *record.Record) {
			var got map[string]any
			if err := rows.Decode(&got); err != nil {
				t.Fatalf("%s, row %d: %v", name, count, err)
			}
			count++
			want := asReadRow(r)
			for i, f := range s.Fields() {
				if shown := arrowText(t, &f, got[f.Name]); shown != want[i] {
					t.Fatalf("%s, row %d, %s: Arrow reads %s, want %s", name, count, f.Name, shown, want[i])
				}
				if f.Type != record.Addr || r.Values[i].IsNull() {
					continue
				}
				key := r.Values[i].Addr().As16()
				if diff := cmp.Diff(base64.StdEncoding.EncodeToString(key[:]), got[f.Name+"_key"]); diff != "" {
					t.Fatalf("%s, row %d, key of %s (-want +got):\n%s", name, count, f.Name, diff)
				}
			}
		})
		if rows.More() {
			t.Errorf("%s: Arrow reads more than %d rows", name, count)
		}
	}
}

// arrowText shows a value of Arrow's JSON as asRead shows it.
func arrowText(t *testing.T, f *record.Field, v any) string {
	t.Helper()
	if v == nil {
		return "null"
	}
	switch f.Type {
	case record.String:
		return fmt.Sprintf("%q", v)
	case record.Binary:
		b, err := base64.StdEncoding.DecodeString(v.(string))
		if err != nil {
			t.Fatal(err)
		}
		return hex.EncodeToString(b)
	case record.Time:
		at, err := time.Parse(time.RFC3339Nano, v.(string))
		if err != nil {
			t.Fatal(err)
		}
		return at.UTC().Format(time.RFC3339Nano)
	case record.Repeated:
		text := "["
		for _, object := range v.([]any) {
			text += "{"
			for _, m := range f.Elem.Fields() {
				if value := object.(map[string]any)[m.Name]; value != nil {
					text += m.Name + "=" + arrowText(t, &m, value) + " "
				}
			}
			text += "}"
		}
		return text + "]"
	case record.Int, record.Bool, record.Addr:
	}
	return fmt.Sprint(v)
}

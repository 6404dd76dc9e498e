package sink

import (
	"encoding/csv"
	"encoding/json"
	"flag"
	"strconv"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // where the machine has none
	"unicode"
	"unicode/utf8"

	"github.com/zmap-go/zmap/internal/vectors"
)

var update = flag.Bool("update", false, "write the golden vectors anew")

// TestRowVectors writes the golden rows. What they are, encoding/csv and encoding/json read again, to the same values.
func TestRowVectors(t *testing.T) {
	for _, v := range vectors.Files(t, "row") {
		zone, err := time.LoadLocation(v.Get("zone"))
		if err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		o := Options{Fields: v.Get("select"), Location: zone}
		row, got := vectors.Record(t, v.Body), v.Clone()
		object := render(t, "json", o, row)
		got.Set("json", shown(strings.TrimSuffix(object, "\n")))
		var members map[string]any
		if err := json.Unmarshal([]byte(object), &members); err != nil {
			t.Errorf("%s: %v", v.Name, err)
		}
		columns, err := row.Schema.Select(o.Fields)
		if err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		if v.Get("csv") != "" {
			text := render(t, "csv", o, row)
			header, line, _ := strings.Cut(strings.TrimSuffix(text, "\n"), "\n")
			got.Set("csv-header", shown(header))
			got.Set("csv", shown(line))
			records, err := csv.NewReader(strings.NewReader(text)).ReadAll()
			if err != nil || len(records) != 2 || len(records[1]) != len(columns) {
				t.Fatalf("%s: encoding/csv reads %q: %v", v.Name, records, err)
			}
			for i, c := range columns {
				name := row.Schema.Field(c).Name
				if value, there := members[name]; records[0][i] != name || there == row.Values[c].IsNull() || !there && records[1][i] != "" {
					t.Errorf("%s: column %d is %s %q, in JSON %v", v.Name, i, records[0][i], records[1][i], value)
				} else if s, ok := value.(string); ok && s != records[1][i] {
					t.Errorf("%s: %s is %q in CSV, %q in JSON", v.Name, name, records[1][i], s)
				}
			}
		}
		v.Check(t, got, *update)
	}
}

// shown returns a text as a vector has it: quoted if it has characters that are not for the eye.
func shown(s string) string {
	strange := func(r rune) bool { return !unicode.IsPrint(r) }
	if utf8.ValidString(s) && !strings.ContainsFunc(s, strange) && !strings.HasPrefix(s, `"`) && strings.TrimSpace(s) == s {
		return s
	}
	return strconv.QuoteToASCII(s)
}

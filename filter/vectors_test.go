package filter

import (
	"flag"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/zmap-go/zmap/internal/vectors"
)

var update = flag.Bool("update", false, "write the golden vectors anew")

// TestFilterVectors runs the golden filters over the row that each file has. Verdicts must be the twin's, too.
func TestFilterVectors(t *testing.T) {
	for _, v := range vectors.Files(t, "filter") {
		row, got := vectors.Record(t, v.All("field")), v.Clone()
		for i, line := range v.Body {
			_, quoted, _ := strings.Cut(line, ` "`)
			text, err := strconv.Unquote(`"` + quoted)
			if err != nil {
				t.Fatalf("%s: %s: %v", v.Name, line, err)
			}
			p, err := Compile(text, row.Schema)
			verdict := "error"
			switch e, ok := err.(*Error); {
			case ok:
				verdict = fmt.Sprintf("error %d", e.Pos)
			case err == nil:
				verdict = strconv.FormatBool(p.Match(row))
				if twin := p.root == nil || slowMatch(p.root, row); twin != p.Match(row) {
					t.Errorf("%s: %s: the twin says %v", v.Name, line, twin)
				}
			}
			got.Body[i] = verdict + ` "` + quoted
		}
		v.Check(t, got, *update)
	}
}

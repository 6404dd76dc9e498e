package zmap

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"

	"github.com/zmap-go/zmap/internal/engine"
	"github.com/zmap-go/zmap/sink"
)

// TestEveryStopHasAPublicName reads the engine's reasons: each has a constant in stop.go, and a name of its own.
func TestEveryStopHasAPublicName(t *testing.T) {
	public := map[string]bool{}
	stops, err := parser.ParseFile(token.NewFileSet(), "stop.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(stops, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			public[sel.Sel.Name] = true
		}
		return true
	})
	source, err := parser.ParseFile(token.NewFileSet(), "internal/engine/stop.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, d := range source.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, s := range g.Specs {
			for _, name := range s.(*ast.ValueSpec).Names {
				if n++; !public[name.Name] {
					t.Errorf("engine.%s has no name in stop.go", name)
				}
			}
		}
	}
	names := map[string]bool{}
	for s := range n {
		names[Stop(s).String()] = true
	}
	if n < 11 || len(names) != n || names[Stop(n).String()] || !strings.HasPrefix(Stop(n).String(), "stop ") {
		t.Errorf("%d reasons have %d names: %v", n, len(names), names)
	}
}

// TestStopErrorIsFound looks for the error of a scan through what Run joins to it.
func TestStopErrorIsFound(t *testing.T) {
	err := errors.Join(engine.SinkStop(sink.ErrReaderGone), errors.New("close"))
	var stop *StopError
	if !errors.As(err, &stop) || stop.Reason != StopReaderGone || !errors.Is(err, sink.ErrReaderGone) || stop.Reason.Clean() {
		t.Errorf("got %+v from %v", stop, err)
	}
}

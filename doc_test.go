package zmap

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"
)

// TestEveryNameIsDocumented looks at the exported names of this package and at the fields of its structs, which may share a
// comment that names them all, and need none in a Scope: they are those of Config.
func TestEveryNameIsDocumented(t *testing.T) {
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	names := 0
	var shared []string // comments of the present struct
	missing := func(name *ast.Ident, docs ...*ast.CommentGroup) {
		if !name.IsExported() {
			return
		}
		names++
		for _, d := range docs {
			if d != nil {
				return
			}
		}
		for _, text := range shared {
			if strings.Contains(text, name.Name) {
				return
			}
		}
		t.Errorf("%s has no comment", name)
	}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), f.Name(), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				shared = nil
				missing(d.Name, d.Doc)
			case *ast.GenDecl:
				for _, s := range d.Specs {
					switch s := s.(type) {
					case *ast.ValueSpec:
						shared = nil
						missing(s.Names[0], d.Doc, s.Doc, s.Comment)
					case *ast.TypeSpec:
						shared = nil
						missing(s.Name, d.Doc, s.Doc)
						if fields, ok := s.Type.(*ast.StructType); ok && s.Name.IsExported() && s.Name.Name != "Scope" {
							shared = []string{d.Doc.Text()}
							for _, f := range fields.Fields.List {
								shared = append(shared, f.Doc.Text())
								for _, n := range f.Names {
									missing(n, f.Doc, f.Comment)
								}
							}
						}
					}
				}
			}
		}
	}
	if names < 100 {
		t.Errorf("%d exported names: too few to be the package", names)
	}
}

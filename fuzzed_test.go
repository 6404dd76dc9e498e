package zmap

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// readers are the functions that read bytes or text which nobody here has written, by the first word of their names. A
// parser of texts by another name escapes this check: give it one of these. What reads frames or streams needs no name.
var readers = regexp.MustCompile(`^(?i:parse|decode|match|read|load|compile|split|lex|scan|unmarshal|unquote|next|skip|detect|receive)($|[^a-z])`)

// unfuzzed are the readers that need no fuzz target, each with its reason.
func unfuzzed() map[string]string {
	return map[string]string{
		"citizen/ReadBlocklist":             "hands a file to target.Builder.ReadFile, and texts of this program to Builder.Read",
		"citizen/ReadSpecial":               "hands the list to ReadBlocklist",
		"citizen/parseSpecial":              "reads a text of this program, and panics if that is wrong",
		"grab/capped.Read":                  "hands bytes through, and counts them",
		"grab/grabtest/HalfOf":              "only tests import it",
		"grab/handover/conn.Read":           "hands bytes through",
		"grabbers.Input":                    "hands the segment to oneshot.Stack.Input",
		"internal/cli/parseTransport":       "compares a word with three others",
		"internal/cli/parseMAC":             "hands the text to packet.ParseMAC",
		"internal/netdev/askSocket.receive": "fills a buffer, which asker.reply reads",
		"lab/bench/readGrabs":               "reads rows of this program",
		"lab/bench/readHits":                "reads rows of this program",
		"readAddresses":                     "opens a file, which target.ReadList reads",
		"target/Builder.ReadFile":           "opens a file, which Read reads",
	}
}

// TestEveryReaderIsFuzzed walks the source of all packages and fails for each function that reads foreign bytes, and that no
// fuzz target of its package reaches: the body of the target mentions its name, or that of a function which does, of the tests
// or of the package. Methods of one name are one to this check, as nobody knows what an interface holds, and so
// are a function and a variable of its name. That a target tries all modules of a table is for the package's own tests to show.
func TestEveryReaderIsFuzzed(t *testing.T) {
	exceptions := unfuzzed()
	found := 0
	for dir, p := range sources(t) {
		reached := p.fuzzed()
		for name, what := range p.readers {
			found++
			id := path.Join(dir, name)
			reason, excepted := exceptions[id]
			delete(exceptions, id)
			switch ok := reached[key(name)]; {
			case ok && excepted:
				t.Errorf("%s is reached by a fuzz target: take it off the list of exceptions (%s)", id, reason)
			case !ok && !excepted:
				t.Errorf("%s reads %s, and no fuzz target of its package reaches it: write one (FuzzX in %s), or name the reason why not", id, what, dir)
			case excepted && reason == "":
				t.Errorf("%s is excepted without a reason", id)
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(exceptions)) {
		t.Errorf("%s is excepted, but there is no such reader", id)
	}
	if found < 50 {
		t.Errorf("%d readers found: too few to be those of the module", found)
	}
}

// TestReadersAreSeen says what the check takes for a reader, and for a reach.
func TestReadersAreSeen(t *testing.T) {
	p := source{readers: map[string]string{}, mentions: map[string]map[string]bool{}, roots: map[string]bool{}}
	p.add(t, "x.go", `package x
		func ParseA(s string) {}
		func parseB(b []byte) { readC(nil) }
		func readC(r io.Reader) {}
		func ReadName() string { return "" }
		func matchAll(n int, p *packet.Parsed) {}
		func MatchN(n int) {}
		func reader(s string) {}
		func readable(s string) {}
		func (d *D) Decode(p *Parsed) {}
		func Decoded(s string) {}
		func Load(n int, more ...string) {}
		func lines(r *bufio.Reader) {}
		func splitLine(s fmt.Stringer) {}
	`)
	p.add(t, "x_test.go", `package x
		func FuzzA(f *testing.F) { helper() }
		func helper() { x := T{Load: 1}; parseB(nil); x.ParseA() }
		func TestA(t *testing.T) { ParseA("") }
		func Fuzzy() { ParseA("") }
	`)
	want := []string{"D.Decode", "Load", "ParseA", "lines", "matchAll", "parseB", "readC"}
	if got := slices.Sorted(maps.Keys(p.readers)); !slices.Equal(got, want) {
		t.Errorf("readers are %v, want %v", got, want)
	}
	reached := p.fuzzed()
	for name, want := range map[string]bool{"parseB": true, "readC": true, "ParseA": false, "D.ParseA": true, "D.Decode": false, "Load": false} {
		if got := reached[key(name)]; got != want {
			t.Errorf("%s is reached: %v, want %v", name, got, want)
		}
	}
}

// A source is what the check knows of one package, its tests included.
type source struct {
	readers  map[string]string          // functions that read foreign bytes, methods as Type.Method, with what they read
	mentions map[string]map[string]bool // what the bodies of all functions and methods mention, all by their keys
	roots    map[string]bool            // the fuzz targets
}

// sources reads all packages of the module, whatever system their files are for.
func sources(t *testing.T) map[string]*source {
	t.Helper()
	all := make(map[string]*source)
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || name != "." && strings.HasPrefix(d.Name(), ".")):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go"):
			return nil
		}
		dir := filepath.ToSlash(filepath.Dir(name))
		p := all[dir]
		if p == nil {
			p = &source{readers: map[string]string{}, mentions: map[string]map[string]bool{}, roots: map[string]bool{}}
			all[dir] = p
		}
		p.add(t, name, nil)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// add takes note of the functions of one file; text stands for the file if it is not nil.
func (p *source) add(t *testing.T, name string, text any) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	isTest := strings.HasSuffix(name, "_test.go")
	for _, decl := range f.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			p.addFunc(d, isTest)
		case *ast.GenDecl: // a table that functions are in
			for _, s := range d.Specs {
				if v, ok := s.(*ast.ValueSpec); ok {
					for _, n := range v.Names {
						p.mention(n.Name, v)
					}
				}
			}
		}
	}
}

func (p *source) addFunc(d *ast.FuncDecl, isTest bool) {
	name := d.Name.Name
	if d.Body != nil {
		p.mention(key(fullName(d)), d.Body)
	}
	if isTest {
		if rest, ok := strings.CutPrefix(name, "Fuzz"); ok && (rest == "" || strings.ToLower(rest[:1]) != rest[:1]) && d.Recv == nil {
			p.roots[name] = true
		}
		return
	}
	switch what := foreign(d.Type); what {
	case "":
	case "string", "[]byte", "...string":
		if readers.MatchString(name) {
			p.readers[fullName(d)] = what
		}
	default:
		p.readers[fullName(d)] = what
	}
}

// mention takes note of what n mentions, which is part of the function or variable of that key: names behind a dot as methods,
// others as functions.
func (p *source) mention(of string, n ast.Node) {
	if p.mentions[of] == nil {
		p.mentions[of] = make(map[string]bool)
	}
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			p.mentions[of]["."+n.Sel.Name] = true
			p.mention(of, n.X)
			return false
		case *ast.KeyValueExpr:
			p.mention(of, n.Value)
			if _, field := n.Key.(*ast.Ident); !field {
				p.mention(of, n.Key)
			}
			return false
		case *ast.Ident:
			p.mentions[of][n.Name] = true
		}
		return true
	})
}

// key is the name of a function, and a dot and the name of a method, whatever its type.
func key(fullName string) string {
	if dot := strings.LastIndexByte(fullName, '.'); dot >= 0 {
		return fullName[dot:]
	}
	return fullName
}

// fuzzed returns the keys of what the fuzz targets reach.
func (p *source) fuzzed() map[string]bool {
	reached := make(map[string]bool)
	todo := slices.Collect(maps.Keys(p.roots))
	for len(todo) > 0 {
		name := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for next := range p.mentions[name] {
			if !reached[next] {
				reached[next] = true
				todo = append(todo, next)
			}
		}
	}
	return reached
}

// fullName returns the name of a function, and Type.Method for methods.
func fullName(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return d.Name.Name
	}
	recv := d.Recv.List[0].Type
	if star, ok := recv.(*ast.StarExpr); ok {
		recv = star.X
	}
	if generic, ok := recv.(*ast.IndexExpr); ok {
		recv = generic.X
	}
	if id, ok := recv.(*ast.Ident); ok {
		return id.Name + "." + d.Name.Name
	}
	return "." + d.Name.Name
}

// foreign returns the type of the first parameter that can hold foreign bytes, "" if there is none.
func foreign(f *ast.FuncType) string {
	types := []string{"string", "[]byte", "...string", "io.Reader", "*bufio.Reader", "*bufio.Scanner", "*packet.Parsed", "*Parsed"}
	for _, p := range f.Params.List {
		if name := typeName(p.Type); slices.Contains(types, name) {
			return name
		}
	}
	return ""
}

// typeName writes a type as in source, as far as it matters here.
func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.StarExpr:
		return "*" + typeName(e.X)
	case *ast.SelectorExpr:
		return typeName(e.X) + "." + e.Sel.Name
	case *ast.ArrayType:
		return "[]" + typeName(e.Elt)
	case *ast.Ellipsis:
		return "..." + typeName(e.Elt)
	default:
		return "?"
	}
}

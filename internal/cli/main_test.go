package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/zmap-go/zmap/lab"
)

// TestMain runs the tests in a fresh network namespace. The programs of the scripts are this very binary under other names;
// they start inside that namespace, and must not make another.
func TestMain(m *testing.M) {
	programs := map[string]func(){
		"zmap":      func() { os.Exit(Main(os.Args, Standard())) },
		"alone":     func() { become(aloneInNamespace) },
		"powerless": func() { become(withoutCapabilities) },
	}
	suite := suiteFunc(func() int {
		testscript.Main(m, programs) // exits
		return 1
	})
	if programs[filepath.Base(os.Args[0])] != nil {
		suite.Run()
	}
	lab.Main(suite)
}

type suiteFunc func() int

func (f suiteFunc) Run() int { return f() }

// TestScripts runs every script below testdata/scripts, two or more at a time, on one test Internet.
func TestScripts(t *testing.T) {
	net := newNet(t)
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "scripts"),
		Setup:               setup(net),
		Cmds:                scriptCommands(net),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

// TestLoneScripts runs those that nothing may run beside: they switch the link off, or make an Internet of their own.
func TestLoneScripts(t *testing.T) {
	net := newNet(t)
	files, err := filepath.Glob(filepath.Join("testdata", "lone", "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, f := range files {
		t.Run("", func(t *testing.T) {
			testscript.Run(t, testscript.Params{
				Files: []string{f}, Setup: setup(net), Cmds: scriptCommands(net), RequireExplicitExec: true, RequireUniqueNames: true,
			})
		})
	}
}

// become changes this process by the given step and makes it the program that its arguments name.
func become(change func() error) {
	err := change()
	if err == nil {
		err = execute(os.Args[1:])
	}
	fmt.Fprintln(os.Stderr, filepath.Base(os.Args[0])+":", err)
	os.Exit(3)
}

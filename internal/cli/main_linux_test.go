package cli

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/zmap-go/zmap/internal/outputs"
	"github.com/zmap-go/zmap/lab"
)

// TestMain runs the tests in a fresh network namespace. The programs of the scripts are this very binary under other names;
// they start inside that namespace, and must not make another.
func TestMain(m *testing.M) {
	program := func() {
		std := Standard()
		std.Etc = os.Getenv("ETC") // the script's own, whatever this machine has
		os.Exit(Main(os.Args, std))
	}
	programs := map[string]func(){
		"zmap":      program,
		"alone":     func() { become(aloneInNamespace) },
		"powerless": func() { become(withoutCapabilities) },
		"withdev":   func() { become(withDevices) },
	}
	for _, name := range slices.Concat(toolNames, slices.Collect(maps.Keys(oldTools))) {
		programs[name] = program
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

// TestScripts runs every script below testdata/scripts, some at a time, on one test Internet.
func TestScripts(t *testing.T) {
	p := scripts(newNet(t))
	p.Dir = filepath.Join("testdata", "scripts")
	testscript.Run(t, p)
}

// TestLoneScripts runs those that nothing may run beside: they switch the link off, or make an Internet of their own.
func TestLoneScripts(t *testing.T) {
	p := scripts(newNet(t))
	files, err := filepath.Glob(filepath.Join("testdata", "lone", "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, f := range files {
		p.Files = []string{f}
		t.Run("one", func(t *testing.T) { testscript.Run(t, p) })
	}
}

// scripts are the parameters that all scripts have in common.
func scripts(net *lab.Net) testscript.Params {
	return testscript.Params{
		Setup: setup(net), Cmds: scriptCommands(net), RequireExplicitExec: true, RequireUniqueNames: true,
		Condition: func(name string) (bool, error) {
			if name == "minimal" {
				return outputs.Minimal, nil
			}
			return false, fmt.Errorf("there is no condition %q", name)
		},
		Deadline: time.Now().Add(3 * time.Minute), // a program that does not end is ended, and the script fails
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

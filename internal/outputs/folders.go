package outputs

import (
	"os"
	"path/filepath"
)

// Runs says whether the output starts a program.
func (s *Spec) Runs() bool { return s.Kind.Name == "exec" }

// Folders returns where the output makes, writes or removes files after it was opened: text without rotation does so nowhere. What it
// names exists. File is what text without a destination of its own is written to, as in [Env].
func (s *Spec) Folders(file string) []string {
	var path string
	switch {
	case s.Kind.server != nil:
		path = s.folder()
	case s.Kind.Text && s.Option("rotate") == "":
		return nil
	case s.Destination != "":
		path = filepath.Dir(s.Destination)
	case file != "" && s.Kind.Text:
		path = filepath.Dir(file)
	default:
		return nil
	}
	for {
		if _, err := os.Stat(path); err == nil || path == filepath.Dir(path) {
			return []string{path}
		}
		path = filepath.Dir(path) // the output will make what is below it
	}
}

package zmap

import (
	"runtime/debug"
	"slices"
)

// Version returns the version of this module in the program that runs: "devel" and, if known, the commit for one that was built
// from a working tree.
func Version() string {
	const module = "github.com/zmap-go/zmap"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown)"
	}
	of := &info.Main
	if i := slices.IndexFunc(info.Deps, func(m *debug.Module) bool { return m.Path == module }); i >= 0 {
		of = info.Deps[i]
	}
	if of.Version != "" && of.Version != "(devel)" {
		return of.Version
	}
	for _, s := range info.Settings {
		if of == &info.Main && s.Key == "vcs.revision" {
			return "devel-" + s.Value[:min(12, len(s.Value))]
		}
	}
	return "devel"
}

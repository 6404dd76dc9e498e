package citizen

import (
	_ "embed"
	"fmt"
	"strings"

	"github.com/zmap-go/zmap/target"
)

// Names of the built-in lists, as they are given in the place of a file name.
const (
	ListSpecial = "builtin:special" // IANA's special-purpose networks, see [Special]
	ListZMap    = "builtin:zmap"    // the list that C ZMap comes with, in its order
)

const builtinPrefix = "builtin:"

//go:embed special.txt
var specialText string

//go:embed zmap.txt
var zmapText string

// IsBuiltin reports whether name is meant as the name of a built-in list, known or not, and not as that of a file.
func IsBuiltin(name string) bool { return strings.HasPrefix(name, builtinPrefix) }

// Builtin returns the text of a built-in list, a blocklist file in every respect. The error for an unknown name says
// which ones there are.
func Builtin(name string) (string, error) {
	switch name {
	case ListSpecial:
		return specialText, nil
	case ListZMap:
		return zmapText, nil
	}
	return "", fmt.Errorf("no built-in list %.40q: there are %s and %s; for a file of that name write it with its directory, as in ./FILE",
		name, ListSpecial, ListZMap)
}

// ReadBlocklist adds the entries of a list, built in or a file, as block entries. Errors about entries name the list as
// name does.
func ReadBlocklist(b *target.Builder, name string) error {
	if !IsBuiltin(name) {
		return b.ReadFile(target.Block, name)
	}
	text, err := Builtin(name)
	if err != nil {
		return fmt.Errorf("read list of networks: %w", err)
	}
	return b.Read(target.Block, strings.NewReader(text), name)
}

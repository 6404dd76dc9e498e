package outputs

import (
	"fmt"
	"strings"
)

// Help says what the kind is and how it is written, a line each. What all servers have is said by [ServerHelp].
func (k *Kind) Help() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s=%s: %s", k.Name, strings.ToUpper(k.Destination), k.Doc)
	for _, o := range k.Options {
		fmt.Fprintf(&b, "\n%s=: %s", o.Name, o.Doc)
	}
	return b.String()
}

// ServerHelp is what all kinds have behind which there is a server, a line each, and their names.
func ServerHelp() (names, help string) {
	var all, lines []string
	for _, k := range Kinds() {
		if k.server != nil {
			all = append(all, k.Name)
		}
	}
	for _, o := range queueOptions() {
		lines = append(lines, o.Name+"=: "+o.Doc)
	}
	return strings.Join(all, ", "), strings.Join(lines, "\n")
}

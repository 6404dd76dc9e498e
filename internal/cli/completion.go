package cli

import (
	"net"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/zmap-go/zmap/citizen"
	"github.com/zmap-go/zmap/internal/outputs"
	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/probe"
)

// offerValues makes root ready to answer a completion script: it learns what the options can have for an argument. Options
// that name files are left to the shell; nothing is offered for the rest, nor for networks.
func offerValues(root *cobra.Command) {
	files := map[string]bool{
		"output-file": true, "blocklist-file": true, "allowlist-file": true, "list-of-ips-file": true, "targets-file": true, "plan": true, "checkpoint": true, "resume": true, "exclude-file": true, "log-file": true,
		"metadata-file": true, "annotate": true, "status-updates-file": true,
	}
	values := map[string][]string{
		"allow-special": strings.Split(citizen.JoinClasses(citizen.Classes()), ","),
		"probe-module":  moduleNames(), "output-module": formatNames(), "interface": interfaceNames(),
		"dedup-method":         {"default", "none", "full", "window"},
		"validate-source-port": {"enable", "disable"},
		"link":                 {link.Auto, "xdp", "socket", "raw", "ring"},
		"rst":                  {"pass", "reset"},
	}
	root.Flags().VisitAll(func(f *pflag.Flag) {
		_, f.Usage = pflag.UnquoteUsage(f)
		if !files[f.Name] {
			_ = root.RegisterFlagCompletionFunc(f.Name, cobra.FixedCompletions(values[f.Name], cobra.ShellCompDirectiveNoFileComp))
		}
	})
	root.ValidArgsFunction = cobra.NoFileCompletions
	allowAgain(root.Flags())
}

// moduleNames are the names of the probe modules.
func moduleNames() []string {
	var names []string
	for _, m := range probe.Modules() {
		names = append(names, m.Name)
	}
	return names
}

// formatNames are the names of the output modules.
func formatNames() []string {
	var names []string
	for _, f := range outputs.Kinds() {
		names = append(names, f.Name)
	}
	return names
}

// interfaceNames are the names of this machine's network interfaces.
func interfaceNames() []string {
	var names []string
	all, _ := net.Interfaces() // without a list nothing is offered
	for _, i := range all {
		names = append(names, i.Name)
	}
	return names
}

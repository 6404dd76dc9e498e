package probe

import (
	"fmt"
	"sort"
	"strings"
)

// Args are a module's arguments.
type Args struct {
	Text string // the value of --probe-args, "" if none
}

// ignored returns what to tell the user of a module that takes no arguments, and got some. C ZMap says nothing.
func ignored(module string, args Args) []string {
	if args.Text == "" {
		return nil
	}
	return []string{fmt.Sprintf("%s takes no probe arguments: %q is ignored", module, args.Text)}
}

// A Module makes probes of one kind.
type Module struct {
	Name string                    // as in --probe-module
	Help string                    // a few lines for --help: what it sends, which arguments it takes
	New  func(Args) (Probe, error) // errors name what is wrong with the arguments
	// Least are arguments that New takes, for what does not depend on them, where it does not go without.
	Least Args
}

// Modules returns the modules of this package, sorted by name.
func Modules() []Module {
	m := []Module{
		bacnetModule(),
		dnsModule(),
		icmpEchoModule(),
		icmpTimeModule(),
		ipipModule(),
		ntpModule(),
		tcpSYNACKModule(),
		tcpSYNModule(),
		udpModule(),
		upnpModule(),
	}
	sort.Slice(m, func(i, j int) bool { return m[i].Name < m[j].Name })
	return m
}

// New returns a probe of the module called name. The error lists the modules there are.
func New(name string, args Args) (Probe, error) {
	var names []string
	for _, m := range Modules() {
		if m.Name == name {
			return m.New(args)
		}
		names = append(names, m.Name)
	}
	return nil, fmt.Errorf("unknown probe module %q; there are: %s", name, strings.Join(names, ", "))
}

// Sample returns a probe of the module called name with the least arguments there can be: good for what does not depend on
// them, as its fields.
func Sample(name string) (Probe, error) {
	for _, m := range Modules() {
		if m.Name == name {
			return m.New(m.Least)
		}
	}
	return New(name, Args{})
}

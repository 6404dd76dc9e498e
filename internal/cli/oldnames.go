package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/spf13/pflag"
	"github.com/zmap-go/zmap/record"
)

// What C ZMap called otherwise before: options, a tool, fields and output modules. Old names mean what they meant, and a line
// says what to write today. No help has them, and no beginning that means an option of today means one of them.

// oldOptions returns the old names of options with those of today.
func oldOptions() map[string]string {
	return map[string]string{
		"blacklist-file":          "blocklist-file",          // before 3.0, as all that follow unless they say otherwise
		"whitelist-file":          "allowlist-file",          //
		"ignore-blacklist-errors": "ignore-blocklist-errors", //
		"ignore-invalid-hosts":    "ignore-blocklist-errors", // 2.1
		"vpn":                     "iplayer",                 // 2.1
		"target-port":             "target-ports",            // before 4.0
	}
}

// oldTools are the old names of companion tools with those of today.
var oldTools = map[string]string{"zblacklist": "zblocklist"}

// ours returns the options that C ZMap does not have.
func ours() []string {
	return []string{
		"alias-check", "allow-special", "annotate", "checkpoint", "exclude-file", "explain", "fingerprints", "found-names-file", "grab", "grab-connections", "grab-in-flight",
		"grab-max-bytes", "grab-per-address", "grab-per-network", "grab-rate", "grab-timeout", "grab-transport", "ipv6-suffix", "link", "link-wait", "list-grab-modules",
		"list-payloads", "max-names", "no-qdisc-bypass", "on-end", "on-hit", "on-progress", "on-start", "operator", "plan", "receive-interface",
		"resolver", "resume", "resume-rewind", "rst", "sni-map", "summary", "syslog", "targets-file", "unreachable-file",
	}
}

// spelled returns the option of fs that a name, old or of today, or the beginning of one stands for, and the old name if that
// is what it is. It returns the name itself if that is unknown, or begins several options.
//
// Among beginnings those of C ZMap's options come first: what a script may shorten for C ZMap means the same here, whatever
// options there are besides.
func spelled(fs *pflag.FlagSet, name string) (today, old string) {
	names := optionsOf(fs)
	olds := oldOptions()
	maps.DeleteFunc(olds, func(_, today string) bool { return !slices.Contains(names, today) })
	if slices.Contains(names, name) {
		return name, ""
	}
	if today, ok := olds[name]; ok {
		return today, name
	}
	czmap := slices.DeleteFunc(slices.Clone(names), func(s string) bool { return slices.Contains(ours(), s) })
	for _, list := range [][]string{czmap, names, slices.Collect(maps.Keys(olds))} {
		switch match := beginningWith(list, name); {
		case len(match) == 1 && olds[match[0]] != "":
			return olds[match[0]], match[0]
		case len(match) == 1:
			return match[0], ""
		case len(match) > 1:
			return name, ""
		}
	}
	return name, ""
}

// renamed is the line about something that has another name today.
func renamed(what, old, today string) string {
	return fmt.Sprintf("%s %s is called %s today", what, old, today)
}

// oldFields returns a line for each word in text that is the name of a field as it was before 3.0, with hyphens.
func oldFields(s *record.Schema, text string) []string {
	var lines []string
	words := strings.FieldsFunc(text, func(r rune) bool { return r != '-' && r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	slices.Sort(words)
	for _, w := range slices.Compact(words) {
		if i, ok := s.Find(w); ok && s.Field(i).Name != w {
			lines = append(lines, renamed("field", w, s.Field(i).Name))
		}
	}
	return lines
}

// isDefaultFormat says whether an output module stands for what a scan without one writes.
func isDefaultFormat(name string) bool { return name == "default" || name == "simple_file" }

// goneFormat says what to do instead of an output module that there was, "" for other names.
func goneFormat(name string) string {
	name = strings.ReplaceAll(name, "-", "_")
	switch {
	case name == "extended_file":
		return "is a module of C ZMap 1; write -O csv -f classification,saddr,daddr,sport,dport,seqnum,acknum,cooldown,repeat,timestamp_str"
	case name == "redis", strings.HasPrefix(name, "redis_"):
		return "is a module of C ZMap before 3.0; pipe the rows into a program that stores them, as in: zmap ... | sed 's/^/RPUSH hosts /' | redis-cli"
	case name == "mongo", name == "mongodb":
		return "is a module of C ZMap 2; pipe the rows into a program that stores them, as in: zmap ... -O json | mongoimport"
	}
	return ""
}

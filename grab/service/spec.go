package service

import (
	"fmt"
	"regexp"

	"github.com/zmap-go/zmap/grab"
)

// argument is where an option's value begins: behind a comma and a name.
var argument = regexp.MustCompile(`,([a-z][a-z0-9-]*)=`)

// Parse makes a module of what a user writes: its name and its options, with commas between them.
//
//	tls
//	tls,mode=certs,alpn=h2+http/1.1
//	banner,probe=HELP\r\n
//
// A value ends before the next ",NAME=", so that it may have commas of its own.
func Parse(text string) (grab.Module, error) {
	places := argument.FindAllStringSubmatchIndex(text, -1)
	name := text
	if len(places) > 0 {
		name = text[:places[0][0]]
	}
	args := make(map[string]string)
	for i, p := range places {
		end := len(text)
		if i+1 < len(places) {
			end = places[i+1][0]
		}
		key := text[p[2]:p[3]]
		if _, twice := args[key]; twice {
			return nil, fmt.Errorf("%s= is there twice", key)
		}
		args[key] = text[p[1]:end]
	}
	m, err := New(name, args)
	if err != nil && len(args) > 0 {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return m, err
}

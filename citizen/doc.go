// Package citizen keeps a scan a good neighbour: it knows what is better left alone. Today that is the blocklists that
// come with the program; opt-out registries, probing.txt (RFC 9511) and politeness budgets belong here, too.
//
//	special, err := citizen.ReadSpecial(&builder, citizen.ListSpecial, citizen.Private) // private networks may be scanned
//	if err != nil { ... }
//	space, err := builder.Build(ctx)
//	if err != nil {
//		return special.Explain(err) // "... to scan it, allow private"
//	}
//	missed := special.Missed(space, nil) // what else was asked for by name, and which classes would allow it
//
// Two lists are built in. builtin:special is the default: the networks that IANA's registry of special purposes says
// nobody on the Internet can be reached at, sorted into classes that a user can allow by name. builtin:zmap is the list
// that C ZMap comes with, for repeating the order of an old scan.
//
// The package decides nothing about single packets and sends none: a list becomes block entries of a [target.Builder],
// and the space made from that holds for every stage of a scan. It covers IPv4 only.
package citizen

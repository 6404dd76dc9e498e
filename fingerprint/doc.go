// Package fingerprint gives names to what answered: rules in YAML say which words of a server, fields of a certificate or choices
// of a handshake speak for which product. docs/fingerprints.md has the grammar, and what no rule may be for.
//
//	set, err := fingerprint.Open("builtin", "mine.yaml")
//	for _, f := range set.Match(data) { ... }
//
// What is matched is the JSON of a row's data: an object with one grab a module, as it is written out. One walk over the text picks
// the values that some rule asks for ([Set.Match]); nothing else of it is decoded. Rules are compiled, and their own tests run, when
// they are read.
//
// A glossary: a rule has one condition, which is made of others (all, any, not) down to those that look at values; a path says
// where in the data values stand; a word, as $cert, is short for the beginning of a path; a group is a named part of a regular
// expression, whose text can be used for the version and the CPE.
package fingerprint

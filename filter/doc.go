// Package filter is the language of --output-filter: which rows of a scan are written.
//
//	p, err := filter.Compile("success = 1 && repeat = 0", schema)
//	...
//	if p.Match(row) {
//		sink.Write(row)
//	}
//
// The grammar, loosest binding first:
//
//	filter  = "" | or
//	or      = and { ( "||" | "or" ) and }
//	and     = unary { ( "&&" | "and" ) unary }
//	unary   = ( "!" | "not" ) unary | "(" or ")" | compare
//	compare = field ( "=" | "==" | "!=" | "<" | ">" | "<=" | ">=" | "in" ) value
//	value   = number | word | quoted | address | network
//	number  = [ "-" ] digits                  -9223372036854775808 to 18446744073709551615
//	field, word = letter { letter | digit | "_" | "-" }
//	quoted  = "…" or '…' with \\ \" \' \n \r \t \xHH
//	address = 192.0.2.1 or 2001:db8::1;  network = 192.0.2.0/24 or 2001:db8::/32
//
// Everything that C ZMap accepts means the same here. Blanks, tabs and line ends separate and mean nothing else. The words
// and, or, not and in are operators only where an operator may stand; as a value they are ordinary words. A field may have
// hyphens for underscores in its name, as before C ZMap 3.0.
//
// What compares with what is decided before the scan, by the type of the field: numbers and truth values with numbers,
// text with words and quoted text by = and != only, addresses with addresses in numerical order within their family, and
// with networks by =, != and in, all of which ask for membership. Times, bytes and lists cannot be compared.
//
// A null number is 0, as in C ZMap. A null text or address equals nothing: = and in are false, != is true, and the
// ordering operators are false.
//
// The package is not a general expression language: there is no arithmetic, no comparison of two fields, no pattern.
// A compiled [Program] is a tree of closures over field positions; it allocates nothing and holds no state.
package filter

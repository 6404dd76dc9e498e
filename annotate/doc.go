// Package annotate adds to a row what is known of its address: the autonomous system, who runs it, the country, and whatever
// else a table has that the user brings.
//
//	t, err := annotate.Open("prefixes.csv")
//	...
//	values := make([]record.Value, len(t.Fields()))
//	t.Annotate(netip.MustParseAddr("192.0.2.1"), values)
//
// There are two kinds of tables, which [Open] tells apart by what is in them: databases in MaxMind's format, and text with a
// prefix on every line. Each is read once, checked as a whole and kept in memory: a look-up neither fails nor allocates, and
// a file that is replaced during a scan changes nothing. The longest prefix that an address is in decides; what the table
// does not say of it is null.
//
// The package fetches nothing: where tables come from is the user's affair.
package annotate

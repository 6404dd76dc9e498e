// Package intake reads the targets of grabs, in whatever form a user has them, one line at a time:
//
//	192.0.2.1                          an address, IPv4 or IPv6
//	192.0.2.0/24                       a network
//	192.0.2.1:443  [2001:db8::1]:443   an address and a port
//	www.example.org                    a name, to be looked up; a port may follow as above
//	ip, domain, tag, port              as zgrab2 has them; any may be empty or missing but one of the first two
//	192.0.2.1,443                      as scans of several ports print them: no name is a number
//	saddr,sport,success                comma separated values with a header, of C ZMap or of this program
//	{"saddr":"192.0.2.1","sport":443}  JSON lines of the same, and what zmap grab has written
//
// Blank lines and what follows # at the beginning or behind a blank are passed over. Rows that say that they are no success, or
// repeat one, are no targets, and are counted. A line that cannot be used is an error that names the file and the line, and reading
// goes on behind it. Memory is bounded whatever the input is. The package looks up no names and asks nobody's leave.
package intake

// Package name finds host names to ask an address for (SNI, RFC 6066 section 3), within a budget: a scanner of addresses knows no
// names, and many servers show what they have only to those who name it.
//
// The first handshake with a target names nobody. Then [Chooser.Next] gives the best name that was not asked for yet, until the
// budget is used up or nothing new is to be expected. Where names come from, by weight:
//
//	map       the user's file of addresses and names ([Map]): sorted, mapped into memory, made by [Build]
//	san       names of the certificate that was shown; of a wildcard its domain, then www. in it
//	earlier   names that earlier scans found ([Found]), through the same file
//	redirect  hosts that HTTP redirects lead to
//	ptr       the address's name in the DNS, by the resolver that the user gave ([Resolver])
//
// Names that are found are written down for the next scan, not followed: a scan ends.
package name

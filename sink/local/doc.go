// Package local keeps rows in files with structure of their own, many scans to a file: [SQLite] is a database of all scans,
// which any program that knows SQL compares, and [SQLiteSource] gives the rows of one scan back.
//
// Only those who import this package pay for the libraries in it. Formats that are lines of text are package sink's.
package local

// Package record holds the row that flows from an answer to a sink: a [Schema] names and types the columns, a [Record]
// holds one row's [Value]s.
//
// Rows are reused: strings that are constants are kept by reference, bytes from the wire are copied into the record's own
// memory, so that a kept row costs no allocation in the steady state. The package knows no output format.
package record

// Package remote is sinks with a server behind them: HTTP, PostgreSQL, NATS JetStream. Servers go away, stall and come back;
// rows do not. Between the scan and the server is a queue, first in memory and, while the server does not keep up, in a folder.
//
//	server, err := remote.NewHTTP(remote.HTTPConfig{URL: "https://collector.example/rows"})
//	...
//	s := remote.New(server, remote.Options{Fields: "*", Folder: "/var/spool/zmap"})
//	err = errors.Join(s.Begin(scan), s.Open(schema))
//	...
//	err = s.Write(row) // for every row; s.Flush() now and then
//	...
//	err = errors.Join(s.End(outcome), s.Close()) // an *UndeliveredError says what is left in the folder
//
// # What is promised
//
// When [Sink.Flush] returns nil, every row written before is acknowledged by the server or is in the folder, and a later
// [Sink.Open] or [Deliver] with that folder delivers it. That holds when the scanner is killed with SIGKILL at any moment; with
// [Options.Sync] also when the machine fails. Rows written since the last Flush may be lost with the process. A Write that
// cannot keep the promise blocks until it can, so the scan slows; rows are given up only if [Options.Drop] says so, and counted.
//
// Batches are delivered in the order of their rows, each until it is acknowledged, under an id that no other batch ever has. A
// batch whose acknowledgement got lost comes again under its id: each server says what becomes of that.
//
// # How a row travels
//
//	Write ── encode ─> batch ── full, or Flush ─> memory ─────────────> goroutine ─ deliver, retry ─> server
//	                                                 └─ not acknowledged in time ─> folder ─┘
//
// Flush gives the server a moment to acknowledge what is in memory. If it does, nothing is written to disk at all; if it does
// not, or is known to be away, the batches go to the folder and are read from there. What is in the folder is older than what is
// in memory, so it goes first.
package remote

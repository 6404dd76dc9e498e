// Package tools is what the companions of the scanner do, without their command lines:
//
//	Iterate    ziterate    prints the targets of a scan in the order of the scan
//	Blocklist  zblocklist  copies the lines whose addresses may be scanned
//	Tee        ztee        keeps a scan's output in a file and passes on the addresses that answered
//
// Each is a function on streams that blocks until its work is done:
//
//	err := tools.Blocklist(ctx, tools.BlockConfig{Blocklist: "blocklist.conf", Log: log}, os.Stdin, os.Stdout)
//
// Memory is bounded whatever the input: lines count up to 1 MiB, and what is read ahead waits in a queue of fixed size.
// Output is held back only while there is more input at hand, so that a slow pipeline still moves line by line.
//
// The package parses no options, sends nothing but the look-ups of host names in lists, and applies no list by default.
// An error of a write wraps that of the writer: whether a reader that has gone (EPIPE) is worth a message is for the
// caller to say.
package tools

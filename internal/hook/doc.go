// Package hook calls foreign functions about what happens, away from where it happens: producers put events into a bounded
// queue, and one goroutine calls the hooks, one at a time, in the order of the events.
//
//	producers (any goroutine)        queue (bounded, its events are reused)        dispatcher (one goroutine)
//	  Put: fill an event     ──>     more than half full: Hold(true)       ──>      Call: the hook, on the event
//	  Refresh: the newest            down to a quarter:   Hold(false)               a watch beside it, for calls
//	  Do: and wait for it            full: Put waits                                that do not return
//
// A hook that fails, panics, ends its goroutine or does not return in time is called no more: it becomes a [Fault], which also has
// the number of events that it did not get, and the others go on. Go cannot end a goroutine from outside: one that never
// returns stays behind with the event that it has, which is not reused.
//
// The package knows nothing of scans.
package hook

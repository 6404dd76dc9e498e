package zmap

import "github.com/zmap-go/zmap/internal/engine"

// Stop is the reason for which a scan ended: [Report.Reason]. Its String is the name that metadata and messages have; Clean
// says whether the scan did what was asked. More reasons may be added.
type Stop = engine.Stop

// The reasons for which a scan ends. The clean ones come with no error; for all others, but [StopNone], the error of [Run]
// wraps a [*StopError] with that reason.
const (
	StopNone         = engine.Running      // the scan has not begun: what kept it from that is the error
	StopWalkDone     = engine.WalkDone     // clean: every target of this shard was asked
	StopMaxTargets   = engine.MaxTargets   // clean: Config.MaxTargets were asked
	StopMaxResults   = engine.MaxResults   // clean: Config.MaxResults rows were written; there was no cooldown
	StopMaxRuntime   = engine.MaxRuntime   // clean: Config.MaxRuntime was over
	StopInterrupted  = engine.Interrupted  // the context ended, or a loop over [Scan] was left: Err is the cause
	StopLinkLost     = engine.LinkLost     // the interface went down or away
	StopSinkFailed   = engine.SinkFailed   // rows could not be written: some are lost
	StopReaderGone   = engine.ReaderGone   // nobody reads the output any more: Err wraps [sink.ErrReaderGone]
	StopHitRateLow   = engine.HitRateLow   // fewer targets answered than Config.MinHitRate asks
	StopSendFailures = engine.SendFailures // more frames were refused than Config.MaxSendFailures lets pass
)

// A StopError is the error of a scan that began and did not end cleanly. It says what ended it first, and wraps the cause;
// use [errors.As] to find it, since Run may join others to it, such as that of closing the sink.
type StopError = engine.StopError

// Choice is yes, no, or what the probe module says.
type Choice = engine.Choice

// The choices.
const (
	ByModule = engine.ByModule // what the probe module says: the zero value
	Yes      = engine.Yes
	No       = engine.No
)

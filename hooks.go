package zmap

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/zmap-go/zmap/internal/engine"
	"github.com/zmap-go/zmap/internal/hook"
	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/target"
)

// DefaultPatience is how long a hook may take for one call.
const DefaultPatience = 10 * time.Second

// hookQueue is how many events may wait for hooks. A row in it takes some 2 KB, so that is 2 MB at most.
const hookQueue = 1024

// Hooks are functions that are called while a scan runs; nil means not wanted. All of them are called on one goroutine of the
// scan's own, one at a time, in the order of what happened, on copies that wait in a bounded queue: no sender and no receiver
// runs a hook. Arguments are valid during the call only, unless it says otherwise.
//
// Hooks that are slower than the scan slow it: when half of the queue is full the senders are held, as by a slow output. See
// Progress.HookQueue and Progress.HookWait. Nothing is left out but older Progress that a newer one replaces.
//
// A hook that panics, calls runtime.Goexit or does not return within Patience is called no more. The scan and the other hooks
// go on; the log says so at once, and Report.Hooks in the end, with the number of events that the hook did not get. A call that
// never returns keeps its goroutine.
//
// Hooks may use the [Control] that Start got, but must not wait for Run to return.
type Hooks struct {
	// Start is called when everything is resolved and open; the first probe follows when it has returned. Both arguments stay
	// valid: the plan for reading, the control for as long as the scan runs, and without effect afterwards.
	Start func(*Plan, *Control)
	// Sent is called for each batch of probes that was handed to the link, in a dry run as well.
	Sent func(Sent)
	// Answer is called with each answer that the probe module recognised, whether an output wants it or not. The row has all
	// fields of Plan.Schema. Rows that come when the scan has all that it may have are not among them.
	Answer func(*record.Record)
	// Hit is called when a target's first success has come: this is the moment for an application handshake, or whatever else
	// a program wants to do with a host that answers. It must hand the host over to a worker rather than talk to it.
	Hit func(Hit)
	// Row is called with each row that at least one output took, after that.
	Row func(*record.Record)
	// Progress is called about every second, and once more when the last row is written.
	Progress func(Progress)
	// End is called last, once for each Run whose Config has no mistakes, also if the scan never began, with what Run returns.
	// The report is End's own and stays valid; it cannot say yet what becomes of End.
	End func(*Report, error)

	// Patience is how long one call may take; 0 means DefaultPatience, negative for ever. When the context has ended, it is
	// also how long all events that still wait may take together.
	Patience time.Duration
}

// Sent is a batch of probes that was handed to the link: all of them will leave, unless the link refuses some, which the counts
// say.
type Sent struct {
	At     time.Time // when that was
	Sender int       // number of the sending thread, from 0
	Probes int       // in this batch, 1 or more
}

// A Hit is the first success of a target.
type Hit struct {
	Addr     netip.Addr     // the target that was asked
	Port     uint16         // 0 for probes without ports
	Received time.Time      // when the answer came in, by the link's clock
	Queued   time.Time      // when the hit was put into the queue for the hook: the time since is spent waiting there
	Row      *record.Record // the answer, with all fields of Plan.Schema
}

// A HookFault says which hook did not get all that there was for it, why, and how many calls it missed.
type HookFault = hook.Fault

// The numbers of the hooks in the queue, and their names.
const (
	hookStart = iota
	hookSent
	hookAnswer
	hookHit
	hookRow
	hookProgress
	hookEnd
)

// hookNames are those of the fields of [Hooks].
func hookNames() []string {
	return []string{"Start", "Sent", "Answer", "Hit", "Row", "Progress", "End"}
}

// An event is what one of the hooks is told.
type event struct {
	plan     *Plan
	control  *Control
	sent     Sent
	hit      Hit
	row      *record.Record // of answers, hits and rows; the event's own
	progress Progress
	report   *Report
	err      error
}

// hooks are the hooks of one scan with their queue. Nil stands for none.
type hooks struct {
	Hooks
	queue *hook.Queue[event]
	scan  atomic.Pointer[engine.Scan] // nil before it is made
}

// newHooks returns the hooks at work, nil if there are none. They must be ended.
func newHooks(h Hooks, log *slog.Logger) *hooks {
	if h.Start == nil && h.Sent == nil && h.Answer == nil && h.Hit == nil && h.Row == nil && h.Progress == nil && h.End == nil {
		return nil
	}
	if h.Patience == 0 {
		h.Patience = DefaultPatience
	}
	hs := &hooks{Hooks: h}
	hs.queue = hook.New(hook.Config[event]{
		Names: hookNames(), Call: hs.call, Len: hookQueue, Patience: h.Patience, Hold: hs.hold,
		Fault: func(f HookFault) {
			log.Error(fmt.Sprintf("hook %s %v: it is not called any more", f.Hook, f.Err), "stack", string(f.Stack))
		},
	})
	return hs
}

// call calls a hook.
func (h *hooks) call(n int, e *event) error {
	switch n {
	case hookStart:
		h.Start(e.plan, e.control)
	case hookSent:
		h.Sent(e.sent)
	case hookAnswer:
		h.Answer(e.row)
	case hookHit:
		h.Hit(e.hit)
	case hookRow:
		h.Row(e.row)
	case hookProgress:
		h.Progress(e.progress)
	case hookEnd:
		h.End(e.report, e.err)
	}
	return nil
}

// hold has the scan wait for the hooks.
func (h *hooks) hold(on bool) {
	if scan := h.scan.Load(); scan != nil {
		scan.Hold(on)
	}
}

// engine returns the engine's hooks, which put events into the queue.
func (h *hooks) engine() engine.Hooks {
	if h == nil {
		return engine.Hooks{}
	}
	e := engine.Hooks{Load: h.queue.Load}
	if h.Sent != nil {
		e.Sent = func(sender, probes int) {
			sent := Sent{At: time.Now(), Sender: sender, Probes: probes}
			h.queue.Put(hookSent, func(e *event) { e.sent = sent })
		}
	}
	if h.Answer != nil {
		e.Answer = func(row *record.Record) { h.queue.Put(hookAnswer, func(e *event) { e.copy(row) }) }
	}
	if h.Hit != nil {
		e.Hit = h.putHit
	}
	if h.Row != nil {
		e.Row = func(row *record.Record) { h.queue.Put(hookRow, func(e *event) { e.copy(row) }) }
	}
	if h.Progress != nil {
		e.Tick = func(p Progress) { h.queue.Refresh(hookProgress, func(e *event) { e.progress = p }) }
	}
	return e
}

// putHit puts a first success into the queue.
func (h *hooks) putHit(t *target.Target, row *record.Record) {
	hit := Hit{Addr: t.Addr, Port: t.Port, Queued: time.Now()}
	if at, ok := row.Schema.Lookup("timestamp_str"); ok {
		hit.Received = row.Values[at].Time()
	}
	h.queue.Put(hookHit, func(e *event) {
		e.copy(row)
		e.hit = hit
		e.hit.Row = e.row
	})
}

// copy makes the event's row the same as another.
func (e *event) copy(row *record.Record) {
	if e.row == nil {
		e.row = record.New(row.Schema)
	}
	e.row.Set(row)
}

// start tells that the scan is about to begin, and waits for the hook.
func (h *hooks) start(plan *Plan, control *Control) {
	if h == nil {
		return
	}
	h.scan.Store(control.scan)
	if h.Start != nil {
		h.queue.Do(hookStart, func(e *event) { e.plan, e.control = plan, control })
	}
}

// end waits for the hooks to catch up, tells that the scan has ended, and puts into the report what became of the hooks.
func (h *hooks) end(ctx context.Context, report *Report, err error) {
	if h == nil {
		return
	}
	h.drain(ctx)
	_, report.HookWait = h.queue.Load()
	if h.End != nil {
		own := *report
		own.Hooks = h.queue.Faults()
		h.queue.Do(hookEnd, func(e *event) { e.report, e.err = &own, err })
	}
	h.queue.Close()
	report.Hooks = h.queue.Faults()
}

// drain waits for the hooks to catch up; when ctx ends, for no longer than their patience.
func (h *hooks) drain(ctx context.Context) {
	give, cancel := context.WithCancel(context.Background())
	defer cancel()
	if h.Patience > 0 {
		defer context.AfterFunc(ctx, func() {
			timer := time.AfterFunc(h.Patience, cancel)
			context.AfterFunc(give, func() { timer.Stop() })
		})()
	}
	h.queue.Drain(give.Done())
}

package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/zmap-go/zmap"
	"github.com/zmap-go/zmap/sink"
)

// The objects that listeners get, as docs/hooks.md has them. Times are RFC 3339 in UTC, durations are seconds.
type (
	startEvent struct {
		Event     string   `json:"event"`
		Time      string   `json:"time"`
		Probe     string   `json:"probe"`
		Ports     int      `json:"ports"`
		Targets   uint64   `json:"targets"`
		Share     uint64   `json:"share"`
		Tries     int      `json:"probes"`
		Rate      float64  `json:"rate"`
		Seed      uint64   `json:"seed"`
		Interface string   `json:"interface"`
		Sources   []string `json:"source_ips"`
		Link      string   `json:"link"`
		Args      []string `json:"args"`
	}
	progressEvent struct {
		Event     string  `json:"event"`
		Time      string  `json:"time"`
		Elapsed   float64 `json:"elapsed"`
		Remaining float64 `json:"remaining"`
		Percent   float64 `json:"percent"`
		Sending   bool    `json:"sending"`
		Rate      float64 `json:"rate"`
		HitRate   float64 `json:"hitrate"`
		Queue     float64 `json:"hook_queue"`
		Wait      float64 `json:"hook_wait"`
		countsEvent
	}
	endEvent struct {
		Event   string   `json:"event"`
		Time    string   `json:"time"`
		Reason  string   `json:"reason"`
		Clean   bool     `json:"clean"`
		Error   string   `json:"error,omitempty"`
		Elapsed float64  `json:"elapsed"`
		HitRate float64  `json:"hitrate"`
		Wait    float64  `json:"hook_wait"`
		Args    []string `json:"args"`
		countsEvent
	}
	countsEvent struct {
		Targets  uint64 `json:"targets_scanned"`
		Sent     uint64 `json:"packets_sent"`
		Refused  uint64 `json:"send_failures"`
		Received uint64 `json:"packets_received"`
		Lost     uint64 `json:"packets_lost"`
		Total    uint64 `json:"success_total"`
		Unique   uint64 `json:"success_unique"`
		Failures uint64 `json:"failure_total"`
		Rows     uint64 `json:"output_results"`
	}
)

// openListeners has the scan's hooks tell the programs that options name. They are started when the scan begins.
func (j *job) openListeners() error {
	var errs []error
	listen := func(option, command string) *listener {
		if command == "" {
			return nil
		}
		if strings.TrimSpace(command) == "" {
			errs = append(errs, argError(option, command, errors.New("names no command")))
		}
		l := newListener(option, command, j.std.Err, j.log)
		j.listeners = append(j.listeners, l)
		return l
	}
	h := &j.config.Hooks
	onStart := listen("on-start", j.o.onStart)
	if l := listen("on-hit", j.o.onHit); l != nil {
		l.event = "hit"
		h.Hit = (&hits{listener: l}).tell
	}
	if l, show := listen("on-progress", j.o.onProgress), h.Progress; l != nil {
		h.Progress = func(p zmap.Progress) {
			show(p)
			l.tellJSON(progressOf(&p))
		}
	}
	j.listenStart(h, onStart)
	if l := listen("on-end", j.o.onEnd); l != nil {
		h.End = func(r *zmap.Report, err error) { l.tellJSON(j.endOf(r, err)) }
	}
	return errors.Join(errs...)
}

// listenStart starts the listeners that there are when the scan is about to begin; the one given, which may be nil, is told of it.
func (j *job) listenStart(h *zmap.Hooks, l *listener) {
	begin, all := h.Start, slices.Clone(j.listeners)
	h.Start = func(p *zmap.Plan, c *zmap.Control) {
		begin(p, c)
		for _, l := range all {
			l.start()
		}
		if l != nil {
			l.tellJSON(j.startOf(p))
		}
	}
}

// closeListeners waits for all listeners at once, and no longer than each may take.
func (j *job) closeListeners() {
	var wg sync.WaitGroup
	for _, l := range j.listeners {
		wg.Go(l.close)
	}
	wg.Wait()
}

// tellJSON tells an object.
func (l *listener) tellJSON(object any) {
	text, err := json.Marshal(object)
	if err != nil { // a number that JSON has not
		l.complain("cannot be told: " + err.Error())
		return
	}
	l.tell(func(b []byte) []byte { return append(append(b, text...), '\n') })
}

// startOf is what there is to say of a scan that begins.
func (j *job) startOf(p *zmap.Plan) startEvent {
	e := startEvent{
		Event: "start", Time: moment(time.Now()), Probe: p.Probe, Ports: p.Space.Ports().Len(), Targets: p.Total, Share: p.Share,
		Tries: p.Tries, Rate: p.Rate, Seed: p.Seed, Interface: p.Path.Interface, Sources: []string{}, Link: p.Link, Args: j.o.argv,
	}
	for _, a := range p.SourceAddrs() {
		e.Sources = append(e.Sources, a.String())
	}
	return e
}

// progressOf is what there is to say of a scan that runs.
func progressOf(p *zmap.Progress) progressEvent {
	return progressEvent{
		Event: "progress", Time: moment(p.At), Elapsed: p.Elapsed.Seconds(), Remaining: p.Remaining.Seconds(), Percent: p.Percent(),
		Sending: p.Sending, Rate: p.Rate, HitRate: p.HitRate(), Queue: p.HookQueue, Wait: p.HookWait.Seconds(), countsEvent: countsOf(&p.Counts),
	}
}

// endOf is what there is to say of a scan that has ended, or that never began.
func (j *job) endOf(r *zmap.Report, err error) endEvent {
	e := endEvent{
		Event: "end", Time: moment(time.Now()), Reason: stopName(r.Reason), Clean: r.Reason.Clean(),
		Elapsed: r.RecvEnd.Sub(r.RecvStart).Seconds(), HitRate: r.HitRate(), Wait: r.HookWait.Seconds(), Args: j.o.argv, countsEvent: countsOf(&r.Counts),
	}
	if err != nil {
		e.Error = strings.Join(lines(err), "; ")
	}
	return e
}

// countsOf are the numbers that progress and end have.
func countsOf(c *zmap.Counts) countsEvent {
	return countsEvent{
		Targets: c.Targets, Sent: c.Sent, Refused: c.Refused, Received: c.Received, Lost: c.Lost, Total: c.SuccessTotal,
		Unique: c.SuccessUnique, Failures: c.FailureTotal, Rows: c.Rows,
	}
}

// moment is a time as text.
func moment(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// hits tells a listener of first successes: each with its row, all fields of it, as -O json writes it.
type hits struct {
	*listener
	rows *sink.JSON
	row  bytes.Buffer // what rows writes
}

// tell is the hook.
func (h *hits) tell(hit zmap.Hit) {
	if err := h.encode(&hit); err != nil {
		h.complain("cannot be told: " + err.Error())
		return
	}
	port, _ := json.Marshal(hit.Port)           // a number
	addr, _ := json.Marshal(hit.Addr)           // text without anything to escape
	at, _ := json.Marshal(moment(hit.Received)) // the same
	row := bytes.TrimSuffix(h.row.Bytes(), []byte("\n"))
	h.listener.tell(func(b []byte) []byte {
		b = append(append(b, `{"event":"hit","time":`...), at...)
		b = append(append(b, `,"addr":`...), addr...)
		b = append(append(b, `,"port":`...), port...)
		b = append(append(b, `,"row":`...), row...)
		return append(b, "}\n"...)
	})
}

// encode writes the row of a hit to h.row.
func (h *hits) encode(hit *zmap.Hit) error {
	if h.rows == nil {
		h.rows = sink.NewJSON(&h.row, sink.Options{Fields: "*"})
		if err := h.rows.Open(hit.Row.Schema); err != nil {
			return err
		}
	}
	h.row.Reset()
	return errors.Join(h.rows.Write(hit.Row), h.rows.Flush())
}

package tools

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"
)

// A teeReading is how a Tee is doing at one moment, in lines. The first line of the input does not count, as it does not
// in C ztee.
type teeReading struct {
	elapsed time.Duration
	total   uint64 // read
	last    uint64 // read per second since the reading before
	avg     uint64 // read per second since the start
	waiting uint64 // read and not written
	waitAvg uint64 // mean of waiting over all readings
}

// A teeMeter makes readings of counts.
type teeMeter struct {
	before teeReading
	count  uint64 // readings
	sum    uint64 // of waiting
}

// leastGap is the time after which a new rate is worth more than the one before.
const leastGap = 100 * time.Millisecond

// read returns the reading at a moment. Read and waiting count all lines.
func (m *teeMeter) read(elapsed time.Duration, read, waiting uint64) teeReading {
	r := teeReading{elapsed: elapsed, total: max(read, 1) - 1, last: m.before.last}
	r.waiting = min(waiting, r.total)
	if gap := elapsed - m.before.elapsed; gap >= leastGap {
		r.last = uint64(float64(r.total-m.before.total) / gap.Seconds())
	}
	if elapsed >= leastGap {
		r.avg = uint64(float64(r.total) / elapsed.Seconds())
	}
	m.count++
	m.sum += r.waiting
	r.waitAvg = m.sum / m.count
	m.before = r
	return r
}

// appendLine appends the line of the monitor.
func (r *teeReading) appendLine(dst []byte) []byte {
	return fmt.Appendf(dst, "%5s read_rate: %d rows/s (avg %d rows/s), buffer_size: %d (avg %d)\n",
		elapsedText(r.elapsed), r.last, r.avg, r.waiting, r.waitAvg)
}

// teeStatusHeader is the first line of a status file.
const teeStatusHeader = "time_past,total_read_in,read_in_last_sec,read_per_sec_avg,buffer_current_size,buffer_avg_size\n"

// appendRow appends the row of the status file.
func (r *teeReading) appendRow(dst []byte) []byte {
	return fmt.Appendf(dst, "%d,%d,%d,%d,%d,%d\n", int64(r.elapsed/time.Second), r.total, r.last, r.avg, r.waiting, r.waitAvg)
}

// elapsedText returns d as the status line of a scan shows it: m:ss, h:mm:ss from an hour, DdH:mm:ss from a day.
func elapsedText(d time.Duration) string {
	s := int64(d / time.Second)
	days, hours, minutes, seconds := s/86400, s/3600%24, s/60%60, s%60
	switch {
	case days > 0:
		return fmt.Sprintf("%dd%d:%02d:%02d", days, hours, minutes, seconds)
	case hours > 0:
		return fmt.Sprintf("%d:%02d:%02d", hours, minutes, seconds)
	}
	return fmt.Sprintf("%d:%02d", minutes, seconds)
}

// A teeMonitor shows readings every second and once at the end.
type teeMonitor struct {
	meter  teeMeter
	queue  *queue
	line   io.Writer // nil if not wanted
	status *os.File  // nil if not wanted
	log    *slog.Logger
	start  time.Time
}

// startMonitor opens the status file and starts to show readings. Stop ends that and waits for the end.
func (t *tee) startMonitor(errw io.Writer) (stop func(), err error) {
	if !t.cfg.Monitor && t.cfg.StatusFile == "" {
		return func() {}, nil
	}
	m := &teeMonitor{queue: t.queue, log: t.rows.warn.log, start: time.Now()}
	if t.cfg.Monitor {
		m.line = errw
	}
	if t.cfg.StatusFile != "" {
		if m.status, err = os.Create(t.cfg.StatusFile); err != nil {
			return nil, fmt.Errorf("open --status-updates-file: %w", err)
		}
		if _, err := m.status.WriteString(teeStatusHeader); err != nil {
			return nil, fmt.Errorf("write --status-updates-file: %w", err)
		}
	}
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		m.run(end)
	}()
	return func() {
		close(end)
		<-ended
	}, nil
}

// run shows readings until end is closed.
func (m *teeMonitor) run(end <-chan struct{}) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			m.show()
		case <-end:
			m.show()
			m.closeStatus()
			return
		}
	}
}

// show shows a reading. A place that fails is given up.
func (m *teeMonitor) show() {
	read, waiting := m.queue.progress()
	r := m.meter.read(time.Since(m.start), read, waiting)
	if m.line != nil {
		if _, err := m.line.Write(r.appendLine(nil)); err != nil {
			m.line = nil
		}
	}
	if m.status != nil {
		if _, err := m.status.Write(r.appendRow(nil)); err != nil {
			m.log.Warn("write --status-updates-file: " + err.Error())
			m.closeStatus()
		}
	}
}

// closeStatus closes the status file.
func (m *teeMonitor) closeStatus() {
	if m.status == nil {
		return
	}
	if err := m.status.Close(); err != nil {
		m.log.Warn("close --status-updates-file: " + err.Error())
	}
	m.status = nil
}

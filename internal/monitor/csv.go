package monitor

import (
	"io"
	"strconv"
	"time"
)

// A column of the status updates: its name and how its value is appended.
type column struct {
	name string
	add  func(dst []byte, r *Reading) []byte
}

// count, decimals and whole make columns of numbers.
func count(name string, of func(*Reading) uint64) column {
	return column{name, func(dst []byte, r *Reading) []byte { return strconv.AppendUint(dst, of(r), 10) }}
}

func decimals(name string, of func(*Reading) float64) column {
	return column{name, func(dst []byte, r *Reading) []byte { return strconv.AppendFloat(dst, of(r), 'f', 6, 64) }}
}

func whole(name string, of func(*Reading) float64) column {
	return column{name, func(dst []byte, r *Reading) []byte { return strconv.AppendFloat(dst, of(r), 'f', 0, 64) }}
}

func seconds(name string, of func(*Reading) time.Duration) column {
	return count(name, func(r *Reading) uint64 { return uint64(max(of(r), 0) / time.Second) })
}

// statusColumns returns the columns in order. Header and rows are made from the same list, so they cannot disagree.
func statusColumns(loc *time.Location) []column {
	return []column{
		{"real-time", func(dst []byte, r *Reading) []byte { return r.At.In(loc).AppendFormat(dst, time.DateTime) }},
		seconds("time-elapsed", func(r *Reading) time.Duration { return r.Elapsed }),
		seconds("time-remaining", func(r *Reading) time.Duration { return r.Remaining }),
		decimals("percent-complete", func(r *Reading) float64 { return r.Percent() }),
		decimals("hit-rate", func(r *Reading) float64 { return r.HitRate() }),
		count("active-send-threads", func(r *Reading) uint64 { return uint64(max(r.Senders, 0)) }),
		count("sent-total", func(r *Reading) uint64 { return r.Sent }),
		whole("sent-last-one-sec", func(r *Reading) float64 { return r.SentRate.Last }),
		whole("sent-avg-per-sec", func(r *Reading) float64 { return r.SentRate.Avg }),
		count("recv-success-total", func(r *Reading) uint64 { return r.Success }),
		whole("recv-success-last-one-sec", func(r *Reading) float64 { return r.SuccessRate.Last }),
		whole("recv-success-avg-per-sec", func(r *Reading) float64 { return r.SuccessRate.Avg }),
		count("recv-total", func(r *Reading) uint64 { return r.Received }),
		whole("recv-total-last-one-sec", func(r *Reading) float64 { return r.ReceivedRate.Last }),
		whole("recv-total-avg-per-sec", func(r *Reading) float64 { return r.ReceivedRate.Avg }),
		count("pcap-drop-total", func(r *Reading) uint64 { return r.Drops() }),
		whole("drop-last-one-sec", func(r *Reading) float64 { return r.DropRate.Last }),
		whole("drop-avg-per-sec", func(r *Reading) float64 { return r.DropRate.Avg }),
		count("sendto-fail-total", func(r *Reading) uint64 { return r.Refused }),
		whole("sendto-fail-last-one-sec", func(r *Reading) float64 { return r.RefusedRate.Last }),
		whole("sendto-fail-avg-per-sec", func(r *Reading) float64 { return r.RefusedRate.Avg }),
	}
}

// CSV writes the status updates of --status-updates-file, a row for each reading. It is an [Output], owned by one
// goroutine.
type CSV struct {
	w       io.Writer
	columns []column
	buf     []byte
}

// NewCSV writes the header to w and returns a CSV for the rows. Times are in loc; nil means the local time zone. The
// caller closes w.
func NewCSV(w io.Writer, loc *time.Location) (*CSV, error) {
	c := ContinueCSV(w, loc)
	for i, col := range c.columns {
		if i > 0 {
			c.buf = append(c.buf, ',')
		}
		c.buf = append(c.buf, col.name...)
	}
	return c, c.flush()
}

// ContinueCSV is NewCSV where the header is written already.
func ContinueCSV(w io.Writer, loc *time.Location) *CSV {
	if loc == nil {
		loc = time.Local
	}
	return &CSV{w: w, columns: statusColumns(loc)}
}

// Put writes the row of r, in one Write, so that a reader never sees a part of one.
func (c *CSV) Put(r *Reading) error {
	c.buf = c.buf[:0]
	for i, col := range c.columns {
		if i > 0 {
			c.buf = append(c.buf, ',')
		}
		c.buf = col.add(c.buf, r)
	}
	return c.flush()
}

func (c *CSV) flush() error {
	c.buf = append(c.buf, '\n')
	_, err := c.w.Write(c.buf)
	return err
}

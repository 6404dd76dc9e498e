package monitor

import (
	"io"
	"strconv"
	"time"
)

// A Form is a form of the status line.
type Form uint8

// The forms.
const (
	Plain      Form = iota // of probe modules without application successes
	AppSuccess             // of those with: it shows them as well
)

// warmUp is how long a scan goes before its remaining time is worth showing.
const warmUp = 5 * time.Second

// Status writes the status line. It is an [Output], owned by one goroutine.
type Status struct {
	w    io.Writer
	form Form
	buf  []byte
}

// NewStatus returns a Status that writes to w, which for a command is its standard error.
func NewStatus(w io.Writer, form Form) *Status { return &Status{w: w, form: form} }

// Put writes the line of r, in one Write.
func (s *Status) Put(r *Reading) error {
	s.buf = append(AppendStatus(s.buf[:0], r, s.form), '\n')
	_, err := s.w.Write(s.buf)
	return err
}

// AppendStatus appends the status line of r, without a line end:
//
//	0:05 37% (9s left); send: 101 20 p/s (20 p/s avg); recv: 25 4 p/s (4 p/s avg); drops: 0 p/s (0 p/s avg); hitrate: 24.75%
//
// After sending, "done" takes the place of the sending rate. The estimate of the time left is missing in the first 5 s.
func AppendStatus(dst []byte, r *Reading, form Form) []byte {
	dst = appendTime(dst, r)
	dst = appendSent(dst, r, form)
	dst = append(dst, "; recv: "...)
	dst = strconv.AppendUint(dst, r.Success, 10)
	dst = append(dst, ' ')
	dst = appendRate(dst, r.SuccessRate)
	if form == AppSuccess {
		dst = append(dst, "; app success: "...)
		dst = strconv.AppendUint(dst, r.App, 10)
		dst = append(dst, ' ')
		dst = appendRate(dst, r.AppRate)
	}
	dst = append(dst, "; drops: "...)
	dst = appendRate(dst, r.DropRate)
	dst = append(dst, "; hitrate: "...)
	dst = append(strconv.AppendFloat(dst, r.HitRate(), 'f', 2, 64), '%')
	if form == AppSuccess {
		dst = append(dst, " app hitrate: "...)
		dst = append(strconv.AppendFloat(dst, r.AppHitRate(), 'f', 2, 64), '%')
	}
	return dst
}

// appendTime appends the line's beginning: time elapsed, in at least five columns, part done, time left.
func appendTime(dst []byte, r *Reading) []byte {
	var elapsed [32]byte
	text := appendElapsed(elapsed[:0], r.Elapsed)
	for range 5 - len(text) {
		dst = append(dst, ' ')
	}
	dst = append(dst, text...)
	dst = append(dst, ' ')
	dst = append(strconv.AppendFloat(dst, r.Percent(), 'f', 0, 64), '%')
	if r.Elapsed < warmUp {
		return dst
	}
	dst = append(dst, " ("...)
	return append(appendLeft(dst, r.Remaining), " left)"...)
}

// appendSent appends the part about sending. C ZMap calls it "sent" where there are application successes.
func appendSent(dst []byte, r *Reading, form Form) []byte {
	if form == AppSuccess {
		dst = append(dst, "; sent: "...)
	} else {
		dst = append(dst, "; send: "...)
	}
	dst = append(strconv.AppendUint(dst, r.Sent, 10), ' ')
	if r.Sending {
		return appendRate(dst, r.SentRate)
	}
	dst = append(dst, "done ("...)
	return append(appendQuantity(dst, r.SentRate.Avg), "p/s avg)"...)
}

// appendRate appends a rate as in "29.0 Kp/s (28.6 Kp/s avg)".
func appendRate(dst []byte, r Rate) []byte {
	dst = append(appendQuantity(dst, r.Last), "p/s ("...)
	return append(appendQuantity(dst, r.Avg), "p/s avg)"...)
}

package probe

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zmap-go/zmap/packet"
)

// A udpTemplate is a payload with fields that are filled in for every probe. It is immutable.
//
// Its text is bytes with ${NAME} and ${NAME=ARGUMENT} between them. What is not the name of a field stays as it is, the
// braces and all, and so does a "${" without its end.
type udpTemplate struct {
	pieces  []piece
	longest int  // bytes at most
	fixed   bool // all payloads are of that length
	timed   bool // some field is the time
}

// addressed says whether an address is in the payload: there is room for one of IPv4, as in C ZMap.
func (t *udpTemplate) addressed() bool {
	return slices.ContainsFunc(t.pieces, func(p piece) bool {
		return p.kind == saddrRaw || p.kind == saddrText || p.kind == daddrRaw || p.kind == daddrText
	})
}

// A piece is a run of bytes or a field.
type piece struct {
	kind    fieldKind
	literal string
	n       int // how many random items
}

// A fieldKind says how a piece is filled in.
type fieldKind uint8

const (
	literal fieldKind = iota
	saddrRaw
	saddrText
	daddrRaw
	daddrText
	sportRaw
	sportText
	dportRaw
	dportText
	randByte
	randDigit
	randAlpha
	randAlphanum
	hexBytes
	unixSeconds
	unixMicros
	ntpTime
)

// templateFields are the fields: how many bytes they take at most, and whether always as many. Random ones and HEX take as
// many as their argument says.
var templateFields = [...]struct {
	name    string
	kind    fieldKind
	longest int
	fixed   bool
	help    string
}{
	{"SADDR_N", saddrRaw, 4, true, "source address, 4 bytes in network order"},
	{"SADDR", saddrText, 15, false, "source address, dotted"},
	{"DADDR_N", daddrRaw, 4, true, "destination address, 4 bytes in network order"},
	{"DADDR", daddrText, 15, false, "destination address, dotted"},
	{"SPORT_N", sportRaw, 2, true, "source port, 2 bytes in network order"},
	{"SPORT", sportText, 5, false, "source port, decimal"},
	{"DPORT_N", dportRaw, 2, true, "destination port, 2 bytes in network order"},
	{"DPORT", dportText, 5, false, "destination port, decimal"},
	{"RAND_BYTE", randByte, 0, true, "random bytes; ${RAND_BYTE=8} are eight"},
	{"RAND_DIGIT", randDigit, 0, true, "random digits 0-9"},
	{"RAND_ALPHA", randAlpha, 0, true, "random letters a-zA-Z"},
	{"RAND_ALPHANUM", randAlphanum, 0, true, "random letters and digits a-zA-Z0-9"},
	{"HEX", hexBytes, 0, true, "bytes in hexadecimal; ${HEX=0d0a} is the end of a line"},
	{"UNIXTIME_SEC", unixSeconds, 4, true, "seconds since 1970, 4 bytes in network order"},
	{"UNIXTIME_USEC", unixMicros, 4, true, "microseconds of the time, 4 bytes in network order"},
	{"NTP_TIMESTAMP", ntpTime, 8, true, "time as NTP has it, 8 bytes in network order"},
}

// templateHelp lists the fields.
func templateHelp() string {
	var b strings.Builder
	b.WriteString("Fields of templates, written ${NAME} or ${NAME=ARGUMENT}:\n")
	for _, f := range templateFields {
		fmt.Fprintf(&b, "%-13s  %s\n", f.name, f.help)
	}
	return b.String()
}

// parseTemplate reads a template. It returns nil if there are no fields in text. The error names the field that is wrong, and
// where it is.
func parseTemplate(text string) (*udpTemplate, error) {
	t, whole := &udpTemplate{fixed: true}, text
	fields := false
	for text != "" {
		before, inside, rest, found := cutField(text)
		if !found {
			t.add(piece{literal: text}, len(text))
			break
		}
		t.add(piece{literal: before}, len(before))
		name, arg, hasArg := strings.Cut(inside, "=")
		known, err := t.addField(name, arg, hasArg)
		if err != nil {
			line, column := position(whole[:len(whole)-len(text)+len(before)])
			return nil, fmt.Errorf("line %d, column %d: field ${%s}: %w", line, column, inside, err)
		}
		if !known {
			as := text[len(before) : len(text)-len(rest)]
			t.add(piece{literal: as}, len(as))
		}
		fields = fields || known
		text = rest
	}
	if !fields {
		return nil, nil
	}
	if t.longest > maxDatagram {
		return nil, fmt.Errorf("payloads can become %d bytes long, but a probe holds %d; shorten it", t.longest, maxDatagram)
	}
	return t, nil
}

// position returns the line and the column, in bytes, of what comes behind a text, both counted from 1.
func position(before string) (line, column int) {
	return 1 + strings.Count(before, "\n"), len(before) - strings.LastIndexByte(before, '\n')
}

// cutField finds the first ${...} in text: what is before, inside and behind it.
func cutField(text string) (before, inside, rest string, found bool) {
	before, behind, found := strings.Cut(text, "${")
	if !found {
		return "", "", "", false
	}
	inside, rest, found = strings.Cut(behind, "}")
	return before, inside, rest, found
}

// add appends a piece of n bytes at most.
func (t *udpTemplate) add(p piece, n int) {
	if n > 0 {
		t.pieces = append(t.pieces, p)
		t.longest += n
	}
}

// addField appends the field called name; known is false if there is none.
func (t *udpTemplate) addField(name, arg string, hasArg bool) (known bool, err error) {
	for _, f := range templateFields {
		if f.name != name {
			continue
		}
		p, n := piece{kind: f.kind}, f.longest
		switch f.kind {
		case randByte, randDigit, randAlpha, randAlphanum:
			if p.n, err = randomCount(arg, hasArg); err != nil {
				return true, err
			}
			n = p.n
		case hexBytes:
			b, err := hex.DecodeString(arg)
			if err != nil {
				return true, fmt.Errorf("%w; write two hexadecimal digits for each byte", err)
			}
			p, n = piece{literal: string(b)}, len(b)
		default:
			t.timed = t.timed || f.kind == unixSeconds || f.kind == unixMicros || f.kind == ntpTime
		}
		t.fixed = t.fixed && f.fixed
		t.add(p, n)
		return true, nil
	}
	return false, nil
}

// randomCount reads how many random items are wanted: none if it is not said, as in C ZMap.
func randomCount(arg string, given bool) (int, error) {
	if !given {
		return 0, nil
	}
	n, err := strconv.ParseUint(arg, 10, 16)
	if err != nil || n > maxDatagram {
		return 0, errors.New("the argument must be a number from 0 to " + strconv.Itoa(maxDatagram))
	}
	return int(n), nil
}

// A templateEncoder fills a template in for every probe of one sender.
type templateEncoder struct {
	datagram
	fields *udpTemplate
	random func() uint64
	now    func() time.Time
}

// newTemplateEncoder returns an encoder of fields that sends as d does.
func newTemplateEncoder(d datagram, fields *udpTemplate) *templateEncoder {
	e := &templateEncoder{datagram: d, fields: fields, random: d.envelope.route.Random, now: time.Now}
	e.payload = nil
	if e.random == nil {
		e.random = func() uint64 { return 0 }
	}
	return e
}

// Template writes the headers as for the longest payload.
func (e *templateEncoder) Template(_ uint32, frame []byte) int {
	e.resize(frame, e.fields.longest)
	return e.envelope.FrameLen()
}

// resize writes the headers for a payload of n bytes, and leaves the payload alone.
func (e *templateEncoder) resize(frame []byte, n int) {
	n += packet.UDPLen
	packet.UDPFields{Length: n}.Encode(e.envelope.Template(frame, packet.ProtoUDP, n))
}

// Patch writes the payload and what all UDP probes get. Only templates with the time in them look at the clock.
func (e *templateEncoder) Patch(frame []byte, s *Shot) int {
	var now time.Time
	if e.fields.timed {
		now = e.now()
	}
	at := e.envelope.l4 + packet.UDPLen
	end := at + e.fields.longest
	b := frame[at:at:end]
	for i := range e.fields.pieces {
		b = e.appendPiece(b, &e.fields.pieces[i], s, now)
	}
	if !e.fields.fixed {
		e.resize(frame, len(b))
	}
	return e.datagram.Patch(frame, s)
}

// appendPiece appends one piece of the payload.
func (e *templateEncoder) appendPiece(b []byte, p *piece, s *Shot, now time.Time) []byte {
	switch p.kind {
	case literal, hexBytes:
		return append(b, p.literal...)
	case saddrRaw:
		a := s.Src.As4()
		return append(b, a[:]...)
	case saddrText:
		return s.Src.AppendTo(b)
	case daddrRaw:
		a := s.Addr.As4()
		return append(b, a[:]...)
	case daddrText:
		return s.Addr.AppendTo(b)
	case sportRaw:
		return binary.BigEndian.AppendUint16(b, e.ports.Of(s.Tag, s.Try))
	case sportText:
		return strconv.AppendUint(b, uint64(e.ports.Of(s.Tag, s.Try)), 10)
	case dportRaw:
		return binary.BigEndian.AppendUint16(b, s.Port)
	case dportText:
		return strconv.AppendUint(b, uint64(s.Port), 10)
	case unixSeconds, unixMicros, ntpTime:
		return appendTime(b, p.kind, now)
	case randByte:
		for range p.n {
			b = append(b, byte(e.random()+1))
		}
		return b
	case randDigit, randAlpha, randAlphanum:
		return e.appendRandom(b, p)
	}
	return b
}

// letters are what random letters and digits are drawn from: the first 52 or all of them.
const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

// appendRandom appends random digits or letters, each from the lower half of a word, as C ZMap draws them.
func (e *templateEncoder) appendRandom(b []byte, p *piece) []byte {
	set := letters
	switch p.kind {
	case randDigit:
		set = letters[52:]
	case randAlpha:
		set = letters[:52]
	default:
	}
	for range p.n {
		b = append(b, set[uint32(e.random())%uint32(len(set))])
	}
	return b
}

// ntpEpoch is how many seconds 1900 is before 1970 (RFC 5905 section 6).
const ntpEpoch = 2_208_988_800

// appendTime appends the time in one of its forms.
func appendTime(b []byte, kind fieldKind, now time.Time) []byte {
	sec, usec := uint32(now.Unix()), uint64(now.Nanosecond()/1000)
	switch kind {
	case unixSeconds:
		return binary.BigEndian.AppendUint32(b, sec)
	case unixMicros:
		return binary.BigEndian.AppendUint32(b, uint32(usec))
	default:
		b = binary.BigEndian.AppendUint32(b, sec+ntpEpoch)
		return binary.BigEndian.AppendUint32(b, uint32(usec<<32/1_000_000))
	}
}

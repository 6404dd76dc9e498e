package hello

import (
	"errors"
	"fmt"
	"io"

	"github.com/zmap-go/zmap/grab"
)

// Record types (RFC 8446 section 5.1, RFC 6520 section 3).
const (
	RecordChangeCipherSpec = 20
	RecordAlert            = 21
	RecordHandshake        = 22
	RecordData             = 23
	RecordHeartbeat        = 24
)

// Handshake message types (RFC 8446 section 4, RFC 5246 section 7.4).
const (
	TypeClientHello        = 1
	TypeServerHello        = 2
	TypeCertificate        = 11
	TypeServerKeyExchange  = 12
	TypeCertificateRequest = 13
	TypeServerHelloDone    = 14
)

// What a server may send before it is cut off.
const (
	MaxMessage = 64 << 10      // bytes of one handshake message
	MaxRecord  = 1<<14 + 1<<11 // bytes of one record's body: those of an encrypted one (RFC 5246 section 6.2.3)
	maxRecords = 1024          // of one Reader: a server may cut as small as it likes, within reason
	maxWarning = 8             // alerts of the level "warning"
)

// A Record is one record; its body is borrowed until the next is read.
type Record struct {
	Type    byte   // one of the Record constants
	Version uint16 // of the record layer, which says little
	Body    []byte // at most MaxRecord bytes
}

// A Reader takes records and handshake messages from a stream, however they are cut: a record over many reads, a message over
// many records, many messages in one record. It has one owner.
type Reader struct {
	// Warnings are the alerts of that level that came; the first few, as nothing else can end a flood of them.
	Warnings []Alert

	in      io.Reader
	header  [5]byte
	record  []byte
	pending []byte // bytes of handshake messages that were not taken yet
	records int
}

// NewReader returns a Reader of what r has to give.
func NewReader(r io.Reader) *Reader { return &Reader{in: r} }

// ReadRecord returns the next record. What is no record of TLS is an error that wraps [grab.ErrProtocol].
func (r *Reader) ReadRecord() (Record, error) {
	if r.records++; r.records > maxRecords {
		return Record{}, fmt.Errorf("more than %d records: %w", maxRecords, grab.ErrProtocol)
	}
	if _, err := io.ReadFull(r.in, r.header[:]); err != nil {
		return Record{}, fmt.Errorf("read record: %w", err)
	}
	rec := Record{Type: r.header[0], Version: be16(r.header[1:])}
	n := int(be16(r.header[3:]))
	switch {
	case rec.Type < RecordChangeCipherSpec || rec.Type > RecordHeartbeat || rec.Version>>8 != 3:
		return Record{}, fmt.Errorf("record begins with % x: %w", r.header, grab.ErrProtocol)
	case n > MaxRecord:
		return Record{}, fmt.Errorf("record of %d bytes: %w", n, grab.ErrProtocol)
	}
	if cap(r.record) < n {
		r.record = make([]byte, n)
	}
	rec.Body = r.record[:n]
	if _, err := io.ReadFull(r.in, rec.Body); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return Record{}, fmt.Errorf("read record: %w", err)
	}
	return rec, nil
}

// ReadMessage returns the type and body of the next handshake message, which is borrowed until the next is read. An alert that
// ends the handshake comes as an error of type [Alert]; a record of another type wraps [grab.ErrProtocol]. It must not be called
// when what follows is encrypted.
func (r *Reader) ReadMessage() (kind byte, body []byte, err error) {
	for need := 4; ; {
		if len(r.pending) >= need {
			if n := 4 + be24(r.pending[1:]); n > MaxMessage {
				return 0, nil, fmt.Errorf("handshake message of %d bytes: %w", n, grab.ErrProtocol)
			} else if need = n; len(r.pending) >= n {
				msg := r.pending[:n:n]
				r.pending = r.pending[n:]
				return msg[0], msg[4:], nil
			}
		}
		rec, err := r.ReadRecord()
		if err != nil {
			return 0, nil, err
		}
		switch rec.Type {
		case RecordHandshake:
			r.pending = append(r.pending, rec.Body...)
		case RecordAlert:
			if err := r.alert(rec.Body); err != nil {
				return 0, nil, err
			}
		case RecordChangeCipherSpec: // one without meaning follows a HelloRetryRequest (RFC 8446 appendix D.4)
		default:
			return 0, nil, fmt.Errorf("record of type %d in a handshake: %w", rec.Type, grab.ErrProtocol)
		}
	}
}

// alert takes an alert, and returns it if the handshake is over.
func (r *Reader) alert(body []byte) error {
	a, err := ParseAlert(body)
	if err != nil {
		return err
	}
	if a.Ends() || len(r.Warnings) == maxWarning {
		return a
	}
	r.Warnings = append(r.Warnings, a)
	return nil
}

func be16(b []byte) uint16 { return uint16(b[0])<<8 | uint16(b[1]) }

func be24(b []byte) int { return int(b[0])<<16 | int(b[1])<<8 | int(b[2]) }

package sink

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/zmap-go/zmap/record"
)

// A Store is a [Sink] that keeps more than one scan, or keeps beside the rows which scan they are of. Begin comes before Open,
// End after the last Write and before Close; a scan that was killed has no End.
type Store interface {
	Sink
	Begin(s Scan) error
	End(o Outcome) error
}

// A Scan says which scan the rows to come are of.
type Scan struct {
	ID      string          // unique over all scans and machines: 128 random bits in hexadecimal
	Started time.Time       // when it was started
	Probe   string          // name of the probe module
	Version string          // of this program
	Config  json.RawMessage // an object: what was to be scanned, and how
}

// NewID draws an ID for a scan.
func NewID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// An Outcome says how a scan ended.
type Outcome struct {
	Ended  time.Time
	Reason string          // one of the names of stop reasons
	Counts json.RawMessage // an object: what was sent, received and written
}

// A Source gives back rows that a sink has written, one scan's at a time. It is owned by one goroutine.
type Source interface {
	// Schema returns the fields of the rows, known before the first of them.
	Schema() *record.Schema
	// Read fills r, which must be a record of the schema, and owns it until it returns. At the end it returns [io.EOF];
	// every other error says where in the file it is (line, row or offset) and what is wrong there. What is before the place
	// is right.
	Read(r *record.Record) error
	// Close gives up what New or Open of the source took.
	Close() error
}

package remote

import (
	"bytes"
	"errors"
	"time"

	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/sink"
)

// jsonLines makes JSON lines of batches, as the output module json writes them, with times in UTC. The same batch always makes the
// same bytes.
type jsonLines struct {
	origin *origin // what json is open for
	json   *sink.JSON
	buf    bytes.Buffer
}

// encode returns the rows of a batch, a line each, valid until the next call.
func (j *jsonLines) encode(b *batch) ([]byte, error) {
	j.buf.Reset()
	if j.origin != b.origin {
		j.origin, j.json = b.origin, sink.NewJSON(&j.buf, sink.Options{Fields: "*", Location: time.UTC})
		if err := j.json.Open(b.origin.schema); err != nil {
			return nil, permanent(err)
		}
	}
	err := b.each(func(_ uint64, r *record.Record) error { return j.json.Write(r) })
	if err := errors.Join(err, j.json.Flush()); err != nil {
		j.origin = nil
		return nil, err
	}
	return j.buf.Bytes(), nil
}

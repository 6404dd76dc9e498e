package grab

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// An Appender is a result that writes itself as JSON faster than encoding/json does, which reads what a [json.Marshaler] has written
// once more. What it writes must be what encoding/json would.
type Appender interface {
	AppendJSON(b []byte) ([]byte, error)
}

// Document returns g as rows have it, as JSON: {"module": g}. A result that cannot be written, or panics at it, is a mistake of the
// module: then the document has no result, and says so.
func (g *Grab) Document(module string) []byte {
	doc, err := g.document(module)
	if err != nil {
		bare := *g
		bare.Result, bare.Status, bare.Error = nil, UnknownError, fmt.Sprintf("write result: %v", err)
		doc, _ = bare.document(module) // of strings and numbers
	}
	return doc
}

// resultGap is what stands in the document where the result of an Appender goes. Before it there are our own words and numbers.
const resultGap = `"result":0`

func (g *Grab) document(module string) (doc []byte, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%w: %v", ErrPanic, v)
		}
	}()
	a, ok := g.Result.(Appender)
	if !ok {
		return json.Marshal(map[string]*Grab{module: g})
	}
	around := *g
	around.Result = 0
	frame, err := json.Marshal(map[string]*Grab{module: &around})
	if err != nil {
		return nil, err
	}
	at := bytes.Index(frame, []byte(resultGap)) + len(resultGap) - 1
	doc = append([]byte(nil), frame[:at]...)
	if doc, err = a.AppendJSON(doc); err != nil {
		return nil, err
	}
	return append(doc, frame[at+1:]...), nil
}

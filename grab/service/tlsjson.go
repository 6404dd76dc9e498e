package service

import (
	"bytes"
	"encoding/json"

	"github.com/zmap-go/zmap/cert"
)

// chainGap is what stands in the JSON of a TLSResult where its certificates go. No text of a server's can have it: its quotation marks
// are escaped.
const chainGap = `"server_certificates":{"certificate":{}}`

// AppendJSON appends the result as encoding/json writes it. Most of that is certificates, which are kept as JSON.
func (r *TLSResult) AppendJSON(b []byte) ([]byte, error) {
	shown := r.Handshake.Certificates
	around := *r
	if shown != nil {
		around.Handshake.Certificates = &CertificatesLog{}
	}
	frame, err := json.Marshal(&around)
	if err != nil || shown == nil {
		return append(b, frame...), err
	}
	at := bytes.Index(frame, []byte(chainGap))
	b = append(b, frame[:at]...)
	b = append(b, `"server_certificates":{"certificate":`...)
	if b, err = shown.Certificate.Append(b); err != nil {
		return b, err
	}
	if b, err = appendChain(b, shown.Chain); err != nil {
		return b, err
	}
	if shown.Validation != nil {
		v, err := json.Marshal(shown.Validation)
		if err != nil {
			return b, err
		}
		b = append(append(b, `,"validation":`...), v...)
	}
	b = append(b, '}')
	return append(b, frame[at+len(chainGap):]...), nil
}

// appendChain appends the certificates above the leaf.
func appendChain(b []byte, chain []cert.Inline) (_ []byte, err error) {
	before := `,"chain":[`
	for i := range chain {
		b = append(b, before...)
		if b, err = chain[i].Append(b); err != nil {
			return b, err
		}
		before = ","
	}
	if len(chain) > 0 {
		b = append(b, ']')
	}
	return b, nil
}

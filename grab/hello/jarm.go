package hello

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/hdm/jarm-go"

	"github.com/zmap-go/zmap/grab"
)

// A JARMProbe is one of the ten hellos of the fingerprint of that name (Salesforce, 2020). Each takes a connection of its own.
type JARMProbe struct{ details jarm.JarmProbeOptions }

// JARMConnections is how many connections the fingerprint takes.
const JARMConnections = 10

// JARMProbes returns the ten, in order. The name is for server_name; "" or an address leave it out, so that the fingerprint of
// an address can differ from what the first program of that kind finds, which sends the address as a name.
func JARMProbes(name string) []JARMProbe {
	var all []JARMProbe
	for _, d := range jarm.GetProbes(SNI(name), 0) {
		all = append(all, JARMProbe{d})
	}
	return all
}

// Hello returns the bytes to send. They are random where TLS wants it.
func (p JARMProbe) Hello() []byte {
	b := jarm.BuildProbe(p.details)
	if p.details.Hostname != "" {
		return b
	}
	return dropExtension(b, extServerName)
}

// maxJARM is how much of an answer the fingerprint is made of.
const maxJARM = 1484

// ReadAnswer reads what a server answers from r, as far as the fingerprint needs it, and returns what it makes of it.
func (p JARMProbe) ReadAnswer(r io.Reader) (string, error) {
	b := make([]byte, maxJARM)
	if _, err := io.ReadFull(r, b[:5]); err != nil {
		return jarmNothing, fmt.Errorf("read answer: %w", err)
	}
	n := min(5+int(be16(b[3:])), maxJARM)
	if _, err := io.ReadFull(r, b[5:n]); err != nil {
		return jarmNothing, fmt.Errorf("read answer: %w", err)
	}
	if b[0] != RecordHandshake && b[0] != RecordAlert {
		return jarmNothing, fmt.Errorf("answer begins with % x: %w", b[:5], grab.ErrProtocol)
	}
	raw, err := jarm.ParseServerHello(b[:n], p.details)
	if err != nil {
		return jarmNothing, fmt.Errorf("read answer: %w: %w", grab.ErrProtocol, err)
	}
	return raw, nil
}

// jarmNothing is what no answer, or a refusal, is to the fingerprint.
const jarmNothing = "|||"

// JARM returns the fingerprint, 62 hexadecimal digits, of the ten answers in order. Answers that never came are "".
func JARM(answers []string) string {
	raw := make([]string, len(answers))
	for i, a := range answers {
		if raw[i] = a; a == "" {
			raw[i] = jarmNothing
		}
	}
	return jarm.RawHashToFuzzyHash(strings.Join(raw, ","))
}

// dropExtension removes one extension from a record that holds a ClientHello of ours.
func dropExtension(b []byte, id uint16) []byte {
	in := input{b: b[9:]} // record and message headers
	in.take(2 + 32)
	in.take(int(in.u8()))
	in.take(int(in.u16()))
	in.take(int(in.u8()))
	at := len(b) - len(in.b) // of the length of all extensions
	in.u16()
	for len(in.b) > 0 {
		start := len(b) - len(in.b)
		got := in.u16()
		in.take(int(in.u16()))
		if in.short {
			return b
		}
		if got != id {
			continue
		}
		end := len(b) - len(in.b)
		n := end - start
		b = append(b[:start], b[end:]...)
		binary.BigEndian.PutUint16(b[3:], be16(b[3:])-uint16(n))
		binary.BigEndian.PutUint16(b[7:], be16(b[7:])-uint16(n)) // the third byte of that length is always 0
		binary.BigEndian.PutUint16(b[at:], be16(b[at:])-uint16(n))
		return b
	}
	return b
}

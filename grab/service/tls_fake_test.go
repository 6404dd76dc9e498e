package service

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"slices"

	"github.com/zmap-go/zmap/grab/hello"
)

// The fakes below speak just enough TLS to be what no library is any more.

func fakeRecord(kind byte, body ...byte) []byte {
	return append([]byte{kind, 3, 3, byte(len(body) >> 8), byte(len(body))}, body...)
}

func fakeMessage(kind byte, body ...byte) []byte {
	return append([]byte{kind, byte(len(body) >> 16), byte(len(body) >> 8), byte(len(body))}, body...)
}

// fakeHello is a ServerHello message, with raw extensions.
func fakeHello(version, suite uint16, extensions ...byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, version)
	b = append(append(b, bytes.Repeat([]byte{7}, 32)...), 0)
	b = append(binary.BigEndian.AppendUint16(b, suite), 0)
	if len(extensions) > 0 {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(extensions))), extensions...)
	}
	return fakeMessage(hello.TypeServerHello, b...)
}

func fakeCertificates(ders ...[]byte) []byte {
	var list []byte
	for _, d := range ders {
		list = append(append(list, byte(len(d)>>16), byte(len(d)>>8), byte(len(d))), d...)
	}
	return fakeMessage(hello.TypeCertificate, append([]byte{byte(len(list) >> 16), byte(len(list) >> 8), byte(len(list))}, list...)...)
}

// fakeFlight puts messages into one record, or as many of n bytes as it takes.
func fakeFlight(n int, messages ...[]byte) []byte {
	var out []byte
	for piece := range slices.Chunk(slices.Concat(messages...), n) {
		out = append(out, fakeRecord(hello.RecordHandshake, piece...)...)
	}
	return out
}

var fakeDone = fakeMessage(hello.TypeServerHelloDone)

// readFakeHello reads one record, which is the client's hello, and returns its version and suites.
func readFakeHello(c net.Conn) (version uint16, suites []uint16, err error) {
	rec, err := hello.NewReader(c).ReadRecord()
	if err != nil {
		return 0, nil, err
	}
	b := rec.Body[4:]
	version = binary.BigEndian.Uint16(b)
	b = b[34:]
	b = b[1+int(b[0]):]
	for i := range int(binary.BigEndian.Uint16(b)) / 2 {
		suites = append(suites, binary.BigEndian.Uint16(b[2+2*i:]))
	}
	return version, suites, nil
}

// answering is a server that answers every hello with the same bytes, and then waits for the client to go.
func answering(answer []byte) func(net.Conn) {
	return func(c net.Conn) {
		if _, _, err := readFakeHello(c); err == nil {
			_, _ = c.Write(answer)
			_, _ = io.Copy(io.Discard, c)
		}
	}
}

package engine

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/zmap-go/zmap/packet"
)

// badPayloads are payloads with which a hostile server answers the datagram p of a module.
func badPayloads(module string, p *packet.Parsed) map[string][]byte {
	all := map[string][]byte{
		"nothing":              nil,
		"one byte":             {0x81},
		"a datagram of 1472":   bytes.Repeat([]byte{0xc0}, 1472),
		"a datagram of 65507":  bytes.Repeat([]byte{0xc0}, 65507),
		"the probe and more":   slices.Concat(p.Payload, bytes.Repeat([]byte{0xff}, 1400)),
		"the probe, cut":       p.Payload[:len(p.Payload)/2],
		"line ends":            bytes.Repeat([]byte("\r\n"), 700),
		"colons":               append([]byte("HTTP/1.1 200 OK\r\n"), bytes.Repeat([]byte(":\r\n"), 400)...),
		"a header of 1400":     append([]byte("HTTP/1.1 200 OK\r\nServer:"), bytes.Repeat([]byte{0xff}, 1400)...),
		"a header, many times": append([]byte("HTTP/1.1 200 OK\r\n"), bytes.Repeat([]byte("usn:\x00\"\r\n"), 150)...),
	}
	for n := range 49 {
		all["NTP of "+string(rune('0'+n))] = bytes.Repeat([]byte{0x24}, n)
		all["BACnet of "+string(rune('0'+n))] = append([]byte{0x81, 0x0a, 0xff, 0xff}, make([]byte, n)...)
	}
	if module == "dns" {
		for name, records := range badRecords(p.Payload) {
			all[name] = records
		}
	}
	return all
}

// badRecords are DNS messages that repeat the question of a query, and then go wrong.
func badRecords(query []byte) map[string][]byte {
	const header = 12
	message := func(answers, authorities, additionals int, rest ...[]byte) []byte {
		b := bytes.Clone(query)
		b[2], b[3] = 0x84, 0
		for i, n := range []int{1, answers, authorities, additionals} {
			binary.BigEndian.PutUint16(b[4+2*i:], uint16(n))
		}
		return append(b, slices.Concat(rest...)...)
	}
	resource := func(name []byte, kind uint16, data ...byte) []byte {
		b := binary.BigEndian.AppendUint16(slices.Clone(name), kind)
		b = append(b, 0, 1, 0, 0, 0, 60)
		b = binary.BigEndian.AppendUint16(b, uint16(len(data)))
		return append(b, data...)
	}
	pointer := func(to int) []byte { return []byte{0xc0 | byte(to>>8), byte(to)} }
	behind := len(query) // where the first record begins
	address := resource(pointer(header), 1, 192, 0, 2, 1)
	chain := []byte{0}
	for i := range 300 { // pointers to pointers to the root
		chain = append(chain, pointer(behind+max(0, 1+2*(i-1)))...)
	}
	deep := bytes.Repeat([]byte{1, 'x'}, 127)
	return map[string][]byte{
		"200 answers":                     message(200, 0, 0, bytes.Repeat(address, 200)),
		"200 records in each section":     message(200, 200, 200, bytes.Repeat(address, 600)),
		"200 records in what can be sent": message(200, 0, 0, bytes.Repeat(resource([]byte{0}, 16), 80)),
		"65535 records and none there":    message(65535, 65535, 65535),
		"65535 questions":                 append(append(bytes.Clone(query[:4]), 0xff, 0xff, 0, 0, 0, 0, 0, 0), query[header:]...),
		"a pointer to itself":             message(1, 0, 0, resource(pointer(behind), 1, 1, 2, 3, 4)),
		"two pointers at each other":      message(2, 0, 0, pointer(behind+2), pointer(behind), resource(nil, 1, 1, 2, 3, 4)),
		"a pointer ahead":                 message(1, 0, 0, resource(pointer(behind+200), 1, 1, 2, 3, 4)),
		"a pointer into the header":       message(1, 0, 0, resource(pointer(0), 5, pointer(3)...)),
		"a pointer beyond 10 bits":        message(1, 0, 0, resource(pointer(0x3fff), 1, 1, 2, 3, 4)),
		"300 pointers in a row":           message(1, 0, 0, chain, resource(pointer(behind+len(chain)-2), 5, pointer(behind+len(chain)-2)...)),
		"a name without end":              message(1, 0, 0, bytes.Repeat([]byte{63}, 600)),
		"a label and then itself":         message(1, 0, 0, resource(append([]byte{1, 'a'}, pointer(behind)...), 2, pointer(behind)...)),
		"127 labels, 40 times":            message(40, 0, 0, deep, []byte{0}, bytes.Repeat(resource(pointer(behind), 15, append([]byte{0, 1}, pointer(behind)...)...), 40)),
		"labels of a reserved kind":       message(1, 0, 0, resource([]byte{0x80, 1, 0x40, 2, 0}, 1, 1, 2, 3, 4)),
		"data longer than the message":    message(1, 0, 0, append(resource(pointer(header), 16)[:10], 0xff, 0xff, 1, 2, 3)),
		"texts that overrun":              message(1, 0, 0, resource(pointer(header), 16, 200, 'a', 'b')),
		"1,300 texts of nothing":          message(1, 0, 0, resource(pointer(header), 16, make([]byte, 1300)...)),
		"an address of 3 bytes":           message(2, 0, 0, resource(pointer(header), 1, 1, 2, 3), resource(pointer(header), 28, 1, 2, 3)),
		"no UTF-8 in names":               message(1, 0, 0, resource([]byte{4, 0xff, 0xfe, '"', '\n', 0}, 12, 3, 0, 0x1b, '[', 0)),
	}
}

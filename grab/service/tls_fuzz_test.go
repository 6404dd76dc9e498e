package service

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/zmap-go/zmap/cert"
)

// FuzzFlight reads anything as what a server says before it encrypts, and writes it down.
// FuzzArgs reads anything as an option: what is taken for versions can be offered.
func FuzzArgs(f *testing.F) {
	f.Add("versions", "1.0-1.3")
	f.Add("alpn", "h2+http/1.1")
	f.Fuzz(func(t *testing.T, key, value string) {
		m := &tlsModule{mode: modeFull}
		if m.parseArg(key, value) == nil && key == "versions" && (m.min < 0x301 || m.max > 0x304 || m.min > m.max) {
			t.Fatalf("%s: %x to %x", value, m.min, m.max)
		}
	})
}

func FuzzFlight(f *testing.F) {
	f.Add([]byte{21, 3, 3, 0, 2, 2, 70})
	f.Add([]byte{22, 3, 1, 0, 4, 14, 0, 0, 0})
	store := cert.NewStore(1 << 20)
	f.Fuzz(func(t *testing.T, b []byte) {
		seen := parseFlight(b)
		var r TLSResult
		o := tlsOptions{ja3s: true, store: store}
		r.take(&seen, o)
		r.certificates(seen.chain, "", o)
		if _, err := json.Marshal(&r); err != nil {
			t.Fatal(err)
		}
		r.Names()
		c := tap{on: true}
		c.Conn = readConn{Reader: bytes.NewReader(b)}
		if n, _ := c.Read(make([]byte, len(b))); !bytes.Equal(c.bytes, b[:min(n, maxTapped)]) {
			t.Fatal("the copy is not what was read")
		}
	})
}

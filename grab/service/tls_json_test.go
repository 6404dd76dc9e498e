package service

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zmap-go/zmap/cert"
	"github.com/zmap-go/zmap/grab"
)

// TestAppendJSON writes what encoding/json writes, byte by byte, whatever was shown and whatever a server calls itself.
func TestAppendJSON(t *testing.T) {
	is := newIssuer(t)
	var chain [][]byte
	chain = append(chain, is.leaf(t, ecdsaKey(t), nil).Certificate...)
	chain = append(chain, is.leaf(t, rsaKey(t), nil).Certificate[0], []byte("no <certificate>"))
	for name, make := range map[string]func(r *TLSResult){
		"nothing": func(*TLSResult) {},
		"leaf":    func(r *TLSResult) { r.certificates(chain[:1], "", tlsOptions{}) },
		"chain": func(r *TLSResult) {
			r.certificates(chain, "www.example.org", tlsOptions{store: cert.NewStore(1 << 20)})
		},
		"unparsed": func(r *TLSResult) { r.certificates(chain[len(chain)-1:], "", tlsOptions{}) },
		"brief":    func(r *TLSResult) { r.certificates(chain, "", tlsOptions{brief: true}) },
		"judged": func(r *TLSResult) {
			v, err := cert.SystemVerifier()
			if err != nil {
				t.Fatal(err)
			}
			r.certificates(chain, "a<b>.example", tlsOptions{verifier: v})
		},
		"hostile": func(r *TLSResult) {
			r.Handshake.ServerHello = &ServerHelloLog{ALPN: chainGap + `\` + chainGap, Random: []byte(chainGap)}
			r.Handshake.Alert = &AlertLog{Name: `"result":0`}
			r.certificates(chain, "", tlsOptions{})
		},
	} {
		r := &TLSResult{Mode: modeFull, JA3S: "x"}
		make(r)
		want, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		got, err := r.AppendJSON([]byte("before"))
		if d := cmp.Diff("before"+string(want), string(got)); d != "" || err != nil {
			t.Errorf("%s: %v\n%s", name, err, d)
		}
		g := grab.Grab{Status: grab.Success, Protocol: "tls", Port: 443, Result: r, Error: `"result":0`, SNI: `"result":0`}
		if want, err = json.Marshal(map[string]*grab.Grab{"tls": &g}); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), string(g.Document("tls"))); d != "" {
			t.Errorf("%s, as a document: %s", name, d)
		}
	}
}

// BenchmarkDocument is one row of a certificate that was seen before.
func BenchmarkDocument(b *testing.B) {
	r := &TLSResult{Mode: modeCerts}
	r.certificates(newIssuer(b).leaf(b, ecdsaKey(b), nil).Certificate, "", tlsOptions{store: cert.NewStore(1 << 20)})
	g := grab.Grab{Status: grab.Success, Protocol: "tls", Port: 443, Result: r}
	b.Run("document", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			g.Document("tls")
		}
	})
	b.Run("encoding json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := json.Marshal(map[string]*grab.Grab{"tls": &g}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

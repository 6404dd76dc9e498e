// Package grabrow has the fields that rows have about a grab, of scans as of lists of targets: the document, the names that rules
// give to the service, and the certificates in a form that databases store once.
package grabrow

import (
	"encoding/json"
	"time"

	"github.com/zmap-go/zmap/cert"
	"github.com/zmap-go/zmap/fingerprint"
	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/record"
)

// Positions in [Fields].
const (
	data = iota
	fingerprints
	certificates
	width
)

// Fields returns the fields, in order.
func Fields() []record.Field {
	return []record.Field{
		{Name: "data", Type: record.JSON, Doc: "what the grab of the service learned, under the name of its module"},
		{Name: "fingerprints", Type: record.JSON, Doc: "what the rules about fingerprints call the service, the surest first"},
		{
			Name: "certificates", Type: record.Repeated, Elem: record.NewSchema(members()), Key: key,
			Doc: "certificates that the service showed, its own first, which databases store once",
		},
	}
}

// key is what a certificate is known by.
const key = "sha256"

// members are those of a certificate. What stands before the key is of the grab, and known of the server's own alone.
func members() []record.Field {
	return []record.Field{
		{Name: "trusted", Type: record.Bool, Doc: "a chain leads to a root that was trusted then, and all in it was valid"},
		{Name: "name_match", Type: record.Bool, Doc: "it is for the name that was asked for"},
		{Name: "reason", Type: record.String, Doc: "why it is not trusted, or not for that name"},
		{Name: key, Type: record.Binary, Doc: "of the DER"},
		{Name: "subject", Type: record.String, Doc: "distinguished name"},
		{Name: "names", Type: record.JSON, Doc: "DNS names and addresses that it is for"},
		{Name: "issuer", Type: record.String, Doc: "distinguished name"},
		{Name: "serial", Type: record.String, Doc: "decimal"},
		{Name: "not_before", Type: record.Time, Doc: "it is valid from then"},
		{Name: "not_after", Type: record.Time, Doc: "to then"},
		{Name: "key_type", Type: record.String, Doc: "RSA, ECDSA, ..."},
		{Name: "key_bits", Type: record.Int, Doc: "of the modulus or of the curve"},
		{Name: "signature", Type: record.String, Doc: "algorithm"},
		{Name: "self_signed", Type: record.Bool, Doc: "its own key has signed it"},
		{Name: "ca", Type: record.Bool, Doc: "it may issue others"},
		{Name: "spki_sha256", Type: record.Binary, Doc: "what its key is known by"},
		{Name: "error", Type: record.String, Doc: "why it could not be parsed"},
		{Name: "der", Type: record.Binary, Doc: "the certificate as it came"},
	}
}

// Of returns the values of [Fields] for a grab by a module. Without rules, or with none that hold, there are no fingerprints; lists
// says whether anybody wants the certificates. The values refer to nothing that changes.
func Of(g *grab.Grab, module string, rules *fingerprint.Set, lists bool) []record.Value {
	row := make([]record.Value, width)
	doc := g.Document(module)
	row[data] = record.Bytes(doc)
	if said := rules.Identify(doc); said != nil {
		row[fingerprints] = record.Bytes(said)
	}
	if s, ok := g.Result.(cert.Shower); ok && lists {
		if chain := s.Shown(); chain != nil {
			row[certificates] = record.List(objects(chain))
		}
	}
	return row
}

// objects returns the certificates of a chain as objects of [members].
func objects(chain *cert.Chain) []record.Object {
	all := make([]record.Object, len(chain.Certificates))
	for i, c := range chain.Certificates {
		o := make(record.Object, 0, 18)
		if v := chain.Validation; v != nil && i == 0 {
			o = append(o, record.Member{Name: "trusted", Value: record.Boolean(v.BrowserTrusted)})
			if chain.Name != "" {
				o = append(o, record.Member{Name: "name_match", Value: record.Boolean(v.MatchesDomain)})
			}
			o = append(o, text("reason", v.Reason))
		}
		all[i] = describe(o, c)
	}
	return all
}

// describe adds what the certificate says.
func describe(o record.Object, c *cert.Certificate) record.Object {
	o = append(o, record.Member{Name: key, Value: record.Bytes(c.SHA256[:])})
	if c.Err != nil {
		return append(o, text("error", c.Err.Error()), record.Member{Name: "der", Value: record.Bytes(c.DER)})
	}
	names, _ := json.Marshal(c.Names) // of strings
	return append(o,
		text("subject", c.Subject),
		record.Member{Name: "names", Value: record.Bytes(names)},
		text("issuer", c.Issuer),
		text("serial", c.Serial),
		moment("not_before", c.NotBefore),
		moment("not_after", c.NotAfter),
		text("key_type", c.KeyType),
		record.Member{Name: "key_bits", Value: record.Uint(uint64(c.KeyBits))},
		text("signature", c.Signature),
		record.Member{Name: "self_signed", Value: record.Boolean(c.SelfSigned)},
		record.Member{Name: "ca", Value: record.Boolean(c.CA)},
		record.Member{Name: "spki_sha256", Value: record.Bytes(c.SPKI[:])},
		record.Member{Name: "der", Value: record.Bytes(c.DER)},
	)
}

// text returns a member, null without a text.
func text(name, s string) record.Member {
	m := record.Member{Name: name}
	if s != "" {
		m.Value = record.Text(s)
	}
	return m
}

// moment returns a member, null for times that no number of nanoseconds since 1970 says: servers choose them.
func moment(name string, t time.Time) record.Member {
	m := record.Member{Name: name}
	if n := t.UnixNano(); time.Unix(0, n).Equal(t) {
		m.Value = record.Moment(n)
	}
	return m
}

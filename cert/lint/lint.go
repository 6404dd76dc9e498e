// Package lint counts what is wrong with certificates, going by zlint, which knows what RFC 5280, the CA/Browser Forum's requirements and
// others ask of them. It is for sums over many distinct certificates, not for the judgement of one issuer.
package lint

// A Finding is a rule that certificates break.
type Finding struct {
	Level        string `json:"level"`       // "fatal", "error", "warn" or "info"
	Rule         string `json:"rule"`        // zlint's name for it, such as e_dnsname_not_valid_tld
	Says         string `json:"description"` // what the rule asks for, or finds
	Source       string `json:"source"`      // who made it, such as RFC5280
	Certificates uint64 `json:"certificates"`
}

// A Report is what a linter found.
type Report struct {
	Linted   uint64    `json:"linted"`   // certificates
	Failed   uint64    `json:"failed"`   // of those that were given: zcrypto cannot read them, or a rule panicked at them
	Clean    uint64    `json:"clean"`    // of those linted: there are no errors or worse
	Findings []Finding `json:"findings"` // the gravest first, then the most frequent
}

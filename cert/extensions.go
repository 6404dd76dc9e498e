package cert

import (
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"net"
	"net/url"
)

type basicConstraints struct {
	IsCA    bool `json:"is_ca"`
	PathLen *int `json:"max_path_len,omitempty"`
}

type altNames struct {
	DNS    []string `json:"dns_names,omitempty"`
	Emails []string `json:"email_addresses,omitempty"`
	IPs    []string `json:"ip_addresses,omitempty"`
	URIs   []string `json:"uniform_resource_identifiers,omitempty"`
}

type access struct {
	OCSP    []string `json:"ocsp_urls,omitempty"`
	Issuers []string `json:"issuer_urls,omitempty"`
}

type policy struct {
	ID string `json:"id,omitempty"`
}

type keyUsage struct {
	DigitalSignature  bool `json:"digital_signature,omitempty"`
	ContentCommitment bool `json:"content_commitment,omitempty"`
	KeyEncipherment   bool `json:"key_encipherment,omitempty"`
	DataEncipherment  bool `json:"data_encipherment,omitempty"`
	KeyAgreement      bool `json:"key_agreement,omitempty"`
	CertificateSign   bool `json:"certificate_sign,omitempty"`
	CRLSign           bool `json:"crl_sign,omitempty"`
	EncipherOnly      bool `json:"encipher_only,omitempty"`
	DecipherOnly      bool `json:"decipher_only,omitempty"`
	Value             int  `json:"value"`
}

type extendedKeyUsage struct {
	Any             bool     `json:"any,omitempty"`
	ServerAuth      bool     `json:"server_auth,omitempty"`
	ClientAuth      bool     `json:"client_auth,omitempty"`
	CodeSigning     bool     `json:"code_signing,omitempty"`
	EmailProtection bool     `json:"email_protection,omitempty"`
	TimeStamping    bool     `json:"time_stamping,omitempty"`
	OCSPSigning     bool     `json:"ocsp_signing,omitempty"`
	Unknown         []string `json:"unknown,omitempty"`
}

type extensions struct {
	KeyUsage         *keyUsage         `json:"key_usage,omitempty"`
	BasicConstraints *basicConstraints `json:"basic_constraints,omitempty"`
	SubjectAltName   *altNames         `json:"subject_alt_name,omitempty"`
	CRLs             []string          `json:"crl_distribution_points,omitempty"`
	AuthorityKeyID   string            `json:"authority_key_id,omitempty"`
	SubjectKeyID     string            `json:"subject_key_id,omitempty"`
	ExtendedKeyUsage *extendedKeyUsage `json:"extended_key_usage,omitempty"`
	Policies         []policy          `json:"certificate_policies,omitempty"`
	Access           *access           `json:"authority_info_access,omitempty"`
	Poison           bool              `json:"ct_poison,omitempty"`
}

type extension struct {
	ID       string `json:"id,omitempty"`
	Critical bool   `json:"critical"`
	Value    []byte `json:"value,omitempty"`
}

// The extensions that are told as such (RFC 5280 section 4.2, RFC 6962 section 3.1). The list of SCTs is told as a value.
var told = map[string]bool{
	"2.5.29.14": true, "2.5.29.15": true, "2.5.29.17": true, "2.5.29.19": true, "2.5.29.31": true, "2.5.29.32": true,
	"2.5.29.35": true, "2.5.29.37": true, "1.3.6.1.5.5.7.1.1": true, poison: true,
}

const poison = "1.3.6.1.4.1.11129.2.4.3"

func known(x *x509.Certificate) extensions {
	e := extensions{
		CRLs:           x.CRLDistributionPoints,
		AuthorityKeyID: hex.EncodeToString(x.AuthorityKeyId),
		SubjectKeyID:   hex.EncodeToString(x.SubjectKeyId),
	}
	if x.KeyUsage != 0 {
		e.KeyUsage = usage(x.KeyUsage)
	}
	if x.BasicConstraintsValid {
		e.BasicConstraints = &basicConstraints{IsCA: x.IsCA}
		if x.MaxPathLen > 0 || x.MaxPathLenZero {
			e.BasicConstraints.PathLen = &x.MaxPathLen
		}
	}
	if n := alternatives(x); len(n.DNS)+len(n.Emails)+len(n.IPs)+len(n.URIs) > 0 {
		e.SubjectAltName = &n
	}
	if len(x.ExtKeyUsage)+len(x.UnknownExtKeyUsage) > 0 {
		e.ExtendedKeyUsage = extended(x.ExtKeyUsage, x.UnknownExtKeyUsage)
	}
	for _, id := range x.PolicyIdentifiers {
		e.Policies = append(e.Policies, policy{id.String()})
	}
	if len(x.OCSPServer)+len(x.IssuingCertificateURL) > 0 {
		e.Access = &access{x.OCSPServer, x.IssuingCertificateURL}
	}
	for _, ext := range x.Extensions {
		e.Poison = e.Poison || ext.Id.String() == poison
	}
	return e
}

func alternatives(x *x509.Certificate) altNames {
	return altNames{
		DNS:    x.DNSNames[:min(len(x.DNSNames), MaxNames)],
		Emails: x.EmailAddresses[:min(len(x.EmailAddresses), MaxNames)],
		IPs:    texts(x.IPAddresses, net.IP.String),
		URIs:   texts(x.URIs, (*url.URL).String),
	}
}

func usage(u x509.KeyUsage) *keyUsage {
	has := func(bit x509.KeyUsage) bool { return u&bit != 0 }
	return &keyUsage{
		has(x509.KeyUsageDigitalSignature), has(x509.KeyUsageContentCommitment), has(x509.KeyUsageKeyEncipherment),
		has(x509.KeyUsageDataEncipherment), has(x509.KeyUsageKeyAgreement), has(x509.KeyUsageCertSign), has(x509.KeyUsageCRLSign),
		has(x509.KeyUsageEncipherOnly), has(x509.KeyUsageDecipherOnly), int(u),
	}
}

func extended(uses []x509.ExtKeyUsage, others []asn1.ObjectIdentifier) *extendedKeyUsage {
	var e extendedKeyUsage
	for _, u := range uses {
		switch u {
		case x509.ExtKeyUsageAny:
			e.Any = true
		case x509.ExtKeyUsageServerAuth:
			e.ServerAuth = true
		case x509.ExtKeyUsageClientAuth:
			e.ClientAuth = true
		case x509.ExtKeyUsageCodeSigning:
			e.CodeSigning = true
		case x509.ExtKeyUsageEmailProtection:
			e.EmailProtection = true
		case x509.ExtKeyUsageTimeStamping:
			e.TimeStamping = true
		case x509.ExtKeyUsageOCSPSigning:
			e.OCSPSigning = true
		default: // IPsec's and old ones of firms, which nobody asks a web server's certificate for
		}
	}
	for _, id := range others {
		e.Unknown = append(e.Unknown, id.String())
	}
	return &e
}

func unknownExtensions(x *x509.Certificate) []extension {
	var all []extension
	for _, e := range x.Extensions {
		if id := e.Id.String(); !told[id] {
			all = append(all, extension{id, e.Critical, e.Value})
		}
	}
	return all
}

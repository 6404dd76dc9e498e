package cert

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"strings"
)

// attributes are the short words for parts of distinguished names (RFC 4514 section 3 and, for the others, OpenSSL's).
var attributes = map[string]string{
	"2.5.4.3": "CN", "2.5.4.4": "SN", "2.5.4.5": "serialNumber", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.9": "street",
	"2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.12": "title", "2.5.4.13": "description", "2.5.4.15": "businessCategory",
	"2.5.4.17": "postalCode", "2.5.4.20": "telephoneNumber", "2.5.4.41": "name", "2.5.4.42": "GN", "2.5.4.46": "dnQualifier",
	"2.5.4.97": "organizationIdentifier", "1.2.840.113549.1.9.1": "emailAddress", "1.2.840.113549.1.9.2": "unstructuredName",
	"0.9.2342.19200300.100.1.1": "UID", "0.9.2342.19200300.100.1.25": "DC", "1.3.6.1.4.1.311.60.2.1.1": "jurisdictionL",
	"1.3.6.1.4.1.311.60.2.1.2": "jurisdictionST", "1.3.6.1.4.1.311.60.2.1.3": "jurisdictionC",
}

// A Name is a distinguished name by its parts, in zgrab2's words. Each may be there several times.
type Name struct {
	CommonName           []string `json:"common_name,omitempty"`           // CommonName is often a host
	SerialNumber         []string `json:"serial_number,omitempty"`         // SerialNumber is the subject's, such as that in a register of firms
	Country              []string `json:"country,omitempty"`               // Country is two letters
	Locality             []string `json:"locality,omitempty"`              // Locality is a town
	Province             []string `json:"province,omitempty"`              // Province is a state or the like
	StreetAddress        []string `json:"street_address,omitempty"`        // StreetAddress is a street with its number
	Organization         []string `json:"organization,omitempty"`          // Organization is a firm or the like
	OrganizationalUnit   []string `json:"organizational_unit,omitempty"`   // OrganizationalUnit is a part of it
	PostalCode           []string `json:"postal_code,omitempty"`           // PostalCode is that of the street address
	DomainComponent      []string `json:"domain_component,omitempty"`      // DomainComponent is a label of a domain
	EmailAddress         []string `json:"email_address,omitempty"`         // EmailAddress is whom to write to
	GivenName            []string `json:"given_name,omitempty"`            // GivenName is a person's
	Surname              []string `json:"surname,omitempty"`               // Surname is a person's
	JurisdictionCountry  []string `json:"jurisdiction_country,omitempty"`  // JurisdictionCountry is where the firm is registered
	JurisdictionLocality []string `json:"jurisdiction_locality,omitempty"` // JurisdictionLocality likewise
	JurisdictionProvince []string `json:"jurisdiction_province,omitempty"` // JurisdictionProvince likewise
	OrganizationID       []string `json:"organization_id,omitempty"`       // OrganizationID is a number in a register (ETSI EN 319 412-1)
}

// field returns where parts of a kind go, nil for kinds without a place.
func (n *Name) field(short string) *[]string {
	switch short {
	case "CN":
		return &n.CommonName
	case "serialNumber":
		return &n.SerialNumber
	case "C":
		return &n.Country
	case "L":
		return &n.Locality
	case "ST":
		return &n.Province
	case "street":
		return &n.StreetAddress
	case "O":
		return &n.Organization
	case "OU":
		return &n.OrganizationalUnit
	case "postalCode":
		return &n.PostalCode
	case "DC":
		return &n.DomainComponent
	case "emailAddress":
		return &n.EmailAddress
	case "GN":
		return &n.GivenName
	case "SN":
		return &n.Surname
	case "jurisdictionC":
		return &n.JurisdictionCountry
	case "jurisdictionL":
		return &n.JurisdictionLocality
	case "jurisdictionST":
		return &n.JurisdictionProvince
	case "organizationIdentifier":
		return &n.OrganizationID
	}
	return nil
}

// short returns the word for a kind of part, "" if it has none.
func short(oid asn1.ObjectIdentifier) string {
	if len(oid) == 4 && oid[0] == 2 && oid[1] == 5 && oid[2] == 4 { // nearly all: without making text of it
		switch oid[3] {
		case 3:
			return "CN"
		case 6:
			return "C"
		case 10:
			return "O"
		}
	}
	return attributes[oid.String()]
}

// name returns the parts of a name.
func name(parts []pkix.AttributeTypeAndValue) Name {
	var n Name
	for _, a := range parts {
		value, text := a.Value.(string)
		if f := n.field(short(a.Type)); text && f != nil {
			*f = append(*f, value)
		}
	}
	return n
}

// dn writes a name in its own order, as zgrab2 does, not backwards as RFC 4514 wants it; characters are escaped as there.
func dn(parts []pkix.AttributeTypeAndValue) string {
	var b strings.Builder
	for i, a := range parts {
		if i > 0 {
			b.WriteString(", ")
		}
		writeAttribute(&b, a)
	}
	return b.String()
}

func writeAttribute(b *strings.Builder, a pkix.AttributeTypeAndValue) {
	word := short(a.Type)
	text, isText := a.Value.(string)
	if word == "" {
		word = a.Type.String()
		if der, err := asn1.Marshal(a.Value); err == nil {
			b.WriteString(word + "=#" + hex.EncodeToString(der))
			return
		}
	}
	b.WriteString(word + "=")
	if !isText {
		text = fmt.Sprint(a.Value)
	}
	for i, r := range text {
		switch {
		case strings.ContainsRune(`,+"\<>;`, r), r == ' ' && (i == 0 || i == len(text)-1), r == '#' && i == 0:
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
}

package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"

	"github.com/zmap-go/zmap/grab"
)

// ldapModule is the module ldap. It reads the root DSE, in which a server tells everybody what it is (RFC 4512 section 5.1), by the
// names of the attributes that are meant for that, without a bind; turns to TLS if the server can; and says goodbye. It searches
// nothing below.
type ldapModule struct{ turn }

// newLDAP returns the module ldap.
func newLDAP(args map[string]string) (grab.Module, error) {
	t, err := newTurn(args, nil, turnOffered, turnFirst, turnNever)
	return &ldapModule{t}, err
}

// An LDAPResult is a root DSE, with the keys of zgrab2's module ldap: lists of all values of an attribute, or its first value.
type LDAPResult struct {
	SupportedLDAPVersion          []string            `json:"supported_ldap_version,omitempty"`          // 2, 3
	SupportedExtension            []string            `json:"supported_extension,omitempty"`             // object identifiers
	SupportedControl              []string            `json:"supported_control,omitempty"`               // object identifiers
	SupportedCapabilities         []string            `json:"supported_capabilities,omitempty"`          // object identifiers
	SupportedSASLMechanisms       []string            `json:"supported_sasl_mechanisms,omitempty"`       // how to log in
	SupportedLDAPPolicies         []string            `json:"supported_ldap_policies,omitempty"`         // Active Directory
	NamingContexts                []string            `json:"naming_contexts,omitempty"`                 // what trees there are
	SubschemaSubentry             string              `json:"subschema_subentry,omitempty"`              // where the schema stands
	ServerName                    string              `json:"server_name,omitempty"`                     // Active Directory
	SchemaNamingContext           string              `json:"schema_naming_context,omitempty"`           // Active Directory
	RootDomainNamingContext       string              `json:"root_domain_naming_context,omitempty"`      // Active Directory
	LDAPServiceName               string              `json:"ldap_service_name,omitempty"`               // Active Directory
	IsSynchronized                string              `json:"is_synchronized,omitempty"`                 // Active Directory: TRUE, FALSE
	IsGlobalCatalogReady          string              `json:"is_global_catalog_ready,omitempty"`         // Active Directory: TRUE, FALSE
	HighestCommittedUSN           string              `json:"highest_committed_usn,omitempty"`           // Active Directory
	ForestFunctionality           string              `json:"forest_functionality,omitempty"`            // Active Directory: level
	DsServiceName                 string              `json:"ds_service_name,omitempty"`                 // Active Directory
	DomainFunctionality           string              `json:"domain_functionality,omitempty"`            // Active Directory: level
	DomainControllerFunctionality string              `json:"domain_controller_functionality,omitempty"` // Active Directory: level
	DNSHostName                   string              `json:"dns_host_name,omitempty"`                   // Active Directory
	DefaultNamingContext          string              `json:"default_naming_context,omitempty"`          // the tree of users
	CurrentTime                   string              `json:"current_time,omitempty"`                    // Active Directory
	ConfigurationNamingContext    string              `json:"configuration_naming_context,omitempty"`    // Active Directory, OpenLDAP
	OtherAttributes               map[string][]string `json:"other_attributes,omitempty"`                // vendorName, vendorVersion and others
	StartTLSResponse              *int32              `json:"starttls_response,omitempty"`               // result code; nil if TLS was not asked for
	turned
}

// Operations (RFC 4511 section 4).
const (
	ldapUnbind   = 0x42
	ldapSearch   = 0x63
	ldapEntry    = 0x64
	ldapDone     = 0x65
	ldapExtended = 0x77
	ldapResponse = 0x78
)

// ldapStartTLS is the extension StartTLS (RFC 4511 section 4.14).
const ldapStartTLS = "1.3.6.1.4.1.1466.20037"

// What one search may answer: a root DSE of Active Directory is 5 kB.
const (
	maxLDAP      = 64 << 10
	maxLDAPParts = 8
)

// Describe returns the module's constants.
func (*ldapModule) Describe() grab.Description {
	return grab.Description{Name: "ldap", Doc: "what directories tell of themselves, and certificates", Port: 389, Transport: grab.Handover}
}

// Grab reads the root DSE and turns to TLS.
func (m *ldapModule) Grab(ctx context.Context, s *grab.Session) (any, error) {
	defer interrupt(ctx, s.Conn)()
	t, conn, err := m.first(ctx, s, s.Conn)
	r := &LDAPResult{turned: turned{t}}
	if err != nil {
		return r, err
	}
	attrs, err := rootDSE(conn)
	r.take(attrs)
	if err != nil {
		if t == nil && attrs == nil {
			return nil, orDone(ctx, err)
		}
		return r, orDone(ctx, err)
	}
	if m.when == turnOffered && slices.Contains(r.SupportedExtension, ldapStartTLS) {
		conn, err = m.start(ctx, s, r)
	}
	if conn != nil {
		_, _ = conn.Write(ldapMessage(3, []byte{ldapUnbind, 0})) // the goodbye of the protocol
		if conn != s.Conn {
			_ = conn.Close()
		}
	}
	return r, orDone(ctx, err)
}

// start turns to TLS. A server that says no after all has answered; the connection is as it was.
func (m *ldapModule) start(ctx context.Context, s *grab.Session, r *LDAPResult) (net.Conn, error) {
	if _, err := s.Conn.Write(ldapMessage(2, ber(ldapExtended, ber(0x80, []byte(ldapStartTLS))))); err != nil {
		return nil, fmt.Errorf("ask for TLS: %w", err)
	}
	op, c, err := readLDAP(s.Conn)
	if err != nil {
		return nil, fmt.Errorf("answer about TLS: %w", err)
	}
	code := c.number(berEnumerated)
	if err := c.err("answer about TLS"); err != nil || op != ldapResponse {
		return nil, errors.Join(err, fmt.Errorf("answer about TLS is operation %#x: %w", op, grab.ErrProtocol))
	}
	r.StartTLSResponse = &code
	if code != 0 {
		return s.Conn, nil
	}
	var conn net.Conn
	r.TLS, conn, err = m.over(ctx, s, s.Conn)
	return conn, err
}

// ldapMessage is an LDAPMessage.
func ldapMessage(id byte, op []byte) []byte { return ber(berSequence, ber(berInteger, []byte{id}), op) }

// rootDSERequest asks for the attributes of the root DSE that are known here: base object, no aliases, one entry, three seconds.
func rootDSERequest() []byte {
	names := make([][]byte, 0, len(ldapAttributes))
	for _, n := range ldapAttributes {
		names = append(names, ber(berOctets, []byte(n)))
	}
	return ldapMessage(1, ber(ldapSearch,
		ber(berOctets), ber(berEnumerated, []byte{0}), ber(berEnumerated, []byte{0}), ber(berInteger, []byte{1}), ber(berInteger, []byte{3}),
		ber(berBoolean, []byte{0}), ber(0x87, []byte("objectClass")), ber(berSequence, names...)))
}

// rootDSE asks for the root DSE and returns its attributes.
func rootDSE(conn net.Conn) (map[string][]string, error) {
	if _, err := conn.Write(rootDSERequest()); err != nil {
		return nil, fmt.Errorf("ask for root DSE: %w", err)
	}
	var attrs map[string][]string
	for range maxLDAPParts {
		op, c, err := readLDAP(conn)
		if err != nil {
			return attrs, err
		}
		switch op {
		case ldapEntry:
			if attrs, err = decodeEntry(c); err != nil {
				return attrs, err
			}
		case ldapDone, ldapResponse: // or a notice of disconnection
			code := c.number(berEnumerated)
			if err := c.err("result"); err != nil {
				return attrs, err
			}
			if code != 0 {
				return attrs, fmt.Errorf("result code %d: %w", code, grab.ErrApplication)
			}
			return attrs, nil
		}
	}
	return attrs, fmt.Errorf("more than %d answers: %w", maxLDAPParts, grab.ErrProtocol)
}

// readLDAP reads one message, and returns its operation with what is in it.
func readLDAP(r io.Reader) (op byte, c *cursor, err error) {
	b, err := readBER(r, berSequence, maxLDAP)
	if err != nil {
		return 0, nil, err
	}
	m := &cursor{rest: b}
	m.number(berInteger) // of the message
	op, c = m.ber()
	return op, c, m.err("message")
}

// decodeEntry reads a SearchResultEntry: its name, and attributes with sets of values.
func decodeEntry(c *cursor) (map[string][]string, error) {
	c.ber()
	_, list := c.ber()
	attrs := make(map[string][]string)
	for len(list.rest) > 0 {
		_, attr := list.ber()
		_, name := attr.ber()
		_, set := attr.ber()
		for len(set.rest) > 0 {
			_, value := set.ber()
			if set.short {
				break
			}
			attrs[string(name.rest)] = append(attrs[string(name.rest)], string(value.rest))
		}
		if err := errors.Join(attr.err("attribute"), set.err("values")); err != nil {
			return attrs, err
		}
	}
	return attrs, errors.Join(c.err("entry"), list.err("attributes"))
}

// take notes attributes in their places.
func (r *LDAPResult) take(attrs map[string][]string) {
	lists, firsts := r.places()
	for name, values := range attrs {
		if p := lists[name]; p != nil {
			*p = values
		} else if p := firsts[name]; p != nil {
			*p = values[0]
		} else {
			if r.OtherAttributes == nil {
				r.OtherAttributes = make(map[string][]string)
			}
			r.OtherAttributes[name] = values
		}
	}
}

// places returns where attributes go: all values, or the first.
func (r *LDAPResult) places() (lists map[string]*[]string, firsts map[string]*string) {
	lists = map[string]*[]string{
		"supportedLDAPVersion": &r.SupportedLDAPVersion, "supportedExtension": &r.SupportedExtension, "supportedControl": &r.SupportedControl,
		"supportedCapabilities": &r.SupportedCapabilities, "supportedSASLMechanisms": &r.SupportedSASLMechanisms,
		"supportedLDAPPolicies": &r.SupportedLDAPPolicies, "namingContexts": &r.NamingContexts,
	}
	firsts = map[string]*string{
		"subschemaSubentry": &r.SubschemaSubentry, "serverName": &r.ServerName, "schemaNamingContext": &r.SchemaNamingContext,
		"rootDomainNamingContext": &r.RootDomainNamingContext, "ldapServiceName": &r.LDAPServiceName, "isSynchronized": &r.IsSynchronized,
		"isGlobalCatalogReady": &r.IsGlobalCatalogReady, "highestCommittedUSN": &r.HighestCommittedUSN,
		"forestFunctionality": &r.ForestFunctionality, "dsServiceName": &r.DsServiceName, "domainFunctionality": &r.DomainFunctionality,
		"domainControllerFunctionality": &r.DomainControllerFunctionality, "dnsHostName": &r.DNSHostName,
		"defaultNamingContext": &r.DefaultNamingContext, "currentTime": &r.CurrentTime,
		"configurationNamingContext": &r.ConfigurationNamingContext,
	}
	return lists, firsts
}

// ldapAttributes are what is asked for: the attributes of RFC 4512 section 5.1, of RFC 3045, and of Active Directory's root DSE
// (MS-ADTS section 3.1.1.3.2) as far as they say what the server is.
var ldapAttributes = []string{
	"supportedLDAPVersion", "supportedExtension", "supportedControl", "supportedCapabilities", "supportedSASLMechanisms",
	"supportedLDAPPolicies", "namingContexts", "subschemaSubentry", "serverName", "schemaNamingContext", "rootDomainNamingContext",
	"ldapServiceName", "isSynchronized", "isGlobalCatalogReady", "highestCommittedUSN", "forestFunctionality", "dsServiceName",
	"domainFunctionality", "domainControllerFunctionality", "dnsHostName", "defaultNamingContext", "currentTime",
	"configurationNamingContext", "vendorName", "vendorVersion", "supportedFeatures", "configContext", "objectClass",
}

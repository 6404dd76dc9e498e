package service

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"

	"github.com/zmap-go/zmap/grab"
)

// rdpModule is the module rdp. It asks which protection the server wants for a connection, and shakes hands for TLS if that is part
// of it. What follows there, NTLM or Kerberos, begins a login, and is left out.
type rdpModule struct{ turn }

// newRDP returns the module rdp.
func newRDP(args map[string]string) (grab.Module, error) {
	t, err := newTurn(args, nil, turnOffered, turnNever)
	return &rdpModule{t}, err
}

// An RDPResult is how a server of Microsoft's Remote Desktop Protocol begins, with the keys of zgrab2's module rdp.
type RDPResult struct {
	SelectedProtocol string               `json:"selected_protocol,omitempty"` // standard_rdp, ssl, hybrid (CredSSP), rdstls or hybrid_ex
	NegotiationFlags *RDPNegotiationFlags `json:"negotiation_flags,omitempty"` // nil of servers that do not negotiate
	FailureCode      string               `json:"failure_code,omitempty"`      // why nothing was selected
	turned
}

// RDPNegotiationFlags are what a server says of itself (MS-RDPBCGR section 2.2.1.2.1).
type RDPNegotiationFlags struct {
	ExtendedClientData bool `json:"extended_client_data_supported"`           // longer client data
	DynvcGfx           bool `json:"dynvc_gfx_protocol_supported"`             // graphics pipeline
	RestrictedAdmin    bool `json:"restricted_admin_mode_supported"`          // logins without handing over a password
	RedirectedAuth     bool `json:"redirected_authentication_mode_supported"` // Remote Credential Guard
}

// Protections (MS-RDPBCGR section 2.2.1.1.1): those that are offered.
const rdpOffers = 1 | 2 | 8 // TLS, CredSSP, CredSSP with early user authorization

// maxTPKT bounds an answer: a connection confirm is 19 bytes.
const maxTPKT = 1 << 10

// Describe returns the module's constants.
func (*rdpModule) Describe() grab.Description {
	return grab.Description{Name: "rdp", Doc: "protection and certificates of Remote Desktop", Port: 3389, Transport: grab.Handover}
}

// Grab negotiates and shakes hands.
func (m *rdpModule) Grab(ctx context.Context, s *grab.Session) (any, error) {
	defer interrupt(ctx, s.Conn)()
	if _, err := s.Conn.Write(rdpRequest()); err != nil {
		return nil, fmt.Errorf("send connection request: %w", orDone(ctx, err))
	}
	b, err := readTPKT(s.Conn)
	if err != nil {
		return nil, orDone(ctx, err)
	}
	r := new(RDPResult)
	wantsTLS, err := r.decode(b)
	if err != nil {
		return nil, err
	}
	if !wantsTLS || m.when == turnNever {
		return r, nil
	}
	var c net.Conn
	if r.TLS, c, err = m.over(ctx, s, s.Conn); err != nil {
		return r, err
	}
	_ = c.Close() // what was wanted is here
	return r, nil
}

// rdpRequest is an X.224 Connection Request with a negotiation request, in a TPKT packet (RFC 1006 section 6). It names no user, as
// clients may in a cookie.
func rdpRequest() []byte {
	return []byte{
		3, 0, 0, 19, // TPKT: version, length
		14, 0xe0, 0, 0, 0, 0, 0, // X.224: length, connection request, references, class 0
		1, 0, 8, 0, rdpOffers, 0, 0, 0, // negotiation request: type, flags, length, protections
	}
}

// readTPKT reads one packet of RFC 1006 and returns what is in it.
func readTPKT(r io.Reader) ([]byte, error) {
	b, err := readFramed(r, 4, maxTPKT, func(h []byte) int {
		if h[0] != 3 {
			return -1
		}
		return int(binary.BigEndian.Uint16(h[2:])) - 4
	})
	if err != nil {
		return nil, err
	}
	return b[4:], nil
}

// decode reads an X.224 Connection Confirm, and says whether TLS comes next.
func (r *RDPResult) decode(b []byte) (wantsTLS bool, err error) {
	c := &cursor{rest: b}
	if n, code := c.big(1), c.big(1)&0xf0; n < 6 || code != 0xd0 {
		return false, fmt.Errorf("answer of kind %#x, %d bytes: %w", code, n, grab.ErrProtocol)
	}
	c.take(5) // references, class
	if err := c.err("connection confirm"); err != nil {
		return false, err
	}
	if len(c.rest) < 8 { // of servers that do not negotiate
		r.SelectedProtocol = rdpProtections[0]
		return false, nil
	}
	kind, flags := c.big(1), c.big(1)
	c.take(2)
	switch value := uint32(c.little(4)); kind {
	case 2:
		r.NegotiationFlags = &RDPNegotiationFlags{flags&1 != 0, flags&2 != 0, flags&8 != 0, flags&16 != 0}
		r.SelectedProtocol = nameOr(rdpProtections, value)
		return value&rdpOffers != 0, nil
	case 3:
		r.FailureCode = nameOr(rdpFailures, value)
		return false, nil
	}
	return false, fmt.Errorf("negotiation of kind %d: %w", kind, grab.ErrProtocol)
}

// nameOr returns the name of a value, or says that it has none.
func nameOr(names map[uint32]string, value uint32) string {
	if n, ok := names[value]; ok {
		return n
	}
	return fmt.Sprintf("unknown(0x%x)", value)
}

// rdpProtections are the names of protections (MS-RDPBCGR section 2.2.1.2.1), as zgrab2 has them.
var rdpProtections = map[uint32]string{0: "standard_rdp", 1: "ssl", 2: "hybrid", 4: "rdstls", 8: "hybrid_ex"}

// rdpFailures are the names of reasons (MS-RDPBCGR section 2.2.1.2.2).
var rdpFailures = map[uint32]string{
	1: "ssl_required_by_server", 2: "ssl_not_allowed_by_server", 3: "ssl_cert_not_on_server", 4: "inconsistent_flags",
	5: "hybrid_required_by_server", 6: "ssl_with_user_auth_required",
}

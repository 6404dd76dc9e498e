package hello

import (
	"fmt"
	"strings"

	"github.com/zmap-go/zmap/grab"
)

// An Alert is one alert of the peer's (RFC 8446 section 6). As an error it wraps [grab.ErrApplication]: it is TLS, and it says no.
type Alert struct {
	Level       byte // 1 warning, 2 fatal
	Description byte // see AlertName
}

// The alerts that decide what to try next.
const (
	AlertCloseNotify          = 0
	AlertHandshakeFailure     = 40
	AlertIllegalParameter     = 47
	AlertDecodeError          = 50
	AlertProtocolVersion      = 70
	AlertInsufficientSecurity = 71
	AlertInternalError        = 80
	AlertMissingExtension     = 109
	AlertUnrecognizedName     = 112
)

// alertNames are IANA's (RFC 8446 section 6, RFC 5246 section 7.2, RFC 6101 section 5.4, RFC 7507).
var alertNames = map[byte]string{
	0: "close_notify", 10: "unexpected_message", 20: "bad_record_mac", 21: "decryption_failed", 22: "record_overflow",
	30: "decompression_failure", 40: "handshake_failure", 41: "no_certificate", 42: "bad_certificate", 43: "unsupported_certificate",
	44: "certificate_revoked", 45: "certificate_expired", 46: "certificate_unknown", 47: "illegal_parameter", 48: "unknown_ca",
	49: "access_denied", 50: "decode_error", 51: "decrypt_error", 60: "export_restriction", 70: "protocol_version",
	71: "insufficient_security", 80: "internal_error", 86: "inappropriate_fallback", 90: "user_canceled", 100: "no_renegotiation",
	109: "missing_extension", 110: "unsupported_extension", 111: "certificate_unobtainable", 112: "unrecognized_name",
	113: "bad_certificate_status_response", 114: "bad_certificate_hash_value", 115: "unknown_psk_identity",
	116: "certificate_required", 120: "no_application_protocol", 121: "ech_required",
}

// AlertName returns IANA's name of an alert, "alert_N" if it has none.
func AlertName(description byte) string {
	if name, ok := alertNames[description]; ok {
		return name
	}
	return fmt.Sprintf("alert_%d", description)
}

// ParseAlert reads the body of an alert's record. Two bytes are an alert in the clear; others wrap [grab.ErrProtocol].
func ParseAlert(body []byte) (Alert, error) {
	if len(body) != 2 || body[0] != 1 && body[0] != 2 {
		return Alert{}, fmt.Errorf("alert of %d bytes: %w", len(body), grab.ErrProtocol)
	}
	return Alert{body[0], body[1]}, nil
}

// Name returns the alert's name.
func (a Alert) Name() string { return AlertName(a.Description) }

// Ends says whether nothing follows: it is fatal, or the peer closes.
func (a Alert) Ends() bool { return a.Level == 2 || a.Description == AlertCloseNotify }

// Error returns "alert" and the name.
func (a Alert) Error() string { return "alert " + strings.ReplaceAll(a.Name(), "_", " ") }

// Unwrap returns [grab.ErrApplication].
func (Alert) Unwrap() error { return grab.ErrApplication }

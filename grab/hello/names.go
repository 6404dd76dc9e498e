package hello

import (
	"cmp"
	"slices"
	"strings"
)

// A named number is one of a registry's.
type named struct {
	id   uint16
	name string
}

// groupNames are IANA's "TLS Supported Groups", by number, in the spelling that zgrab2 writes.
var groupNames = []named{
	{1, "sect163k1"},
	{2, "sect163r1"},
	{3, "sect163r2"},
	{4, "sect193r1"},
	{5, "sect193r2"},
	{6, "sect233k1"},
	{7, "sect233r1"},
	{8, "sect239k1"},
	{9, "sect283k1"},
	{10, "sect283r1"},
	{11, "sect409k1"},
	{12, "sect409r1"},
	{13, "sect571k1"},
	{14, "sect571r1"},
	{15, "secp160k1"},
	{16, "secp160r1"},
	{17, "secp160r2"},
	{18, "secp192k1"},
	{19, "secp192r1"},
	{20, "secp224k1"},
	{21, "secp224r1"},
	{22, "secp256k1"},
	{23, "secp256r1"},
	{24, "secp384r1"},
	{25, "secp521r1"},
	{26, "brainpoolP256r1"},
	{27, "brainpoolP384r1"},
	{28, "brainpoolP512r1"},
	{29, "x25519"},
	{30, "x448"},
	{256, "ffdhe2048"},
	{257, "ffdhe3072"},
	{258, "ffdhe4096"},
	{259, "ffdhe6144"},
	{260, "ffdhe8192"},
	{514, "mlkem1024"},
	{4587, "secp256r1mlkem768"},
	{4588, "x25519mlkem768"},
	{4589, "secp384r1mlkem1024"},
}

// VersionName returns zgrab2's name of a version: "TLSv1.2"; "unknown" if it has none.
func VersionName(v uint16) string {
	switch v {
	case SSL3:
		return "SSLv3"
	case TLS10:
		return "TLSv1.0"
	case TLS11:
		return "TLSv1.1"
	case TLS12:
		return "TLSv1.2"
	case TLS13:
		return "TLSv1.3"
	}
	return unknown
}

const unknown = "unknown"

// ParseVersion reads the name of a version as users write it: "1.2", "TLS1.2", "TLSv1.2", "ssl3". It says false for others.
func ParseVersion(s string) (uint16, bool) {
	s = strings.ToLower(s)
	for _, prefix := range []string{"tls", "ssl", "v"} {
		s = strings.TrimPrefix(s, prefix)
	}
	switch s {
	case "3", "3.0":
		return SSL3, true
	case "1.0":
		return TLS10, true
	case "1.1":
		return TLS11, true
	case "1.2":
		return TLS12, true
	case "1.3":
		return TLS13, true
	}
	return 0, false
}

// SuiteName returns the name of a cipher suite, "unknown" if it has none.
func SuiteName(id uint16) string { return lookup(suiteNames, id) }

// GroupName returns the name of a group for key exchange, "unknown" if it has none.
func GroupName(id uint16) string { return lookup(groupNames, id) }

func lookup(table []named, id uint16) string {
	i, ok := slices.BinarySearchFunc(table, id, func(n named, id uint16) int { return cmp.Compare(n.id, id) })
	if !ok {
		return unknown
	}
	return table[i].name
}

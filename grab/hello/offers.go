package hello

// The offers below are what this package's users send. They are in the order of preference of servers' operators, newest
// first, so that servers which follow the client choose as they would with a browser.

// Groups returns the groups that all offers name.
func Groups() []uint16 { return []uint16{0x001d, 0x0017, 0x0018, 0x0019} }

// Signatures returns the signature schemes that all offers name, down to SHA-1 with RSA: old servers have no other.
func Signatures() []uint16 {
	return []uint16{
		0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0807, 0x0806, 0x0601, 0x0603, 0x0808,
		0x0203, 0x0201, 0x0202, 0x0402,
	}
}

// Certified returns the suites of TLS 1.2 and older in which a server shows a certificate, those for export left out.
func Certified() []uint16 {
	return []uint16{
		0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, // ECDHE with AEAD
		0x009e, 0x009f, 0xccaa, 0x009c, 0x009d, // DHE and RSA with AEAD
		0xc023, 0xc027, 0xc009, 0xc013, 0xc024, 0xc028, 0xc00a, 0xc014, // ECDHE with CBC
		0x0067, 0x0033, 0x006b, 0x0039, 0x003c, 0x002f, 0x003d, 0x0035, // DHE and RSA with CBC
		0x0032, 0x0038, 0x00a2, 0x0040, // DSA
		0x0041, 0x0084, 0x0045, 0x0088, 0x0096, 0x0007, // Camellia, SEED, IDEA
		0xc008, 0xc012, 0x0016, 0x0013, 0x000a, 0xc007, 0xc011, 0x0005, 0x0004, // 3DES and RC4
		0x0015, 0x0009, // DES
		0x00ff, // no suite: secure renegotiation (RFC 5746 section 3.3), for SSL 3
	}
}

// Export returns the suites with keys of 40 and 56 bits that the United States allowed to be exported until 2000 (RFC 2246
// appendix A.5, draft-ietf-tls-56-bit-ciphersuites): FREAK and Logjam are attacks on servers that still accept them.
func Export() []uint16 {
	return []uint16{0x0003, 0x0006, 0x0008, 0x000b, 0x000e, 0x0011, 0x0014, 0x0060, 0x0061, 0x0062, 0x0063, 0x0064, 0x0065}
}

// TLS13Suites returns the suites of TLS 1.3 (RFC 8446 appendix B.4).
func TLS13Suites() []uint16 { return []uint16{0x1301, 0x1302, 0x1303, 0x1304, 0x1305} }

// Census returns the offer for collecting certificates without cryptography: TLS 1.2 at most, and whatever a server may still
// have below. The name is for server_name, "" for none.
func Census(name string) Client {
	return Client{Min: SSL3, Max: TLS12, Suites: Certified(), Groups: Groups(), Signatures: Signatures(), Name: name}
}

// Only returns the offer of one version alone, which tells whether a server accepts it.
func Only(version uint16, name string) Client {
	c := Census(name)
	c.Min, c.Max = version, version
	if version == TLS13 {
		c.Suites = TLS13Suites()
	}
	return c
}

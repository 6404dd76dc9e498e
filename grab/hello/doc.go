// Package hello is TLS as it stands on the wire before anything is encrypted: the ClientHello that we send, and of what comes
// back the records, ServerHello with its extensions in order, Certificate, and alerts. It has no cryptography and no keys.
//
//	[Client].Append ──> ClientHello ──> server ──> records ──> [Reader] ──> [ServerHello], certificates, [Alert]
//
// That is enough to collect certificates from all servers that speak TLS 1.2 or older (RFC 5246), to fingerprint servers (JA3S,
// JARM), and to ask which versions and suites they accept. TLS 1.3 (RFC 8446) encrypts certificates, so that those take a
// handshake.
//
// All that comes from a server is hostile: handshake messages are bounded by [MaxMessage], records and alerts by their number.
package hello

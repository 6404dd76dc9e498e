// Package cert holds certificates as a survey meets them: millions of them, many of them twice, some of them broken or made to
// do harm.
//
// [Parse] reads one, and keeps what crypto/x509 refuses with the reason. A [Store] parses each only once, known by its SHA-256.
// [Verifier] says whether a chain leads to a root that is trusted. A [Certificate] marshals to the JSON that zgrab2 writes, which
// analysis scripts read.
//
// It signs nothing, fetches nothing, and asks nobody whether a certificate was revoked.
package cert

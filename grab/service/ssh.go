package service

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // HASSH is defined with it
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/zmap-go/zmap/grab"
)

// sshModule is the module ssh (RFC 4253). It exchanges keys, which proves the server's host key, and ends where a login would begin.
type sshModule struct{ hostKeys []string }

const sshArgs = "hostkey=NAME+NAME   kinds of host keys to ask for, best first: ssh-ed25519+ecdsa-sha2-nistp256"

// newSSH returns the module ssh.
func newSSH(args map[string]string) (grab.Module, error) {
	known := append(ssh.SupportedAlgorithms().HostKeys, ssh.InsecureAlgorithms().HostKeys...)
	m := &sshModule{hostKeys: known}
	return m, eachArg(args, func(key, value string) error {
		if key != "hostkey" {
			return errors.New("no such option")
		}
		m.hostKeys = strings.Split(value, "+")
		if slices.ContainsFunc(m.hostKeys, func(k string) bool { return !slices.Contains(known, k) }) {
			return fmt.Errorf("some of %s are wanted, with + between them", strings.Join(known, ", "))
		}
		return nil
	})
}

// Describe returns the module's constants.
func (*sshModule) Describe() grab.Description {
	return grab.Description{Name: "ssh", Doc: "version, algorithms and host key of SSH", Port: 22, ServerFirst: true, Transport: grab.Handover}
}

// An SSHResult is what a server of SSH says of itself, with keys of zgrab2's module ssh.
type SSHResult struct {
	ServerID SSHServerID     `json:"server_id"`
	Offer    *SSHKeyExchange `json:"server_key_exchange,omitempty"` // its algorithms; nil if none came
	Selected *SSHAlgorithms  `json:"algorithm_selection,omitempty"` // what follows from its list and ours (RFC 4253 section 7.1)
	Exchange *SSHExchange    `json:"key_exchange,omitempty"`        // nil if it came to none
	HASSH    string          `json:"hassh_server,omitempty"`        // the fingerprint of that name, of the algorithms
}

// An SSHServerID is the first line of a server.
type SSHServerID struct {
	Raw      string `json:"raw"`
	Version  string `json:"version,omitempty"` // of the protocol: "2.0"
	Software string `json:"software,omitempty"`
	Comment  string `json:"comment,omitempty"`
}

// An SSHKeyExchange is the server's list of algorithms (SSH_MSG_KEXINIT), the best first.
type SSHKeyExchange struct {
	Kex       []string `json:"kex_algorithms"`
	HostKeys  []string `json:"host_key_algorithms"`
	CiphersCS []string `json:"client_to_server_ciphers"`
	CiphersSC []string `json:"server_to_client_ciphers"`
	MACsCS    []string `json:"client_to_server_macs"`
	MACsSC    []string `json:"server_to_client_macs"`
	ComprCS   []string `json:"client_to_server_compression"`
	ComprSC   []string `json:"server_to_client_compression"`
}

// SSHAlgorithms are those that both sides agree on.
type SSHAlgorithms struct {
	Kex     string       `json:"dh_kex_algorithm,omitempty"`
	HostKey string       `json:"host_key_algorithm,omitempty"`
	CS      SSHDirection `json:"client_to_server_alg_group"`
	SC      SSHDirection `json:"server_to_client_alg_group"`
}

// An SSHDirection is the algorithms of one direction. What both sides have none of is missing.
type SSHDirection struct {
	Cipher      string `json:"cipher,omitempty"`
	MAC         string `json:"mac,omitempty"` // not used with a cipher that needs none
	Compression string `json:"compression,omitempty"`
}

// An SSHExchange is what an exchange of keys has shown.
type SSHExchange struct {
	HostKey SSHHostKey `json:"server_host_key"` // the server has signed the exchange by it
}

// An SSHHostKey is a server's key.
type SSHHostKey struct {
	Algorithm   string `json:"algorithm"`
	Raw         []byte `json:"raw"`                // RFC 4253 section 6.6
	SHA256      string `json:"fingerprint_sha256"` // of Raw, in hexadecimal as with zgrab2
	Fingerprint string `json:"fingerprint"`        // the same as OpenSSH shows it
}

// errSeen ends the handshake when the host key is known.
var errSeen = errors.New("host key seen")

// Grab exchanges identifications, algorithms and keys.
func (m *sshModule) Grab(ctx context.Context, s *grab.Session) (any, error) {
	defer interrupt(ctx, s.Conn)()
	r := new(SSHResult)
	seen := &firstBytes{Conn: s.Conn}
	config := &ssh.ClientConfig{
		ClientVersion: sshVersion(&s.Operator),
		HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
			sum := sha256.Sum256(key.Marshal())
			r.Exchange = &SSHExchange{SSHHostKey{key.Type(), key.Marshal(), hex.EncodeToString(sum[:]), ssh.FingerprintSHA256(key)}}
			return errSeen
		},
		HostKeyAlgorithms: m.hostKeys,
		Config: ssh.Config{
			KeyExchanges: append(ssh.SupportedAlgorithms().KeyExchanges, ssh.InsecureAlgorithms().KeyExchanges...),
			Ciphers:      append(ssh.SupportedAlgorithms().Ciphers, ssh.InsecureAlgorithms().Ciphers...),
			MACs:         append(ssh.SupportedAlgorithms().MACs, ssh.InsecureAlgorithms().MACs...),
		},
	}
	config.SetDefaults() // the lists as they go out
	conn, _, _, err := ssh.NewClientConn(seen, s.AddrPort().String(), config)
	if err == nil { // cannot be: the callback has refused the key
		_ = conn.Close()
	}
	known := r.read(seen.kept)
	if r.Offer != nil {
		r.Selected = r.Offer.selected(config)
	}
	switch {
	case r.Exchange != nil:
		return r, nil
	case !known && seen.err != nil:
		return nil, orDone(ctx, fmt.Errorf("read identification: %w", seen.err))
	case !known:
		return nil, fmt.Errorf("identification: %w", grab.ErrProtocol)
	case seen.err != nil:
		return r, orDone(ctx, fmt.Errorf("exchange keys: %w", seen.err))
	}
	return r, fmt.Errorf("exchange keys: %w: %w", grab.ErrProtocol, err)
}

// selected returns what follows from the server's list and ours: of each kind the first of ours that the server has, too.
func (k *SSHKeyExchange) selected(c *ssh.ClientConfig) *SSHAlgorithms {
	common := func(ours, theirs []string) string {
		for _, name := range ours {
			if slices.Contains(theirs, name) {
				return name
			}
		}
		return ""
	}
	none := []string{"none"}
	return &SSHAlgorithms{
		Kex: common(c.KeyExchanges, k.Kex), HostKey: common(c.HostKeyAlgorithms, k.HostKeys),
		CS: SSHDirection{common(c.Ciphers, k.CiphersCS), common(c.MACs, k.MACsCS), common(none, k.ComprCS)},
		SC: SSHDirection{common(c.Ciphers, k.CiphersSC), common(c.MACs, k.MACsSC), common(none, k.ComprSC)},
	}
}

// sshVersion is our identification: who asks stands in its comment (RFC 4253 section 4.2), as far as one may be long.
func sshVersion(o *grab.Operator) string {
	v := "SSH-2.0-measurement"
	if o.URI != "" && len(o.URI) < 200 && !strings.ContainsFunc(o.URI, func(c rune) bool { return c <= ' ' || c > '~' }) {
		v += " " + o.URI
	}
	return v
}

// maxSSHFirst is how much of the beginning is kept: the identification, lines before it, and the list of algorithms.
const maxSSHFirst = 40 << 10

// A firstBytes keeps the first bytes that come, and why no more did.
type firstBytes struct {
	net.Conn
	kept []byte
	err  error
}

// Read reads.
func (c *firstBytes) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.kept = append(c.kept, b[:min(n, maxSSHFirst-len(c.kept))]...)
	if err != nil {
		c.err = err
	}
	return n, err
}

// read takes what came in the clear, and says whether it was SSH.
func (r *SSHResult) read(b []byte) bool {
	for { // lines of text may come before (RFC 4253 section 4.2)
		line, rest, ok := bytes.Cut(b, []byte("\n"))
		if !ok {
			return false
		}
		b = rest
		if bytes.HasPrefix(line, []byte("SSH-")) {
			r.ServerID = serverID(strings.ToValidUTF8(strings.TrimRight(string(line), "\r"), "\uFFFD"))
			break
		}
	}
	c := cursor{rest: b}
	length, padding := int(c.big(4)), int(c.big(1))
	if length < 2 || length > maxSSHFirst || padding >= length {
		return true
	}
	c = cursor{rest: c.take(length - 1 - padding)}
	const kexInit = 20
	if c.big(1) != kexInit {
		return true
	}
	c.take(16) // the cookie
	list := func() []string {
		text := string(c.take(int(c.big(4))))
		if text == "" {
			return nil
		}
		return strings.Split(strings.ToValidUTF8(text, "\uFFFD"), ",")
	}
	k := &SSHKeyExchange{
		Kex: list(), HostKeys: list(), CiphersCS: list(), CiphersSC: list(), MACsCS: list(), MACsSC: list(), ComprCS: list(), ComprSC: list(),
	}
	if c.short {
		return true
	}
	r.Offer = k
	sum := md5.Sum([]byte(strings.Join([]string{ //nolint:gosec // HASSH is defined with it
		strings.Join(k.Kex, ","), strings.Join(k.CiphersSC, ","), strings.Join(k.MACsSC, ","), strings.Join(k.ComprSC, ","),
	}, ";")))
	r.HASSH = hex.EncodeToString(sum[:])
	return true
}

// serverID takes an identification apart.
func serverID(line string) SSHServerID {
	id := SSHServerID{Raw: line}
	rest := strings.TrimPrefix(line, "SSH-")
	id.Version, rest, _ = strings.Cut(rest, "-")
	id.Software, id.Comment, _ = strings.Cut(rest, " ")
	return id
}

package hello

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"io"
	"math/big"
	"net"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zmap-go/zmap/grab"
)

// counting is a source of "random" bytes for tests: the same for each.
func counting() io.Reader {
	b := make([]byte, 256)
	for i := range b {
		b[i] = byte(i)
	}
	return bytes.NewReader(b)
}

func serverConfig(tb testing.TB) *tls.Config {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"example.org"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		tb.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der, der}, PrivateKey: key}}, NextProtos: []string{"h2", "http/1.1"}}
}

// exchange sends a hello to a server of crypto/tls and returns all that it answers before it waits for more, or closes. Seen gets what the
// server understood.
func exchange(tb testing.TB, c *tls.Config, msg []byte, seen *tls.ClientHelloInfo) []byte {
	tb.Helper()
	ours, theirs := net.Pipe()
	defer ours.Close()
	c = c.Clone()
	c.GetConfigForClient = func(i *tls.ClientHelloInfo) (*tls.Config, error) {
		if seen != nil {
			*seen = *i
		}
		return nil, nil
	}
	go func() {
		defer theirs.Close()
		_ = tls.Server(&talker{Conn: theirs}, c).Handshake()
	}()
	if _, err := ours.Write(msg); err != nil {
		tb.Fatal(err)
	}
	all, err := io.ReadAll(ours)
	if err != nil {
		tb.Fatal(err)
	}
	return all
}

// A talker is a connection on which reading ends once something was written: whoever waits for an answer gets none.
type talker struct {
	net.Conn
	wrote bool
}

func (c *talker) Write(b []byte) (int, error) {
	c.wrote = true
	return c.Conn.Write(b)
}

func (c *talker) Read(b []byte) (int, error) {
	if c.wrote {
		return 0, io.EOF
	}
	return c.Conn.Read(b)
}

// TestServersUnderstandTheHello compares what crypto/tls reads with what was offered.
func TestServersUnderstandTheHello(t *testing.T) {
	for _, c := range []Client{
		Census("example.org"),
		Only(TLS10, "example.org."), Only(TLS11, ""), Only(TLS12, "192.0.2.1"), Only(TLS13, "[2001:db8::1]"),
		{Min: TLS10, Max: TLS13, Suites: append(TLS13Suites(), Certified()...), Groups: Groups(), Signatures: Signatures(), ALPN: []string{"h2", "", "x"}, Name: "a.example"},
	} {
		msg, err := c.Append([]byte("before"), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		var got tls.ClientHelloInfo
		exchange(t, serverConfig(t), msg[6:], &got)
		if want := SNI(c.Name); got.ServerName != want || !slices.Equal(got.CipherSuites, c.Suites) {
			t.Errorf("%v: name %q, suites %x", c, got.ServerName, got.CipherSuites)
		}
		if len(got.SupportedCurves) != len(c.Groups) || len(got.SignatureSchemes) != len(c.Signatures) {
			t.Errorf("%v: %v %v", c, got.SupportedCurves, got.SignatureSchemes)
		}
		if slices.Max(got.SupportedVersions) != c.Max || c.Max == TLS13 && slices.Min(got.SupportedVersions) != c.Min {
			t.Errorf("%v: versions %x", c, got.SupportedVersions)
		}
		if want := slices.DeleteFunc(slices.Clone(c.ALPN), func(s string) bool { return s == "" }); !slices.Equal(got.SupportedProtos, want) {
			t.Errorf("%v: protocols %v", c, got.SupportedProtos)
		}
	}
}

// TestHelloIsDeterministic makes the same hello of the same bytes, golden.
func TestHelloIsDeterministic(t *testing.T) {
	c := Client{Min: TLS10, Max: TLS12, Suites: []uint16{0xc02f, 0x002f}, Groups: []uint16{29}, Name: "a.b", Heartbeat: true}
	got, err := c.Append(nil, counting())
	if err != nil {
		t.Fatal(err)
	}
	const want = "16 0301 0060" + // record: handshake, TLS 1.0 for old servers
		"01 00005c 0303" + // client_hello, TLS 1.2
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f" + // random
		"00 0004 c02f002f 0100" + // no session; two suites; no compression
		"002f" + // extensions
		"0000 0008 0006 00 0003 612e62" + // server_name
		"ff01 0001 00" + // renegotiation_info
		"000a 0004 0002 001d" + // supported_groups
		"000b 0002 01 00" + // ec_point_formats
		"000f 0001 01" // heartbeat
	wantBytes, err := hex.DecodeString(strings.ReplaceAll(want, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	// The lengths of the comment above are reckoned by hand for the parts alone.
	binaryLengths(wantBytes)
	if diff := cmp.Diff(hex.EncodeToString(wantBytes), hex.EncodeToString(got)); diff != "" {
		t.Error(diff)
	}
	old := Client{Min: SSL3, Max: SSL3, Suites: []uint16{5}, Name: "a.b", Groups: []uint16{29}}
	if got, _ = old.Append(nil, counting()); !bytes.HasSuffix(got, []byte{0, 2, 0, 5, 1, 0}) || be16(got[9:]) != SSL3 || be16(got[1:]) != SSL3 {
		t.Errorf("a hello of SSL 3: % x", got)
	}
	if _, err := c.Append(nil, bytes.NewReader(nil)); err == nil {
		t.Error("no random bytes: no error")
	}
	c.Suites = make([]uint16, 9000)
	if _, err := c.Append(nil, counting()); err == nil {
		t.Error("a hello that is too long for a record: no error")
	}
}

// TestFlightsInPieces reads the answers of servers byte by byte, and in records of one byte.
func TestFlightsInPieces(t *testing.T) {
	config := serverConfig(t)
	config.MaxVersion = tls.VersionTLS12
	offer := Census("example.org")
	offer.ALPN = []string{"http/1.1"}
	msg, _ := offer.Append(nil, rand.Reader)
	flight := exchange(t, config, msg, nil)
	whole := readAll(t, bytes.NewReader(flight))
	if whole.hello.Version != TLS12 || whole.hello.ALPN != "http/1.1" || len(whole.chain) != 2 || !bytes.Equal(whole.chain[0], config.Certificates[0].Certificate[0]) {
		t.Fatalf("%+v", whole)
	}
	for name, r := range map[string]io.Reader{
		"one byte a read":    iotest.OneByteReader(bytes.NewReader(flight)),
		"one byte a record":  bytes.NewReader(cut(flight, 1)),
		"odd records":        iotest.HalfReader(bytes.NewReader(cut(flight, 7))),
		"all in one record":  bytes.NewReader(cut(flight, 1<<14)),
		"errors with data":   iotest.DataErrReader(bytes.NewReader(flight)),
		"change cipher spec": io.MultiReader(bytes.NewReader([]byte{20, 3, 3, 0, 1, 1}), bytes.NewReader(flight)),
	} {
		if strings.HasSuffix(name, "a record") && len(flight) > maxRecords {
			r = bytes.NewReader(cut(flight, 2))
		}
		if diff := cmp.Diff(whole.hello, readAll(t, r).hello); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	for n := range flight { // cut off anywhere: an error, and never more than was there
		in := NewReader(bytes.NewReader(flight[:n]))
		var err error
		for err == nil {
			_, _, err = in.ReadMessage()
		}
		if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("after %d bytes: %v", n, err)
		}
	}
}

type answer struct {
	hello *ServerHello
	chain [][]byte
}

func readAll(t *testing.T, r io.Reader) (a answer) {
	t.Helper()
	in := NewReader(r)
	for {
		kind, body, err := in.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		switch kind {
		case TypeServerHello:
			if a.hello, err = ParseServerHello(body); err != nil {
				t.Fatal(err)
			}
		case TypeCertificate:
			chain, err := ParseCertificates(body)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range chain {
				a.chain = append(a.chain, bytes.Clone(c))
			}
		case TypeServerHelloDone:
			return a
		}
	}
}

// cut puts the handshake messages of a flight into records of n bytes.
func cut(flight []byte, n int) []byte {
	var all, out []byte
	for len(flight) > 0 {
		end := 5 + int(be16(flight[3:]))
		all, flight = append(all, flight[5:end]...), flight[end:]
	}
	for piece := range slices.Chunk(all, n) {
		out = append(append(out, 22, 3, 3, byte(len(piece)>>8), byte(len(piece))), piece...)
	}
	return out
}

// binaryLengths sets the lengths of record, message and extensions of a hello with a session ID of none, two suites and one
// method of compression.
func binaryLengths(b []byte) {
	b[3], b[4] = byte((len(b)-5)>>8), byte(len(b)-5)
	b[7], b[8] = byte((len(b)-9)>>8), byte(len(b)-9)
	at := 9 + 2 + 32 + 1 + 2 + 4 + 2
	b[at], b[at+1] = byte((len(b)-at-2)>>8), byte(len(b)-at-2)
}

func TestTLS13Hello(t *testing.T) {
	msg, _ := (&Client{Min: TLS13, Max: TLS13, Suites: TLS13Suites(), Groups: Groups(), Signatures: Signatures(), Retried: true}).Append(nil, rand.Reader)
	h := readHello(t, exchange(t, serverConfig(t), msg, nil))
	if !h.Retry || h.Version != TLS13 || h.Legacy != TLS12 || h.Group != groupX25519 {
		t.Errorf("a server that must ask again: %+v", h)
	}
	only := Only(TLS13, "")
	msg, _ = only.Append(nil, rand.Reader)
	h = readHello(t, exchange(t, serverConfig(t), msg, nil))
	if h.Retry || h.Version != TLS13 || h.Group != groupX25519 || !slices.Contains(h.Extensions, extKeyShare) {
		t.Errorf("a server with a share: %+v", h)
	}
}

func readHello(t *testing.T, flight []byte) *ServerHello {
	t.Helper()
	kind, body, err := NewReader(bytes.NewReader(flight)).ReadMessage()
	if err != nil || kind != TypeServerHello {
		t.Fatalf("message of type %d, %v", kind, err)
	}
	h, err := ParseServerHello(body)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestHostileStreams reads what servers should not send; all ends with the right error and with little memory.
func TestHostileStreams(t *testing.T) {
	rec := func(kind byte, body ...byte) []byte {
		return append([]byte{kind, 3, 3, byte(len(body) >> 8), byte(len(body))}, body...)
	}
	for name, c := range map[string]struct {
		stream []byte
		want   error
	}{
		"HTTP":              {[]byte("HTTP/1.1 400 Bad Request\r\n"), grab.ErrProtocol},
		"fatal alert":       {rec(21, 2, 70), grab.ErrApplication},
		"close":             {rec(21, 1, 0), grab.ErrApplication},
		"alert of 3 bytes":  {rec(21, 2, 70, 1), grab.ErrProtocol},
		"alert of level 3":  {rec(21, 3, 70), grab.ErrProtocol},
		"warnings for ever": {bytes.Repeat(rec(21, 1, 112), 2000), grab.ErrApplication},
		"empty records":     {bytes.Repeat(rec(22), 2000), grab.ErrProtocol},
		"data":              {rec(23, 1, 2, 3), grab.ErrProtocol},
		"a huge message":    {rec(22, 11, 0xff, 0xff, 0xff), grab.ErrProtocol},
		"a huge record":     {[]byte{22, 3, 3, 0xff, 0xff}, grab.ErrProtocol},
		"nothing":           {nil, io.EOF},
		"half a header":     {[]byte{22, 3}, io.ErrUnexpectedEOF},
		"half a record":     {[]byte{22, 3, 3, 0, 9}, io.ErrUnexpectedEOF},
		"half a message":    {rec(22, 2, 0, 1, 0, 3), io.EOF},
		"SSL 2":             {[]byte{0x80, 0x2e, 1, 0, 2, 0, 1}, grab.ErrProtocol},
	} {
		in := NewReader(bytes.NewReader(c.stream))
		var err error
		for err == nil {
			_, _, err = in.ReadMessage()
		}
		if !errors.Is(err, c.want) || len(in.Warnings) > maxWarning || cap(in.pending) > MaxMessage {
			t.Errorf("%s: %v", name, err)
		}
	}
	in := NewReader(bytes.NewReader(append(rec(21, 1, 112), rec(22, 14, 0, 0, 0)...)))
	if kind, _, err := in.ReadMessage(); kind != TypeServerHelloDone || err != nil || len(in.Warnings) != 1 || in.Warnings[0].Name() != "unrecognized_name" {
		t.Errorf("a warning: %d %v %v", kind, err, in.Warnings)
	}
}

func TestParseServerHelloRefuses(t *testing.T) {
	good := append(append([]byte{3, 3}, make([]byte, 32)...), 0, 0xc0, 0x2f, 0, 0, 4, 0xff, 1, 0, 0)
	if _, err := ParseServerHello(good); err != nil {
		t.Fatal(err)
	}
	for n := range good {
		_, err := ParseServerHello(good[:n])
		if old := n == 38; (err == nil) != old { // without extensions, as old servers have it
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	if _, err := ParseServerHello(append(good, 0)); err == nil {
		t.Error("a byte too many")
	}
	if got := sha256.Sum256([]byte("HelloRetryRequest")); !bytes.Equal(got[:], retry) {
		t.Error("the random of a HelloRetryRequest is wrong")
	}
}

// TestJA3S compares with fingerprints that are known: the texts are those of the paper's examples.
func TestJA3S(t *testing.T) {
	for text, h := range map[string]*ServerHello{
		"769,47,65281-0-11-35-5-16": {Legacy: 769, Suite: 47, Extensions: []uint16{65281, 0, 11, 35, 5, 16}},
		"769,47,":                   {Legacy: 769, Suite: 47},
	} {
		run := exec.CommandContext(t.Context(), "md5sum")
		run.Stdin = strings.NewReader(text)
		out, err := run.Output()
		if err != nil {
			t.Skip("md5sum: ", err)
		}
		if got, want := h.JA3S(), string(out[:32]); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

// TestNames compares the tables with what crypto/tls calls things, and sees that they are sorted.
func TestNames(t *testing.T) {
	for _, table := range [][]named{suiteNames, groupNames} {
		if !slices.IsSortedFunc(table, func(a, b named) int { return int(a.id) - int(b.id) }) {
			t.Error("a table is not sorted")
		}
	}
	for _, s := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		if got := SuiteName(s.ID); got != s.Name && got != strings.TrimSuffix(s.Name, "_SHA256") && got+"_SHA256" != s.Name {
			t.Errorf("%04x: got %s, crypto/tls says %s", s.ID, got, s.Name)
		}
	}
	for _, id := range slices.Concat(Certified(), Export(), TLS13Suites()) {
		if SuiteName(id) == unknown {
			t.Errorf("suite %04x is offered and has no name", id)
		}
	}
	for _, id := range Export() {
		if !strings.Contains(SuiteName(id), "EXPORT") {
			t.Errorf("%s is not for export", SuiteName(id))
		}
	}
	for _, id := range Certified() {
		if name := SuiteName(id); strings.Contains(name, "EXPORT") || strings.Contains(strings.ToUpper(name), "ANON") || strings.Contains(name, "NULL") {
			t.Errorf("%s is offered to all", name)
		}
	}
	for n := range 256 {
		if std := tls.AlertError(n).Error(); strings.Contains(std, "alert(") != strings.HasPrefix(AlertName(byte(n)), "alert_") && n != 41 {
			t.Errorf("alert %d: %s, crypto/tls says %s", n, AlertName(byte(n)), std)
		}
	}
	for s, want := range map[string]uint16{"1.2": TLS12, "TLSv1.0": TLS10, "tls1.3": TLS13, "SSLv3": SSL3, "ssl3": SSL3} {
		if got, ok := ParseVersion(s); got != want || !ok {
			t.Errorf("%s: %x %v", s, got, ok)
		}
	}
	if _, ok := ParseVersion("1.4"); ok || VersionName(0x0305) != unknown {
		t.Error("there is no TLS 1.4")
	}
}

// TestJARM takes the fingerprint of a server of crypto/tls twice, and that of one that refuses all.
func TestJARM(t *testing.T) {
	config := serverConfig(t)
	var prints []string
	for range 2 {
		var answers []string
		for _, p := range JARMProbes("192.0.2.1") {
			var seen tls.ClientHelloInfo
			flight := exchange(t, config, p.Hello(), &seen)
			if seen.ServerName != "" || len(seen.CipherSuites) == 0 {
				t.Errorf("a hello to an address: name %q, %d suites", seen.ServerName, len(seen.CipherSuites))
			}
			a, err := p.ReadAnswer(iotest.OneByteReader(bytes.NewReader(flight)))
			if err != nil {
				t.Fatal(err)
			}
			answers = append(answers, a)
		}
		prints = append(prints, JARM(answers))
	}
	if n := len(JARMProbes("")); n != JARMConnections {
		t.Errorf("%d probes", n)
	}
	if prints[0] != prints[1] || len(prints[0]) != 62 || prints[0] == strings.Repeat("0", 62) {
		t.Errorf("fingerprints are %v", prints)
	}
	if got := JARM(make([]string, 10)); got != strings.Repeat("0", 62) {
		t.Errorf("of nothing: %s", got)
	}
	var seen tls.ClientHelloInfo
	exchange(t, config, JARMProbes("example.org")[0].Hello(), &seen)
	if seen.ServerName != "example.org" {
		t.Errorf("a hello to a name: %q", seen.ServerName)
	}
}

func TestParseKeyExchange(t *testing.T) {
	b := []byte{3, 0, 29, 2, 0xaa, 0xbb, 4, 3, 0, 0}
	if k, err := ParseKeyExchange(b, TLS12); err != nil || k.Group != 29 || k.Scheme != 0x0403 || len(k.Point) != 2 {
		t.Errorf("%+v %v", k, err)
	}
	if k, err := ParseKeyExchange(b[:6], TLS11); err != nil || k.Scheme != 0 {
		t.Errorf("%+v %v", k, err)
	}
	for _, b := range [][]byte{nil, {0, 128}, {3, 0, 29, 9, 1}} {
		if _, err := ParseKeyExchange(b, TLS12); err == nil {
			t.Errorf("% x: no error", b)
		}
	}
}

func TestHeartbeatAsksForNothing(t *testing.T) {
	want := []byte{24, 3, 2, 0, 3, 1, 0, 0}
	if got := AppendHeartbeat(nil, TLS11); !bytes.Equal(got, want) {
		t.Errorf("got % x, want % x", got, want)
	}
}

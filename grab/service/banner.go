package service

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/zmap-go/zmap/grab"
)

// bannerModule is the module banner. It takes what a server says by itself, or what it answers to bytes of the user's choice, and
// knows no protocol.
type bannerModule struct {
	turn
	probe   []byte // sent first; nil waits for the server
	as      string
	most    int           // bytes
	quiet   time.Duration // a server that said something and is silent for so long has said it
	pattern *regexp.Regexp
}

// bannerArgs are the options of the module banner, for its help.
const bannerArgs = `probe=TEXT          what to send first, with \r, \n, \t, \0, \\ and \xHH; without it nothing is sent
as=text|hex|base64  how the bytes are written; text that is not UTF-8 comes as hex besides
max=4096            take at most so many bytes
quiet=500ms         the server has said all when it says nothing more for so long
match=REGEXP        what does not match is an application-error
`

// Ways to write bytes.
const (
	bannerText   = "text"
	bannerHex    = "hex"
	bannerBase64 = "base64"
)

// Bounds of what is sent and taken.
const (
	maxBannerProbe = 1 << 10
	maxBanner      = 64 << 10
)

// newBanner returns the module banner.
func newBanner(args map[string]string) (grab.Module, error) {
	m := &bannerModule{as: bannerText, most: 4096, quiet: 500 * time.Millisecond}
	var err error
	m.turn, err = newTurn(args, m.parseArg, turnNever, turnFirst)
	return m, err
}

func (m *bannerModule) parseArg(key, value string) (err error) {
	switch key {
	case "probe":
		m.probe, err = parseProbe(value)
	case "as":
		if m.as = value; value != bannerText && value != bannerHex && value != bannerBase64 {
			return errors.New("text, hex or base64 is wanted")
		}
	case "max":
		m.most, err = parseCount(value, 1, maxBanner)
	case "quiet":
		m.quiet, err = parseSpan(value)
	case "match":
		m.pattern, err = regexp.Compile(value)
	default:
		return errors.New("no such option")
	}
	return err
}

// parseProbe reads text with escapes.
func parseProbe(s string) ([]byte, error) {
	var b []byte
	for len(s) > 0 {
		if s[0] != '\\' {
			b, s = append(b, s[0]), s[1:]
			continue
		}
		plain := map[string]byte{`\r`: '\r', `\n`: '\n', `\t`: '\t', `\0`: 0, `\\`: '\\'}
		if c, ok := plain[s[:min(2, len(s))]]; ok {
			b, s = append(b, c), s[2:]
			continue
		}
		if len(s) < 4 || s[1] != 'x' {
			return nil, fmt.Errorf(`%.4q: \r, \n, \t, \0, \\ or \xHH is wanted`, s)
		}
		c, err := strconv.ParseUint(s[2:4], 16, 8)
		if err != nil {
			return nil, fmt.Errorf(`%.4q: two hexadecimal digits are wanted`, s)
		}
		b, s = append(b, byte(c)), s[4:]
	}
	if len(b) == 0 || len(b) > maxBannerProbe {
		return nil, fmt.Errorf("%d bytes: 1 to %d are wanted", len(b), maxBannerProbe)
	}
	return b, nil
}

// A BannerResult is what a server said, with the keys of zgrab2's module banner.
type BannerResult struct {
	// Banner is what was said, as the option as has it. Bytes of text that are not UTF-8 are replaced by U+FFFD.
	Banner string `json:"banner,omitempty"`
	Length int    `json:"length"` // in bytes, as they came
	// Hex is all of it in hexadecimal, if Banner is text from which the bytes could not be told.
	Hex string `json:"hex,omitempty"`
	// Printable says that it is text without control characters but ends of lines and tabs.
	Printable bool `json:"printable"`
	turned
}

// Describe says that the server speaks first, unless there is something to send.
func (m *bannerModule) Describe() grab.Description {
	return grab.Description{
		Name: "banner", Doc: "what a server says by itself, or answers to a probe of yours; no protocol is assumed", Port: 0,
		ServerFirst: m.probe == nil && m.when == turnNever, Transport: grab.Oneshot, Reply: m.most,
	}
}

// Grab sends what there is to send, and reads until the server is done, is silent, or has said enough.
func (m *bannerModule) Grab(ctx context.Context, s *grab.Session) (any, error) {
	defer interrupt(ctx, s.Conn)()
	t, conn, err := m.first(ctx, s, s.Conn)
	if err != nil {
		return &BannerResult{turned: turned{t}}, err
	}
	if t != nil {
		defer func() { _ = conn.Close() }()
	}
	if m.probe != nil {
		if _, err := conn.Write(m.probe); err != nil {
			return m.result(nil, t), fmt.Errorf("send probe: %w", orDone(ctx, err))
		}
	}
	b, err := m.read(ctx, conn)
	if len(b) == 0 {
		if t == nil {
			return nil, orDone(ctx, err)
		}
		return m.result(nil, t), orDone(ctx, err)
	}
	r := m.result(b, t)
	if m.pattern != nil && !m.pattern.Match(b) {
		return r, fmt.Errorf("what it says does not match %s: %w", m.pattern, grab.ErrApplication)
	}
	return r, nil
}

// read returns what the server says. An error counts only if it said nothing: each banner has its end, and how servers end differs.
func (m *bannerModule) read(ctx context.Context, conn net.Conn) ([]byte, error) {
	b := make([]byte, 0, min(m.most, 512))
	for {
		if len(b) == cap(b) {
			b = append(make([]byte, 0, min(m.most, 4*cap(b))), b...)
		}
		n, err := conn.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err != nil || len(b) == m.most {
			if len(b) == 0 && errors.Is(err, os.ErrDeadlineExceeded) {
				err = fmt.Errorf("it says nothing: %w", err)
			}
			return b, err
		}
		if err := conn.SetReadDeadline(time.Now().Add(m.quiet)); err != nil {
			return b, err
		}
		if ctx.Err() != nil { // the deadline may have come after its interruption
			return b, ctx.Err()
		}
	}
}

// result writes down what was said.
func (m *bannerModule) result(b []byte, t *TLSResult) *BannerResult {
	r := &BannerResult{Length: len(b), Printable: printable(b), turned: turned{t}}
	switch m.as {
	case bannerHex:
		r.Banner = hex.EncodeToString(b)
	case bannerBase64:
		r.Banner = base64.StdEncoding.EncodeToString(b)
	default:
		if r.Banner = string(b); !utf8.Valid(b) {
			r.Banner, r.Hex = string(bytes.ToValidUTF8(b, []byte("\uFFFD"))), hex.EncodeToString(b)
		}
	}
	return r
}

// printable says whether b is text that can be shown.
func printable(b []byte) bool {
	if !utf8.Valid(b) {
		return false
	}
	return bytes.IndexFunc(b, func(r rune) bool { return !unicode.IsPrint(r) && r != '\n' && r != '\r' && r != '\t' }) < 0
}

package service

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/hex"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/zmap-go/zmap/grab"
)

// bannerArg is options for banner, with a silence that tests can wait for.
func bannerArg(pairs ...string) map[string]string {
	args := map[string]string{"roots": "none", "quiet": "50ms"}
	for i := 0; i < len(pairs); i += 2 {
		args[pairs[i]] = pairs[i+1]
	}
	return args
}

func TestBanner(t *testing.T) {
	for _, c := range []struct {
		name string
		args map[string]string
		talk func(net.Conn)
		want string
	}{
		{"a greeting", bannerArg(), say(0, []byte("220 mx.example.org\r\n")), `{"banner":"220 mx.example.org\r\n","length":20,"printable":true}`},
		{"who closes has said all", bannerArg("quiet", "1m"), func(c net.Conn) { _, _ = c.Write([]byte("bye")) }, `{"banner":"bye","length":3,"printable":true}`},
		{"an answer", bannerArg("probe", `HE\x4cP\r\n`), func(c net.Conn) {
			b := make([]byte, 6)
			_, _ = io.ReadFull(c, b)
			_, _ = c.Write(bytes.TrimSpace(b))
		}, `{"banner":"HELP","length":4,"printable":true}`},
		{"bytes", bannerArg(), say(0, []byte("a\xff\x00")), `{"banner":"a�\u0000","length":3,"hex":"61ff00","printable":false}`},
		{"hex", bannerArg("as", "hex"), say(0, []byte("a\xff")), `{"banner":"61ff","length":2,"printable":false}`},
		{"base64", bannerArg("as", "base64"), say(0, []byte("a\xff")), `{"banner":"Yf8=","length":2,"printable":false}`},
		{"enough", bannerArg("max", "3"), say(0, []byte("abcdef")), `{"banner":"abc","length":3,"printable":true}`},
		{
			"in pieces", bannerArg("quiet", "5s", "max", "1000"), func(c net.Conn) { say(0, bytes.Repeat([]byte("x"), 1000))(drip{c}) },
			`{"banner":"` + strings.Repeat("x", 1000) + `","length":1000,"printable":true}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, got, err := grabbed(t, "banner", c.args, c.talk)
			if err != nil || got != c.want {
				t.Errorf("got %s, %v; want %s", got, err, c.want)
			}
		})
	}
}

func TestBannerFailures(t *testing.T) {
	for _, c := range []struct {
		name string
		args map[string]string
		talk func(net.Conn)
		want grab.Status
		json string
	}{
		{"silence", bannerArg(), func(c net.Conn) { _ = c.Close() }, grab.ConnectionClosed, "null"},
		{"another text", bannerArg("match", "^SSH-"), say(0, []byte("220 x")), grab.ApplicationError, `{"banner":"220 x","length":5,"printable":true}`},
		{"no TLS", bannerArg("tls", "first"), say(1, []byte("220 no TLS here\r\n")), grab.ProtocolError, ""},
	} {
		_, got, err := grabbed(t, "banner", c.args, c.talk)
		if grab.StatusOf(err) != c.want || c.json != "" && got != c.json {
			t.Errorf("%s: got %s, %v; want %s, %s", c.name, got, err, c.want, c.json)
		}
	}
}

// TestBannerSilence waits no longer than the grab may take.
func TestBannerSilence(t *testing.T) {
	m, err := New("banner", bannerArg())
	if err != nil {
		t.Fatal(err)
	}
	s := session(t, serve(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }), 0)
	defer s.Conn.Close()
	s.Conn = grab.Cap(s.Conn, grab.Limits{Timeout: 50 * time.Millisecond})
	if _, err := m.Grab(t.Context(), s); grab.StatusOf(err) != grab.IOTimeout {
		t.Errorf("got %v", err)
	}
}

// TestBannerOverTLS reads inside TLS.
func TestBannerOverTLS(t *testing.T) {
	cfg := serverConfig(t)
	_, got, err := grabbed(t, "banner", bannerArg("tls", "first", "quiet", "2s"), func(c net.Conn) {
		sc := tls.Server(c, cfg)
		_, _ = sc.Write([]byte("hello"))
		_ = sc.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
	want(t, got, `"banner":"hello","length":5`, certificateInTLS)
}

// TestBannerSpeaksFirst says whether the server has to be told that the connection stands.
func TestBannerSpeaksFirst(t *testing.T) {
	for probe, want := range map[string]bool{"": true, "x": false} {
		args := bannerArg()
		if probe != "" {
			args["probe"] = probe
		}
		m, err := New("banner", args)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Describe().ServerFirst; got != want {
			t.Errorf("probe %q: server first: %v, want %v", probe, got, want)
		}
	}
}

// FuzzParseProbe reads any text, and gives back what was escaped.
func FuzzParseProbe(f *testing.F) {
	for _, s := range []string{`HELP\r\n`, `\x00\0\\`, `\x4`, `\`, `\q`, "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if b, err := parseProbe(s); err == nil && (len(b) == 0 || len(b) > maxBannerProbe || len(b) > len(s)) {
			t.Errorf("%q gave %d bytes", s, len(b))
		}
		if len(s) == 0 || len(s) > maxBannerProbe {
			return
		}
		var escaped strings.Builder
		for i := range len(s) {
			escaped.WriteString(`\x` + hex.EncodeToString([]byte{s[i]}))
		}
		if b, err := parseProbe(escaped.String()); err != nil || string(b) != s {
			t.Errorf("%q came back as %q, %v", s, b, err)
		}
	})
}

// FuzzParse reads what users write of modules.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"tls", "tls,mode=certs,alpn=h2+http/1.1,roots=none", "banner,probe=a,b,c\\r\\n,roots=none", "banner,max=1,max=2", ",=", "x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if strings.Contains(s, "roots=") && !strings.Contains(s, "roots=none") {
			return // reads files
		}
		m, err := Parse(s)
		if err == nil && !strings.HasPrefix(s, m.Describe().Name) {
			t.Errorf("%q is module %s", s, m.Describe().Name)
		}
	})
}

// TestParse has commas in values.
func TestParse(t *testing.T) {
	m, err := Parse(`banner,probe=a,b\r\n,as=hex,roots=none`)
	if err != nil {
		t.Fatal(err)
	}
	if b := m.(*bannerModule); string(b.probe) != "a,b\r\n" || b.as != bannerHex {
		t.Errorf("got %q, %s", b.probe, b.as)
	}
	for text, want := range map[string]string{
		"nothing": "no module", "banner,max=0": "banner: max=0", "banner,max=1,max=2": "max= is there twice", "banner,x=1,y=2": "x=1",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}

// TestBannerEnds with its context, though the server goes on and on.
func TestBannerEnds(t *testing.T) {
	m, err := New("banner", bannerArg("max", "65536", "quiet", "1m"))
	if err != nil {
		t.Fatal(err)
	}
	s := session(t, serve(t, func(c net.Conn) {
		for {
			if _, err := c.Write([]byte("x")); err != nil {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}), 0)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := m.Grab(ctx, s); err != nil || time.Since(start) > 5*time.Second {
		t.Errorf("%v, after %v", err, time.Since(start))
	}
}

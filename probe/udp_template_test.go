package probe

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/permute"
	"github.com/zmap-go/zmap/target"
	"github.com/zmap-go/zmap/validate"
)

// templated returns the module udp with a template of this text.
func templated(t testing.TB, text string) Probe {
	t.Helper()
	path := filepath.Join(t.TempDir(), "template")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := newUDP(Args{Text: "template:" + path})
	if err != nil {
		t.Fatalf("template %q: %v", text, err)
	}
	return p
}

// seeded is the randomness of the first sender of a scan with this seed: the stream whose seed is the lower half of the
// third word of the scan's.
func seeded(seed uint64) func() uint64 {
	words := permute.NewWords(seed)
	words.Next()
	words.Next()
	return permute.NewWords(words.Next() & 0xffffffff).Next
}

// payloadOf returns the payload of the next frame of an encoder, whose lengths it checks.
func payloadOf(t testing.TB, e Encoder, frame []byte, s *Shot) []byte {
	t.Helper()
	n := e.Patch(frame, s)
	ip := packet.IPv4(frame[14:])
	u := packet.UDP(frame[34:n])
	if ip.TotalLen() != n-14 || u.Length() != n-34 || !ip.ChecksumOK() {
		t.Fatalf("frame of %d bytes, IP length %d, UDP length %d, IP checksum right: %v", n, ip.TotalLen(), u.Length(), ip.ChecksumOK())
	}
	return frame[42:n]
}

// TestTemplateRandomness has the vectors that C ZMap 4.3 produced with seed 3, one thread, one target.
func TestTemplateRandomness(t *testing.T) {
	for text, want := range map[string]string{
		"${RAND_DIGIT=4}${RAND_ALPHA=3}":     "0990EnK",
		"${RAND_BYTE=4}${RAND_ALPHANUM=5}":   "\xdf\xa6\x6e\xa7uFSFn",
		"a${RAND_DIGIT=4}b${RAND_ALPHA=3}c":  "a0990bEnKc",
		"${RAND_BYTE}${RAND_DIGIT=4}":        "0990",
		"${RAND_DIGIT=0}${RAND_DIGIT=0004}.": "0990.",
	} {
		r := testRoute(true, 1)
		r.Random = seeded(3)
		e, frame, s := templated(t, text).NewEncoder(r), make([]byte, link.MaxFrame), goldenShot()
		e.Template(1, frame)
		if got := string(payloadOf(t, e, frame, &s)); got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}

// TestTemplateRandomRanges draws many items: all of a set come, and nothing else.
func TestTemplateRandomRanges(t *testing.T) {
	r := testRoute(true, 1)
	r.Random = seeded(4)
	for name, want := range map[string]int{"RAND_DIGIT": 10, "RAND_ALPHA": 52, "RAND_ALPHANUM": 62, "RAND_BYTE": 256} {
		e, frame, s := templated(t, "${"+name+"=1472}").NewEncoder(r), make([]byte, link.MaxFrame), goldenShot()
		e.Template(1, frame)
		seen := make(map[byte]bool)
		for range 10 {
			for _, c := range payloadOf(t, e, frame, &s) {
				seen[c] = true
				digit, letter := c >= '0' && c <= '9', c|0x20 >= 'a' && c|0x20 <= 'z'
				if name == "RAND_DIGIT" && !digit || name == "RAND_ALPHA" && !letter || name == "RAND_ALPHANUM" && !digit && !letter {
					t.Fatalf("%s: byte %q", name, c)
				}
			}
		}
		if len(seen) != want {
			t.Errorf("%s: %d different bytes, want %d", name, len(seen), want)
		}
	}
}

func TestTemplateFields(t *testing.T) {
	s := goldenShot() // 192.0.2.2 port 56937 to 8.8.8.215 port 80
	for text, want := range map[string]string{
		"${SADDR}":                  "192.0.2.2",
		"${SADDR_N}":                "\xc0\x00\x02\x02",
		"${DADDR}":                  "8.8.8.215",
		"${DADDR_N}":                "\x08\x08\x08\xd7",
		"${SPORT}":                  "56937",
		"${SPORT_N}":                "\xde\x69",
		"${DPORT}":                  "80",
		"${DPORT_N}":                "\x00\x50",
		"${HEX=0d0A}":               "\r\n",
		"<${DADDR}:${DPORT}>":       "<8.8.8.215:80>",
		"${DADDR=17}":               "8.8.8.215",  // an argument that is not wanted
		"$${DADDR}":                 "$8.8.8.215", // a dollar, then a field
		"$ {DADDR} ${DPORT}":        "$ {DADDR} 80",
		"${NOSUCH}${DPORT}":         "${NOSUCH}80",
		"${daddr}${DPORT}":          "${daddr}80",
		"${}${DPORT}":               "${}80",
		"${DPORT}${NOSUCH}":         "80${NOSUCH}",
		"${DPORT}${DADDR":           "80${DADDR",
		"${${DPORT}}${DPORT}":       "${${DPORT}}80",
		"${DPORT}$":                 "80$",
		"${DPORT}\x00\xff\n":        "80\x00\xff\n",
		"${SADDR_N}${UNIXTIME_SEC}": "\xc0\x00\x02\x02\x5f\x5e\x10\x00",
		"${UNIXTIME_USEC}":          "\x00\x0b\x71\xb0",                 // 750000
		"${NTP_TIMESTAMP}":          "\xe3\x08\x8e\x80\xc0\x00\x00\x00", // 1600000000 + 2208988800 is e3088e80; three quarters
	} {
		e, frame := templated(t, text).NewEncoder(testRoute(true, 1)), make([]byte, link.MaxFrame)
		if te, ok := e.(*templateEncoder); ok {
			te.now = func() time.Time { return time.Unix(testUnix, 750_000_999) }
		} else {
			t.Fatalf("%s: no template", text)
		}
		e.Template(1, frame)
		if got := string(payloadOf(t, e, frame, &s)); got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}

// TestTemplateWithoutFields says that a text without fields is sent as it is, dollars and all.
func TestTemplateWithoutFields(t *testing.T) {
	for _, text := range []string{"", "plain", "$", "${", "${NOSUCH=3}", "a${b"} {
		e, frame, s := templated(t, text).NewEncoder(testRoute(true, 1)), make([]byte, link.MaxFrame), goldenShot()
		e.Template(1, frame)
		if got := string(payloadOf(t, e, frame, &s)); got != text {
			t.Errorf("%q: got %q", text, got)
		}
	}
}

func TestTemplateErrors(t *testing.T) {
	for text, want := range map[string]string{
		"${RAND_BYTE=}":                             "line 1, column 1: field ${RAND_BYTE=}",
		"a${DADDR}\n\r\nbc${HEX=abc}":               "line 3, column 3: field ${HEX=abc}",
		"\n${RAND_DIGIT=x}":                         "line 2, column 1: field ${RAND_DIGIT=x}",
		"${RAND_DIGIT=-1}":                          "${RAND_DIGIT=-1}",
		"${RAND_DIGIT=x}":                           "${RAND_DIGIT=x}",
		"${RAND_ALPHA=1473}":                        "${RAND_ALPHA=1473}",
		"${RAND_ALPHA=99999999999}":                 "number from 0 to 1472",
		"${HEX=abc}":                                "${HEX=abc}",
		"${HEX=zz}":                                 "two hexadecimal digits",
		"${RAND_BYTE=1000}${RAND_BYTE=473}":         "1473 bytes",
		strings.Repeat("x", 1458) + "${DADDR}":      "1473 bytes",
		strings.Repeat("x", 1458) + "${RAND_BYTE=9": "", // no field: the bytes as they are
	} {
		path := filepath.Join(t.TempDir(), "template")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := newUDP(Args{Text: "template:" + path})
		if want == "" {
			if err != nil {
				t.Errorf("%.40q: %v", text, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%.40q: error %v, want one that names the file and says %q", text, err, want)
		}
	}
}

// TestTemplateLengthsInTurn patches two slots in turn with payloads of all lengths, and compares every byte.
func TestTemplateLengthsInTurn(t *testing.T) {
	r, tags := rand.New(rand.NewPCG(41, 42)), tagger(3)
	p := templated(t, "to ${DADDR}:${DPORT} from ${SADDR}:${SPORT}")
	for _, ether := range []bool{true, false} {
		route := testRoute(ether, 2)
		e, slots := p.NewEncoder(route), dirty()
		for i := range slots {
			if n, want := e.Template(1, slots[i]), p.Describe().FrameLen; ether && n != want {
				t.Fatalf("Template says %d bytes, FrameLen %d", n, want)
			}
		}
		for i := range 1000 {
			s := Shot{Target: target.Target{Addr: randAddr(r), Port: uint16(r.Uint32() >> r.IntN(16))}, Src: randAddr(r), Try: r.IntN(3)}
			s.Tag = tags.Tag(s.Src, s.Addr, s.Port)
			text := fmt.Sprintf("to %v:%d from %v:%d", s.Addr, s.Port, s.Src, validate.DefaultPorts().Of(s.Tag, s.Try))
			if ether {
				s.Hop = uint16(r.IntN(2))
			}
			got := slots[i%2][:e.Patch(slots[i%2], &s)]
			if want := wantDatagram(t, route, &s, []byte(text)); !bytes.Equal(got, want) {
				t.Fatalf("ether %v, probe %d, %+v:\ngot  %x\nwant %x", ether, i, s, got, want)
			}
		}
	}
}

// TestTemplateHelp says that every field is listed, one a line.
func TestTemplateHelp(t *testing.T) {
	_, err := newUDP(Args{Text: "template-fields"})
	help, ok := err.(*HelpError)
	if !ok {
		t.Fatalf("error %v, want a HelpError", err)
	}
	for _, name := range []string{
		"SADDR_N", "SADDR", "DADDR_N", "DADDR", "SPORT_N", "SPORT", "DPORT_N", "DPORT", "RAND_BYTE", "RAND_DIGIT", "RAND_ALPHA",
		"RAND_ALPHANUM", "HEX", "UNIXTIME_SEC", "UNIXTIME_USEC", "NTP_TIMESTAMP",
	} {
		if !strings.Contains(help.Text, "\n"+name+" ") {
			t.Errorf("%s is not listed in:\n%s", name, help.Text)
		}
	}
}

// FuzzTemplate reads arbitrary templates: what is accepted makes payloads within its own bounds, and a text without "${" is
// sent as it is.
func FuzzTemplate(f *testing.F) {
	for _, text := range []string{"${DADDR}", "${RAND_BYTE=4}x${SPORT_N}", "${HEX=00}", "$${${}}", "${RAND_DIGIT=1472}", "${NTP_TIMESTAMP}a"} {
		f.Add(text)
	}
	for _, p := range Payloads() {
		f.Add(p.Bytes)
	}
	s, ether := goldenShot(), testRoute(true, 1)
	f.Fuzz(func(t *testing.T, text string) {
		fields, err := parseTemplate(text)
		if err != nil || fields == nil {
			if fields == nil && err == nil && strings.Contains(text, "${DADDR}") && !strings.Contains(text[:strings.Index(text, "${DADDR}")], "${") {
				t.Fatalf("%q: no fields found", text)
			}
			return
		}
		e := newTemplateEncoder(newDatagram(ether, nil), fields)
		frame := make([]byte, link.MaxFrame)
		if n := e.Template(1, frame); n != 42+fields.longest || n > link.MaxFrame {
			t.Fatalf("%q: Template says %d, longest %d", text, n, fields.longest)
		}
		b := payloadOf(t, e, frame, &s)
		if len(b) > fields.longest || fields.fixed && len(b) != fields.longest {
			t.Fatalf("%q: payload of %d bytes, longest %d, fixed %v", text, len(b), fields.longest, fields.fixed)
		}
		if before, _, _ := strings.Cut(text, "${"); !strings.HasPrefix(string(b), before) {
			t.Fatalf("%q: payload %q does not begin with %q", text, b, before)
		}
	})
}

// TestTimeNow says that templates with the time in them read the clock.
func TestTimeNow(t *testing.T) {
	e, frame, s := templated(t, "${UNIXTIME_SEC}${UNIXTIME_USEC}").NewEncoder(testRoute(true, 1)), make([]byte, link.MaxFrame), goldenShot()
	e.Template(1, frame)
	before := time.Now().Unix()
	b := payloadOf(t, e, frame, &s)
	got := int64(binary.BigEndian.Uint32(b))
	if after := time.Now().Unix(); got < before || got > after || binary.BigEndian.Uint32(b[4:]) >= 1_000_000 {
		t.Errorf("got %x, want a time from %d to %d", b, before, after)
	}
}

package probe

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/record"
)

// A dnsRow is what the tests look at of a row: the plain fields as text, and the lists as lines.
type dnsRow struct {
	Fields map[string]string
	Lists  [4][]string
}

// lines returns objects as "name=value ..." each.
func lines(list []record.Object) []string {
	var out []string
	for _, o := range list {
		var b strings.Builder
		for i, m := range o {
			if i > 0 {
				b.WriteByte(' ')
			}
			switch v := m.Value; v.Kind() {
			case record.KindBytes:
				fmt.Fprintf(&b, "%s=0x%x", m.Name, v.Bytes())
			case record.KindString:
				fmt.Fprintf(&b, "%s=%q", m.Name, v.Text())
			default:
				fmt.Fprintf(&b, "%s=%d", m.Name, v.Uint())
			}
		}
		out = append(out, b.String())
	}
	return out
}

// dnsRowOf decodes a frame that answers a probe of withPort(53).
func dnsRowOf(t testing.TB, c datagramCase, frame []byte) dnsRow {
	t.Helper()
	r := decoded(t, c.probe(t).NewDecoder(), c.probe(t).Describe().Schema, frame, 2)
	out := dnsRow{Fields: rowOf(t, c, frame)}
	for i := range out.Lists {
		v := &r.Values[dnsQuestions+i]
		if v.Kind() != record.KindList {
			t.Errorf("list %d is of kind %d: an empty list is not null", i, v.Kind())
		}
		out.Lists[i] = lines(v.List())
	}
	return out
}

// answering returns the frame of an answer to s whose message is the hex text with the right number in front.
func answering(t testing.TB, s *Shot, text string) []byte {
	t.Helper()
	return reply(t, s, append([]byte{s.Tag[8], s.Tag[9]}, unhex(t, text)...))
}

// The question of these tests, behind the number.
const (
	askedExample = `07 6578616d706c65 03 636f6d 00 0001 0001 # example.com A IN` + "\n"
	example1     = `8180 0001 0001 0000 0000 # answer, recursion desired and available` + "\n" + askedExample
)

func TestDecodeDNS(t *testing.T) {
	c, s := datagramCase{name: "dns", args: "A,example.com"}, withPort(53)
	const question = `name="example.com" qtype=1 qtype_str="A" qclass=1`
	frame := answering(t, &s, `8580 0001 0002 0001 0002 # answer, authoritative, recursion desired and available
		`+askedExample+`
		c00c 0005 0001 0000012c 0006 03 777777 c00c # CNAME www.example.com, at 41
		c029 0001 0001 00000e10 0004 5db8d822       # www.example.com A 93.184.216.34
		c014 0002 0001 0002a300 0014 01 61 0c 67746c642d73657276657273 03 6e6574 00 # com NS a.gtld-servers.net
		c029 001c 0001 0000003c 0010 2606 2800 0220 0001 0248 1893 25c8 1946
		00 0029 04d0 00 00 8000 0000                # OPT, 1232 bytes, DNSSEC OK`)
	raw := hex.EncodeToString(frame[42:])
	got := dnsRowOf(t, c, frame)
	want := dnsRow{
		Fields: plus(portsOf(&s), map[string]string{
			"classification": "dns", "success": "true", "app_success": "true", "udp_len": fmt.Sprint(8 + len(raw)/2),
			"dns_id": fmt.Sprint(s.Tag.DNSID()), "dns_rd": "1", "dns_tc": "0", "dns_aa": "1", "dns_opcode": "0", "dns_qr": "1",
			"dns_rcode": "0", "dns_cd": "0", "dns_ad": "0", "dns_z": "0", "dns_ra": "1", "dns_qdcount": "1", "dns_ancount": "2",
			"dns_nscount": "1", "dns_arcount": "2", "dns_parse_err": "0", "dns_unconsumed_bytes": "0", "raw_data": raw,
		}),
		Lists: [4][]string{
			{question},
			{
				`name="example.com" type=5 type_str="CNAME" class=1 ttl=300 rdlength=6 rdata_is_parsed=1 rdata="www.example.com"`,
				`name="www.example.com" type=1 type_str="A" class=1 ttl=3600 rdlength=4 rdata_is_parsed=1 rdata="93.184.216.34"`,
			},
			{`name="com" type=2 type_str="NS" class=1 ttl=172800 rdlength=20 rdata_is_parsed=1 rdata="a.gtld-servers.net"`},
			{
				`name="www.example.com" type=28 type_str="AAAA" class=1 ttl=60 rdlength=16 rdata_is_parsed=1 rdata="2606:2800:220:1:248:1893:25c8:1946"`,
				`name="" type=41 type_str="OPT" class=1232 ttl=32768 rdlength=0 rdata_is_parsed=0 rdata=0x`,
			},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestDecodeDNSRefused has the rows of what is no success: nothing of the message is shown but its bytes.
func TestDecodeDNSRefused(t *testing.T) {
	c, s := datagramCase{name: "dns", args: "A,example.com"}, withPort(53)
	none := map[string]string{"app_success": "false", "dns_parse_err": "1", "dns_unconsumed_bytes": "0"}
	icmp := c.about(t, &s, 8).frame(t)
	want := dnsRow{Fields: plus(refused(), none, map[string]string{"raw_data": hex.EncodeToString(icmp)})}
	if diff := cmp.Diff(want, dnsRowOf(t, c, icmp)); diff != "" {
		t.Errorf("ICMP error (-want +got):\n%s", diff)
	}
	answer := append([]byte{s.Tag[8], s.Tag[9]}, unhex(t, example1+`c00c 0001 0001 00000e10 0004 5db8d822`)...)
	for name, change := range map[string]func(b []byte){
		"another number":       func(b []byte) { b[1] ^= 1 },
		"another name":         func(b []byte) { b[13] ^= 1 },
		"another case":         func(b []byte) { b[13] ^= 0x20 },
		"another type":         func(b []byte) { b[26] = 28 },
		"another class":        func(b []byte) { b[28] = 3 },
		"another label length": func(b []byte) { b[12] = 6 },
	} {
		b := bytes.Clone(answer)
		change(b)
		want := dnsRow{Fields: plus(portsOf(&s), none, map[string]string{
			"classification": "dns", "success": "false", "udp_len": fmt.Sprint(8 + len(b)), "raw_data": hex.EncodeToString(b),
		})}
		if diff := cmp.Diff(want, dnsRowOf(t, c, reply(t, &s, b))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestDNSHeader sets each bit of the header alone.
func TestDNSHeader(t *testing.T) {
	c, s := datagramCase{name: "dns", args: "A,example.com"}, withPort(53)
	for bit, want := range map[uint16]string{
		0x8000: "dns_qr=1 app", 0x0800: "dns_opcode=1", 0x4000: "dns_opcode=8", 0x0400: "dns_aa=1", 0x0200: "dns_tc=1", 0x0100: "dns_rd=1",
		0x0080: "dns_ra=1", 0x0040: "dns_z=1", 0x0020: "dns_ad=1", 0x0010: "dns_cd=1", 0x0008: "dns_rcode=8", 0x0001: "dns_rcode=1",
		0x8005: "dns_qr=1 dns_rcode=5", 0: "",
	} {
		got := dnsRowOf(t, c, answering(t, &s, fmt.Sprintf("%04x 0001 0000 0000 0000", bit)+askedExample)).Fields
		var set []string
		for _, name := range strings.Fields("dns_qr dns_opcode dns_aa dns_tc dns_rd dns_ra dns_z dns_ad dns_cd dns_rcode") {
			if got[name] != "0" {
				set = append(set, name+"="+got[name])
			}
		}
		if got["app_success"] == "true" {
			set = append(set, "app")
		}
		if strings.Join(set, " ") != want || got["success"] != "true" {
			t.Errorf("flags %04x: got %q, success %s, want %q", bit, set, got["success"], want)
		}
	}
}

// TestDNSSeveralQuestions says which question a probe carries, and that an answer to any of them is a success.
func TestDNSSeveralQuestions(t *testing.T) {
	c := datagramCase{name: "dns", args: ";A,example.com;MX:nr,zmap.io;TXT,a.example.;"}
	if got := c.probe(t).Describe().TriesMultiple; got != 3 {
		t.Errorf("TriesMultiple is %d, want 3", got)
	}
	for try := range 6 {
		s := withPort(53)
		s.Try = try
		var p dnsmessage.Parser
		if _, err := p.Start(c.frame(t, testRoute(true, 1), &s)[42:]); err != nil {
			t.Fatal(err)
		}
		q, err := p.Question()
		if want := []string{"example.com.", "zmap.io.", "a.example."}[try%3]; err != nil || q.Name.String() != want {
			t.Errorf("probe %d: asks %v, error %v, want %s", try, q, err, want)
		}
		s.Try = try % 2
		sent := s
		sent.Try = try
		if got := dnsRowOf(t, c, reply(t, &s, c.frame(t, testRoute(true, 1), &sent)[42:])).Fields; got["success"] != "true" || got["app_success"] != "false" {
			t.Errorf("probe %d, sent back as it is: success %s, app_success %s", try, got["success"], got["app_success"])
		}
	}
}

func TestDNSArguments(t *testing.T) {
	for args, w := range map[string]struct {
		message  string // behind the number
		warnings int
	}{
		";":                         {"0100 0001 0000 0000 0000 03 777777 06 676f6f676c65 03 636f6d 00 0001 0001", 1},
		"A,x":                       {"0100 0001 0000 0000 0000 01 78 00 0001 0001", 0},
		"A,x.":                      {"0100 0001 0000 0000 0000 01 78 00 0001 0001", 0},
		"NS,.":                      {"0100 0001 0000 0000 0000 00 0002 0001", 0},
		"ALL:nr,x":                  {"0000 0001 0000 0000 0000 01 78 00 00ff 0001", 0},
		"HTTPS,x":                   {"0100 0001 0000 0000 0000 01 78 00 0041 0001", 0},
		"TYPE65280,x":               {"0100 0001 0000 0000 0000 01 78 00 ff00 0001", 0},
		"A:edns,x":                  {"0100 0001 0000 0000 0001 01 78 00 0001 0001 00 0029 04d0 00000000 0000", 0},
		"A:nr:edns=4096:do,x":       {"0000 0001 0000 0000 0001 01 78 00 0001 0001 00 0029 1000 00008000 0000", 0},
		"A:rd,x":                    {"0100 0001 0000 0000 0000 01 78 00 0001 0001", 1},
		"A:,x":                      {"0100 0001 0000 0000 0000 01 78 00 0001 0001", 1}, // C ZMap ends here
		"A,x,ignored,too":           {"0100 0001 0000 0000 0000 01 78 00 0001 0001", 0},
		"A,a b_c-\xff":              {"0100 0001 0000 0000 0000 07 6120625f632dff 00 0001 0001", 0},
		"A," + long63() + ".x":      {"0100 0001 0000 0000 0000 3f" + strings.Repeat("61", 63) + "01 78 00 0001 0001", 0},
		"A," + longest():            {"0100 0001 0000 0000 0000" + strings.Repeat("3f"+strings.Repeat("61", 63), 3) + "3d" + strings.Repeat("61", 61) + "00 0001 0001", 0},
		"RRSIG,example.com;A:nr,xy": {"0100 0001 0000 0000 0000 07 6578616d706c65 03 636f6d 00 002e 0001", 0},
	} {
		c, s := datagramCase{name: "dns", args: args}, withPort(53)
		if got, want := hex.EncodeToString(c.frame(t, testRoute(true, 1), &s)[44:]), hex.EncodeToString(unhex(t, w.message)); got != want {
			t.Errorf("%.30q:\ngot  %s\nwant %s", args, got, want)
		}
		if got := c.probe(t).Describe().Warnings; len(got) != w.warnings {
			t.Errorf("%.30q: warnings %q, want %d", args, got, w.warnings)
		}
	}
}

func long63() string { return strings.Repeat("a", 63) }

// longest is a name that takes 255 bytes.
func longest() string { return strings.Repeat(long63()+".", 3) + long63()[:61] }

func TestDNSArgumentErrors(t *testing.T) {
	for args, want := range map[string]string{
		"":                     "A,example.com",
		"A":                    "comma",
		"example.com":          "comma",
		"a,example.com":        `unknown type "a"`,
		"SRVX,example.com":     `unknown type "SRVX"`,
		"TYPE65536,x":          `unknown type "TYPE65536"`,
		"TYPE,x":               `unknown type "TYPE"`,
		",x":                   `unknown type ""`,
		":nr,x":                `unknown type ""`,
		"A,":                   "no name",
		"A,x;;A,y":             `question ""`,
		";;":                   "", // a question with nothing in it
		"A,a..b":               `label ""`,
		"A,.a":                 `label ""`,
		"A,a..":                `label ""`,
		"A," + long63() + "a":  "64 bytes",
		"A,a" + longest():      "64 bytes",
		"A," + longest() + "a": "256 bytes",
		"A:edns=511,x":         `"edns=511"`,
		"A:edns=,x":            `"edns="`,
		"A:edns=65536,x":       `"edns=65536"`,
	} {
		p, err := newDNS(Args{Text: args})
		if want == "" {
			if err != nil {
				t.Errorf("%q: %v", args, err)
			}
			continue
		}
		if err == nil || p != nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "dns: ") {
			t.Errorf("%.30q: got %v, error %v, want one that says %q", args, p, err, want)
		}
	}
}

// FuzzParseDNSQuestions reads arbitrary arguments: what is accepted is a message that a second opinion can read, or would but
// for bytes that it does not like in names.
func FuzzParseDNSQuestions(f *testing.F) {
	for _, text := range []string{"A,example.com", ";MX:nr:edns,a.b;TXT:do:edns=700,.;", "A:,x", "TYPE0,x", "A,a..b", ";"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		questions, _, err := parseDNSQuestions(text)
		if err != nil {
			if questions != nil {
				t.Fatalf("%q: questions and an error", text)
			}
			return
		}
		for _, q := range questions {
			if len(q.message) > 512 || !bytes.Equal(q.message[12:12+len(q.asked)], q.asked) {
				t.Fatalf("%q: message %x, asked %x", text, q.message, q.asked)
			}
			d := dnsReader{msg: q.message, at: dnsHeaderLen, row: record.New(record.NewSchema())}
			if _, ok := d.question(); !ok || d.at != 12+len(q.asked) {
				t.Fatalf("%q: our own question cannot be read: %x", text, q.message)
			}
			var m dnsmessage.Message
			if err := m.Unpack(q.message); err != nil && !strings.Contains(err.Error(), "invalid name") && !strings.Contains(err.Error(), "too long") {
				t.Fatalf("%q: %v in %x", text, err, q.message)
			}
		}
	})
}

// TestDNSCutByTheCapture says that an answer longer than the capture makes a row as far as it goes.
func TestDNSCutByTheCapture(t *testing.T) {
	c, s := datagramCase{name: "dns", args: "A,example.com"}, withPort(53)
	frame := answering(t, &s, example1+`c00c 0010 0001 00000e10 2000`+strings.Repeat("ff"+strings.Repeat("61", 255), 32))
	got := dnsRowOf(t, c, frame[:c.probe(t).Describe().Capture.Snap])
	if got.Fields["success"] != "true" || got.Fields["dns_parse_err"] != "1" || got.Fields["udp_len"] != "8241" {
		t.Errorf("got %v", got.Fields)
	}
}

// TestDNSRowIsACopy says that data in hexadecimal does not change when the frame is overwritten.
func TestDNSRowIsACopy(t *testing.T) {
	c, s := datagramCase{name: "dns", args: "A,example.com"}, withPort(53)
	frame := answering(t, &s, example1+`c00c 0063 0001 00000e10 0004 01020304`)
	r := decoded(t, c.probe(t).NewDecoder(), c.probe(t).Describe().Schema, frame, 1)
	clear(frame)
	if got := lines(r.Values[dnsAnswers].List()); len(got) != 1 || !strings.HasSuffix(got[0], "rdata=0x01020304") {
		t.Errorf("got %q", got)
	}
}

// TestDNSFirstFragment says that the first piece of a long answer makes a row as far as it goes.
func TestDNSFirstFragment(t *testing.T) {
	c, s := datagramCase{name: "dns", args: "A,example.com"}, withPort(53)
	frame := answering(t, &s, example1+`c00c 0010 0001 00000e10 0200 ff 6161`)
	packet.UDP(frame[34:]).SetLength(600)
	if _, ok := matchDatagram(t, c, frame, 1); ok {
		t.Fatal("a whole packet with a wrong length is accepted")
	}
	frame[20] |= 0x20 // more fragments
	got := dnsRowOf(t, c, frame)
	if got.Fields["success"] != "true" || got.Fields["dns_parse_err"] != "1" || got.Fields["dns_unconsumed_bytes"] != "15" || got.Fields["udp_len"] != "600" {
		t.Errorf("got %v", got.Fields)
	}
}

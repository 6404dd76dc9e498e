package probe

import (
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/record"
)

// rowOf decodes a frame that answers a probe of withPort and returns the fields that are not null, as text. Lists are left
// out.
func rowOf(t testing.TB, c datagramCase, frame []byte) map[string]string {
	t.Helper()
	schema := c.probe(t).Describe().Schema
	r := decoded(t, c.probe(t).NewDecoder(), schema, frame, 2)
	clear(frame) // a row must not change with the frame it came from
	out := make(map[string]string)
	for i := range r.Values {
		v, name := &r.Values[i], schema.Field(i).Name
		switch v.Kind() {
		case record.KindUint:
			out[name] = strconv.FormatUint(v.Uint(), 10)
		case record.KindBool:
			out[name] = strconv.FormatBool(v.Bool())
		case record.KindString:
			out[name] = v.Text()
		case record.KindBytes:
			out[name] = hex.EncodeToString(v.Bytes())
		case record.KindAddr:
			out[name] = v.Addr().String()
		case record.KindNull, record.KindList:
		default:
			t.Errorf("field %s has a value of kind %d", name, v.Kind())
		}
	}
	return out
}

// withPort returns goldenShot for a port, with the tag that the tests' key gives.
func withPort(port uint16) Shot {
	s := goldenShot()
	s.Port = port
	s.Tag = tagger(1).Tag(s.Src, s.Addr, s.Port)
	return s
}

// plus returns the union of maps.
func plus(maps ...map[string]string) map[string]string {
	out := make(map[string]string)
	for _, m := range maps {
		for k, v := range m {
			out[k] = v
		}
	}
	return out
}

// ports are what every UDP answer to s has.
func portsOf(s *Shot) map[string]string {
	return map[string]string{
		"sport": strconv.Itoa(int(s.Port)), "dport": strconv.Itoa(int(testRoute(false, 0).Ports.Of(s.Tag, s.Try))),
	}
}

// refused is the row of an ICMP port unreachable.
func refused() map[string]string {
	return map[string]string{
		"classification": "icmp", "success": "false", "icmp_responder": "203.0.113.9", "icmp_type": "3", "icmp_code": "3",
		"icmp_unreach_str": "port unreachable",
	}
}

func TestDecodeUDP(t *testing.T) {
	c, s := firstOf("udp"), withPort(7)
	row := func(more ...string) map[string]string {
		out := plus(portsOf(&s), map[string]string{"classification": "udp", "success": "true"})
		for i := 0; i < len(more); i += 2 {
			out[more[i]] = more[i+1]
		}
		return out
	}
	sized := func(n int, payload string) []byte {
		frame := reply(t, &s, []byte(payload))
		packet.UDP(frame[34:]).SetLength(n)
		return frame
	}
	for name, w := range map[string]struct {
		frame []byte
		want  map[string]string
	}{
		"answer":                 {reply(t, &s, []byte("echo")), row("udp_pkt_size", "12", "data", "6563686f")},
		"one byte, and padding":  {reply(t, &s, []byte{0}), row("udp_pkt_size", "9", "data", "00")},
		"empty":                  {reply(t, &s, nil), row("udp_pkt_size", "8")},
		"length of less":         {sized(10, "echo"), row("udp_pkt_size", "10", "data", "6563")},
		"length of more":         {sized(65535, "echo"), row("udp_pkt_size", "65535", "data", "6563686f")},
		"length of a header":     {sized(8, "echo"), row("udp_pkt_size", "8")},
		"length below a header":  {sized(0, "echo"), row("udp_pkt_size", "0")},
		"length just below that": {sized(7, "echo"), row("udp_pkt_size", "7")},
		"as long as can be":      {reply(t, &s, make([]byte, 1472)), row("udp_pkt_size", "1480", "data", strings.Repeat("00", 1472))},
		"ICMP error":             {c.about(t, &s, 8).frame(t), refused()},
	} {
		if diff := cmp.Diff(w.want, rowOf(t, c, w.frame)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestDatagramSchemas pins names, order and types of the fields, which users' scripts rely on.
func TestDatagramSchemas(t *testing.T) {
	const icmp = " icmp_responder:string icmp_type:int icmp_code:int icmp_unreach_str:string"
	for name, want := range map[string]string{
		"udp": "classification:string success:bool sport:int dport:int udp_pkt_size:int data:binary" + icmp,
		"ntp": "classification:string success:bool sport:int dport:int" + icmp + " LI_VN_MODE:int stratum:int poll:int precision:int " +
			"root_delay:int root_dispersion:int reference_clock_identifier:int reference_timestamp:int originate_timestamp:int " +
			"receive_timestamp:int transmit_timestamp:int",
		"upnp": "classification:string success:bool server:string location:string usn:string st:string ext:string " +
			"cache_control:string x_user_agent:string agent:string date:string sport:int dport:int" + icmp + " data:binary",
		"bacnet": "sport:int dport:int classification:string success:bool udp_payload:binary" + icmp,
		"dns": "sport:int dport:int classification:string success:bool app_success:bool" + icmp + " udp_len:int dns_id:int dns_rd:int " +
			"dns_tc:int dns_aa:int dns_opcode:int dns_qr:int dns_rcode:int dns_cd:int dns_ad:int dns_z:int dns_ra:int dns_qdcount:int " +
			"dns_ancount:int dns_nscount:int dns_arcount:int dns_questions:repeated dns_answers:repeated dns_authorities:repeated " +
			"dns_additionals:repeated dns_parse_err:int dns_unconsumed_bytes:int raw_data:binary",
	} {
		var got []string
		d := firstOf(name).probe(t).Describe()
		for _, f := range d.Schema.Fields() {
			got = append(got, f.Name+":"+f.Type.String())
			if len(f.Doc) < 3 {
				t.Errorf("%s: field %s is described as %q", name, f.Name, f.Doc)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, strings.Join(got, " "), want)
		}
		if d.Name != name || !d.Ports || d.FromResponder || d.Capture.Snap < 1518 || !d.Capture.UDP || !d.Capture.Errors || d.Capture.Ports != nil {
			t.Errorf("%s: description %+v", name, d)
		}
	}
}

func TestUDPArguments(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a:b")
	long := strings.Repeat("z", 1472)
	if err := os.WriteFile(path, []byte("from the file"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+"long", []byte(long+"cut"), 0o600); err != nil {
		t.Fatal(err)
	}
	for args, w := range map[string]struct {
		want     string
		warnings int
	}{
		"text:":                     {"", 0},
		"text:a:b":                  {"a:b", 0},
		"text:${DADDR}":             {"${DADDR}", 0}, // no template
		"t:short":                   {"short", 0},
		"te:short":                  {"short", 0},
		":none":                     {"none", 0},
		"f:" + path:                 {"from the file", 0},
		"file:" + path:              {"from the file", 0},
		"hex:":                      {"", 0},
		"h:0aFF":                    {"\x0a\xff", 0},
		"tem:" + path:               {"from the file", 0},
		"text:" + long:              {long, 0},
		"text:" + long + "x":        {long, 1},
		"file:" + path + "long":     {long, 1},
		"template:" + path + "long": {long, 1},
		"hex:" + strings.Repeat("7a", 1473): {
			long, 1,
		},
		"name:stun": {"\x00\x01\x00\x00\x21\x12\xa4\x42zmap-binding", 0},
		"n:coap":    {"\x40\x00\x5a\x4d", 0},
	} {
		c, s := datagramCase{name: "udp", args: args}, goldenShot()
		if got := string(c.frame(t, testRoute(true, 1), &s)[42:]); got != w.want {
			t.Errorf("%.30q: payload %.40q, want %.40q", args, got, w.want)
		}
		if got := c.probe(t).Describe().Warnings; len(got) != w.warnings {
			t.Errorf("%.30q: warnings %q, want %d", args, got, w.warnings)
		}
	}
}

func TestUDPArgumentErrors(t *testing.T) {
	dir := t.TempDir()
	for args, want := range map[string][]string{
		"":                       {`""`, "text:", "hex:", "file:", "template:", "name:"},
		"hello":                  {`"hello"`, "text:"},
		"texts:x":                {`"texts"`, "text:"},
		"Text:x":                 {`"Text"`},
		"x:y":                    {`"x"`, "text:"},
		"hex:abc":                {"hex:abc", "two hexadecimal digits"},
		"hex:0g":                 {"hex:0g", "two hexadecimal digits"},
		"file:" + dir + "/no":    {dir + "/no", "no such file"},
		"template:" + dir:        {dir},
		"name:nosuch":            {`"nosuch"`, "cldap", "sip", "stun"},
		"name:coap-core":         {"coap-core", "21 bytes", "700", "name:coap-core,amplify"},
		"name:coap-core,Amplify": {`"Amplify"`, "amplify"},
		"name:sip,fast":          {`"fast"`},
	} {
		p, err := newUDP(Args{Text: args})
		if err == nil || p != nil {
			t.Errorf("%q: got %v, error %v, want an error and nothing else", args, p, err)
			continue
		}
		var help *HelpError
		if errors.As(err, &help) {
			t.Errorf("%q: asks for help: %v", args, err)
		}
		for _, w := range append(want, "udp: ") {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%q: error %q does not say %q", args, err, w)
			}
		}
	}
}

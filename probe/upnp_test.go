package probe

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/record"
)

// upnpRouter is what a home router with miniupnpd answers.
const upnpRouter = "HTTP/1.1 200 OK\r\n" +
	"CACHE-CONTROL: max-age=120\r\n" +
	"ST: upnp:rootdevice\r\n" +
	"USN: uuid:3d3cec3a-8cf0-11e0-98ee-001a6bd2d07b::upnp:rootdevice\r\n" +
	"EXT:\r\n" +
	"SERVER: Debian/3.16 UPnP/1.1 MiniUPnPd/1.9\r\n" +
	"LOCATION: http://192.168.1.1:5000/rootDesc.xml\r\n" +
	"OPT: \"http://schemas.upnp.org/upnp/1/0/\"; ns=01\r\n" +
	"01-NLS: 1\r\n" +
	"BOOTID.UPNP.ORG: 1\r\n" +
	"CONFIGID.UPNP.ORG: 1337\r\n" +
	"\r\n"

func TestDecodeUPnP(t *testing.T) {
	c, s := firstOf("upnp"), withPort(1900)
	const ok = "HTTP/1.1 200 OK\r\n"
	for name, w := range map[string]struct {
		payload, class string
		headers        map[string]string
	}{
		"router": {upnpRouter, "upnp", map[string]string{
			"cache_control": "max-age=120", "st": "upnp:rootdevice", "ext": "",
			"usn":    "uuid:3d3cec3a-8cf0-11e0-98ee-001a6bd2d07b::upnp:rootdevice",
			"server": "Debian/3.16 UPnP/1.1 MiniUPnPd/1.9", "location": "http://192.168.1.1:5000/rootDesc.xml",
		}},
		"lines without a return":      {"HTTP/1.1 200 OK\nServer: a\nDATE:b", "upnp", map[string]string{"server": "a", "date": "b"}},
		"empty lines in between":      {"\r\n\n" + ok + "\r\n\nagent: c\r\n", "upnp", map[string]string{"agent": "c"}},
		"one blank goes, others stay": {ok + "Server:  a \r\n", "upnp", map[string]string{"server": " a "}},
		"the last one counts":         {ok + "ST:a\r\nst:b\r\n", "upnp", map[string]string{"st": "b"}},
		"two returns":                 {ok + "ST:a\r\r\n", "upnp", map[string]string{"st": "a\r"}},
		"underscores are no dashes":   {ok + "cache_control:a\r\nX-User-Agent: b", "upnp", map[string]string{"x_user_agent": "b"}},
		"longer keys":                 {ok + "ST2:a\r\nS:b\r\n:c\r\nserver :d", "upnp", nil},
		"no colon":                    {ok + "Server\r\nST", "upnp", nil},
		"not UTF-8":                   {ok + "Server: a\xff\xc3\xa9\xe2\x82z\r\n", "upnp", map[string]string{"server": "a\ufffdé\ufffd\ufffdz"}},
		"only the status":             {"HTTP/1.1 200 OK", "upnp", nil},
		"another status":              {"HTTP/1.1 404 Not Found\r\nServer: a\r\n", "no-http-header", nil},
		"another version":             {"HTTP/1.0 200 OK\r\n", "no-http-header", nil},
		"blank behind":                {"HTTP/1.1 200 OK \r\n", "no-http-header", nil},
		"notification":                {"NOTIFY * HTTP/1.1\r\nServer: a\r\n", "no-http-header", nil},
		"binary":                      {"\x00\x01\xff", "no-http-header", nil},
		"only ends of lines":          {"\r\n\r\n\n", "none", nil},
		"empty":                       {"", "none", nil},
	} {
		want := plus(portsOf(&s), w.headers, map[string]string{"classification": w.class, "success": "false"})
		if w.class == "upnp" {
			want["success"] = "true"
		}
		if w.payload != "" {
			want["data"] = hex.EncodeToString([]byte(w.payload))
		}
		if diff := cmp.Diff(want, rowOf(t, c, reply(t, &s, []byte(w.payload)))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if diff := cmp.Diff(refused(), rowOf(t, c, c.about(t, &s, 8).frame(t))); diff != "" {
		t.Errorf("ICMP error (-want +got):\n%s", diff)
	}
}

// slowUPnP is what the specification says of the text: split at line feeds, cut one return, drop what is empty.
func slowUPnP(payload string) (class string, headers map[string]string) {
	var lines []string
	for _, l := range strings.Split(payload, "\n") {
		if l = strings.TrimSuffix(l, "\r"); l != "" {
			lines = append(lines, l)
		}
	}
	if len(lines) == 0 {
		return "none", nil
	}
	if lines[0] != "HTTP/1.1 200 OK" {
		return "no-http-header", nil
	}
	headers = make(map[string]string)
	for _, l := range lines[1:] {
		if key, value, ok := strings.Cut(l, ":"); ok {
			key = strings.Map(func(r rune) rune {
				if r >= 'A' && r <= 'Z' {
					return r + 32
				}
				return r
			}, key)
			headers[key] = strings.Map(func(r rune) rune { return r }, strings.TrimPrefix(value, " "))
		}
	}
	return "upnp", headers
}

// FuzzDecodeUPnP compares rows of arbitrary payloads with the twin's.
func FuzzDecodeUPnP(f *testing.F) {
	for _, text := range []string{upnpRouter, "HTTP/1.1 200 OK\nST:a\r\nst: \xff", "\r\n", "HTTP/1.1 200 OK\r\nEXT:\r\nEXT:x:y\n\n:"} {
		f.Add([]byte(text))
	}
	c := firstOf("upnp")
	dec, row := c.probe(f).NewDecoder(), record.New(c.probe(f).Describe().Schema)
	f.Fuzz(func(t *testing.T, payload []byte) {
		row.Reset()
		dec.Decode(&packet.Parsed{Kind: packet.KindUDP, UDP: make([]byte, 8), Payload: payload}, row)
		class, headers := slowUPnP(string(payload))
		if got := row.Values[0].Text(); got != class || row.Values[1].Bool() != (class == "upnp") {
			t.Fatalf("%q: class %q, success %v, want %q", payload, got, row.Values[1].Bool(), class)
		}
		for i, name := range []string{"server", "location", "usn", "st", "ext", "cache-control", "x-user-agent", "agent", "date"} {
			want, present := headers[name]
			if got := &row.Values[2+i]; got.IsNull() == present || got.Text() != want {
				t.Fatalf("%q: %s is %q, null %v; want %q, present %v", payload, name, got.Text(), got.IsNull(), want, present)
			}
		}
	})
}

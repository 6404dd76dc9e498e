package probe

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/record"
)

func TestModules(t *testing.T) {
	var names []string
	for _, m := range Modules() {
		names = append(names, m.Name)
		if strings.TrimSpace(m.Help) == "" || strings.HasSuffix(m.Help, "\n") {
			t.Errorf("%s: help %q", m.Name, m.Help)
		}
		p, err := m.New(m.Least)
		if err != nil {
			t.Fatalf("%s: %v", m.Name, err)
		}
		if got := p.Describe().Name; got != m.Name {
			t.Errorf("%s describes itself as %q", m.Name, got)
		}
	}
	var want []string
	for _, v := range variants() {
		want = append(want, v.name)
	}
	for _, c := range datagramCases() {
		want = append(want, c.name)
	}
	slices.Sort(want)
	if want = slices.Compact(want); !slices.Equal(names, want) {
		t.Errorf("modules %q, want %q: every module is in the tests' variants() or datagramCases()", names, want)
	}
	if !slices.IsSorted(names) {
		t.Errorf("modules %q are not sorted", names)
	}
}

// TestNewErrors says that errors name what was typed, and what to type instead.
func TestNewErrors(t *testing.T) {
	dir := t.TempDir()
	long := filepath.Join(dir, "long")
	if err := os.WriteFile(long, make([]byte, 1459), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		module, args string
		want         []string
	}{
		{"tcp_sinscan", "", []string{`"tcp_sinscan"`, "icmp_echoscan", "tcp_synscan"}},
		{"", "", []string{`""`, "icmp_echoscan", "tcp_synscan"}},
		{"tcp_synscan", "Windows", []string{`"Windows"`, "smallest-probes", "windows", "linux", "bsd"}},
		{"icmp_echoscan", "hello", []string{`"hello"`, "text:", "hex:", "file:"}},
		{"icmp_echoscan", "dns:x", []string{`"dns"`, "text:", "hex:", "file:"}},
		{"icmp_echoscan", "Text:x", []string{`"Text"`, "text:"}},
		{"icmp_echoscan", "hex:abc", []string{"hex:abc", "two hexadecimal digits"}},
		{"icmp_echoscan", "hex:zz", []string{"hex:zz", "two hexadecimal digits"}},
		{"icmp_echoscan", "file:" + dir + "/none", []string{dir + "/none", "no such file"}},
		{"icmp_echoscan", "file:" + dir, []string{dir, "directory"}},
		{"icmp_echoscan", "file:" + long, []string{"1458", "shorten"}},
		{"icmp_echoscan", "text:" + strings.Repeat("x", 1459), []string{"1458", "shorten"}},
		{"icmp_echoscan", "hex:" + strings.Repeat("00", 1459), []string{"1458", "shorten"}},
	} {
		p, err := New(c.module, Args{Text: c.args})
		if err == nil || p != nil {
			t.Errorf("%s %.20q: got %v, error %v, want an error and nothing else", c.module, c.args, p, err)
			continue
		}
		for _, w := range c.want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s %.20q: error %q does not say %q", c.module, c.args, err, w)
			}
		}
		if c.module != "" && !strings.Contains(err.Error(), c.module) || strings.Contains(err.Error(), "failed") {
			t.Errorf("%s %.20q: error %q does not name the module", c.module, c.args, err)
		}
	}
}

// TestEchoPayload says what arrives in the request for each form of the argument.
func TestEchoPayload(t *testing.T) {
	path := filepath.Join(t.TempDir(), "payload:with colon")
	longest := strings.Repeat("z", 1458)
	if err := os.WriteFile(path, []byte(longest), 0o600); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]string{
		"":                  string(make([]byte, 20)),
		"text:":             "",
		"hex:":              "",
		"text:a:b":          "a:b",
		"hex:00FFfe":        "\x00\xff\xfe",
		"file:" + path:      longest,
		"text:" + longest:   longest,
		"hexdigits:0102":    "\x01\x02",
		"textual:hi":        "hi",
		"filename:" + path:  longest,
		"text:hex:not here": "hex:not here",
	} {
		v := variant{name: "icmp_echoscan", args: args}
		s := goldenShot()
		frame := frameOf(t, v, testRoute(true, 1), &s)
		if got := string(frame[atL4+8:]); got != want {
			t.Errorf("%.20q: payload %.40q, want %.40q", args, got, want)
		}
		if packet.Checksum(frame[atL4:], 0) != 0 {
			t.Errorf("%.20q: wrong ICMP checksum in %x", args, frame)
		}
	}
}

// TestDescription holds every module to what the engine relies on.
func TestDescription(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 16))
	for _, v := range variants() {
		p := v.probe(t)
		d := p.Describe()
		s := randShot(r, v, tagger(1))
		if got := len(frameOf(t, v, testRoute(true, 1), &s)); got != d.FrameLen || got != v.frame {
			t.Errorf("%v: frames of %d bytes, FrameLen %d, specification %d", v, got, d.FrameLen, v.frame)
		}
		i, ok := d.Schema.Lookup("success")
		if !ok || d.Schema.Field(i).Type != record.Bool && d.Schema.Field(i).Type != record.Int {
			t.Errorf("%v: no field success of type bool or int", v)
		}
		for _, f := range d.Schema.Fields() {
			if len(f.Doc) < 8 || strings.TrimSpace(f.Doc) != f.Doc {
				t.Errorf("%v: field %s is described as %q", v, f.Name, f.Doc)
			}
		}
		f := d.Capture
		if v.name == "ipip" {
			f.Ports = nil // its answers come from our ports, not to them
		}
		if err := f.Validate(); err != nil || f.Local != nil || f.Ports != nil || f.Snap <= 0 {
			t.Errorf("%v: capture filter %+v, error %v: Local and Ports are the engine's", v, f, err)
		}
		if d.Ports != v.ports() {
			t.Errorf("%v: Ports is %v", v, d.Ports)
		}
		if f.TCP == 0 && !f.UDP && !f.Echo && !f.Errors {
			t.Errorf("%v: no answer can pass the capture filter", v)
		}
		if q := p.Describe(); q.Name != d.Name || q.FrameLen != d.FrameLen || q.Schema.Len() != d.Schema.Len() {
			t.Errorf("%v describes itself in two ways: %+v and %+v", v, d, q)
		}
	}
}

// TestSchemas pins names, order and types of the fields, which users' scripts rely on.
func TestSchemas(t *testing.T) {
	icmp := " icmp_responder:string icmp_type:int icmp_code:int icmp_unreach_str:string"
	for _, c := range []struct {
		v    variant
		want string
	}{
		{synscan(), "sport:int dport:int seqnum:int acknum:int window:int tcpopt_mss:int tcpopt_wscale:int tcpopt_sack_perm:int " +
			"tcpopt_ts_val:int tcpopt_ts_ecr:int classification:string success:bool" + icmp},
		{echoscan(), "type:int code:int icmp_id:int seq:int classification:string success:bool data:binary"},
		{lone("tcp_synackscan"), "sport:int dport:int seqnum:int acknum:int window:int classification:string success:bool" + icmp},
		{lone("icmp_echo_time"), "type:int code:int icmp_id:int seq:int sent_timestamp_ts:int sent_timestamp_us:int " +
			"recv_timestamp_ts:int recv_timestamp_us:int rtt_us:int dst_raw:int classification:string success:int"},
		{lone("ipip"), "classification:string success:bool sport:int dport:int" + icmp + " udp_pkt_size:int data:binary"},
	} {
		var got []string
		for _, f := range c.v.probe(t).Describe().Schema.Fields() {
			got = append(got, f.Name+":"+f.Type.String())
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%v:\ngot  %s\nwant %s", c.v, strings.Join(got, " "), c.want)
		}
	}
}

// TestProbesAreShared says that encoders of one probe do not write to anything in common.
func TestProbesAreShared(t *testing.T) {
	for _, v := range variants() {
		p, s := v.probe(t), goldenShot()
		before := frameOf(t, v, testRoute(true, 1), &s)
		later := testRoute(true, 1)
		later.Unix, later.TTL = 7, 9
		for _, r := range []Route{later, testRoute(false, 0), testRoute(true, 1)} {
			e, frame := p.NewEncoder(r), make([]byte, 1514)
			e.Template(1, frame)
			if n := e.Patch(frame, &s); r.Unix == testUnix && r.Ether && !bytes.Equal(frame[:n], before) {
				t.Errorf("%v: a route of another encoder shows:\ngot  %x\nwant %x", v, frame[:n], before)
			}
		}
	}
}

package probe

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket/layers"

	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/record"
)

// row decodes a frame and returns the fields that are not null, as text; truth values are "true" and "false".
func row(t testing.TB, v variant, frame []byte) map[string]string {
	t.Helper()
	var p packet.Parsed
	p.Decode(frame, packet.LinkEthernet)
	d := v.probe(t).Describe()
	r := record.New(d.Schema)
	v.probe(t).NewDecoder().Decode(&p, r)
	out := make(map[string]string)
	for i := range r.Values {
		x := &r.Values[i]
		switch f := d.Schema.Field(i); x.Kind() {
		case record.KindNull:
		case record.KindUint:
			out[f.Name] = strconv.FormatUint(x.Uint(), 10)
		case record.KindBool:
			out[f.Name] = strconv.FormatBool(x.Bool())
		case record.KindString:
			out[f.Name] = x.Text()
		case record.KindBytes:
			out[f.Name] = hex.EncodeToString(x.Bytes())
		case record.KindAddr:
			out[f.Name] = x.Addr().String()
		default:
			t.Errorf("%v: field %s has a value of kind %d", v, f.Name, x.Kind())
		}
	}
	return out
}

func check(t *testing.T, what string, v variant, frame []byte, want map[string]string) {
	t.Helper()
	if diff := cmp.Diff(want, row(t, v, frame)); diff != "" {
		t.Errorf("%s, frame %x (-want +got):\n%s", what, frame, diff)
	}
}

// tcpRow returns what every segment of these tests decodes to, with more in place.
func tcpRow(class, success string, more map[string]string) map[string]string {
	out := map[string]string{
		"sport": "80", "dport": "56937", "seqnum": "3052589947", "acknum": "1069071490", "window": "1000",
		"classification": class, "success": success,
	}
	for k, v := range more {
		out[k] = v
	}
	return out
}

func TestDecodeTCP(t *testing.T) {
	s := goldenShot()
	with := func(hexOptions string) []byte {
		return segment(t, &s, func(h *layers.TCP) { h.Options = options(unhex(t, hexOptions)) })
	}
	check(t, "SYN-ACK without options", synscan(), segment(t, &s, nil), tcpRow("synack", "true", nil))
	for _, c := range []struct {
		name, options string
		want          map[string]string
	}{
		{"MSS", "020405b4", map[string]string{"tcpopt_mss": "1460"}},
		{"MSS 0", "02040000", map[string]string{"tcpopt_mss": "0"}},
		{"window scale 0", "030300 01", map[string]string{"tcpopt_wscale": "1"}},
		{"window scale 7", "030307 01", map[string]string{"tcpopt_wscale": "128"}},
		{"window scale 14", "03030e 01", map[string]string{"tcpopt_wscale": "16384"}},
		{"SACK permitted", "0402 0101", map[string]string{"tcpopt_sack_perm": "1"}},
		{"timestamps", "0101 080a ffffffff 00000005", map[string]string{"tcpopt_ts_val": "4294967295", "tcpopt_ts_ecr": "5"}},
		{"all", "020405b4 0402 080a 00000001 00000002 01 030308", map[string]string{
			"tcpopt_mss": "1460", "tcpopt_wscale": "256", "tcpopt_sack_perm": "1", "tcpopt_ts_val": "1", "tcpopt_ts_ecr": "2",
		}},
	} {
		check(t, c.name, synscan(), with(c.options), tcpRow("synack", "true", c.want))
	}
	// An option of a wrong length ends the list: what came before counts. gopacket does not write such, so the bytes are put in.
	broken := with("020405b4 03030701 01010402")
	broken[atL4+20+5] = 2
	check(t, "window scale of 2 bytes", synscan(), broken, tcpRow("synack", "true", map[string]string{"tcpopt_mss": "1460"}))

	rst := segment(t, &s, flags(&s, packet.RST|packet.ACK, 0))
	check(t, "RST", synscan(), rst, tcpRow("rst", "false", map[string]string{"acknum": "1069071489"}))
	both := segment(t, &s, flags(&s, packet.RST|packet.SYN|packet.ACK, 1))
	check(t, "SYN, ACK and RST", synscan(), both, tcpRow("rst", "false", nil))
}

// TestDecodeICMPBlock looks at the fields of an ICMP error: every type and code has a text, which is about both.
func TestDecodeICMPBlock(t *testing.T) {
	unreachable := []string{
		"network unreachable", "host unreachable", "protocol unreachable", "port unreachable", "fragments required",
		"source route failed", "network unknown", "host unknown", "source host isolated", "network admin. prohibited",
		"host admin. prohibited", "network unreachable TOS", "host unreachable TOS", "communication admin. prohibited",
		"host presdence violation", "precedence cutoff",
	}
	want := func(kind, code int) string {
		switch {
		case kind == 3 && code < len(unreachable):
			return unreachable[code]
		case kind == 4:
			return "source quench"
		case kind == 5:
			return "redirect"
		case kind == 11 && code == 1:
			return "fragment reassembly time exceeded"
		case kind == 11:
			return "time to live exceeded"
		case kind == 12:
			return "parameter problem"
		}
		return "unknown"
	}
	s := goldenShot()
	for _, kind := range []int{3, 4, 5, 11, 12} {
		for code := range 256 {
			m := quoting(t, synscan(), &s, 8)
			m.kind, m.code = uint8(kind), uint8(code)
			check(t, "ICMP error", synscan(), m.frame(t), map[string]string{
				"classification": "icmp", "success": "false", "icmp_responder": "203.0.113.9",
				"icmp_type": strconv.Itoa(kind), "icmp_code": strconv.Itoa(code), "icmp_unreach_str": want(kind, code),
			})
		}
	}
}

func TestDecodeEcho(t *testing.T) {
	s := goldenShot()
	s.Port = 0
	for _, body := range []string{"", "x", "hello, world"} {
		check(t, "echo reply", echoscan(), echoReply(&s, []byte(body)).frame(t), map[string]string{
			"type": "0", "code": "0", "icmp_id": "26974", "seq": "4386", "classification": "echoreply", "success": "true",
			"data": "695e1122" + hex.EncodeToString([]byte(body)), // Ethernet padding is not data
		})
	}
	for kind, class := range map[uint8]string{3: "unreach", 4: "sourcequench", 5: "redirect", 11: "timxceed", 12: "other"} {
		m := quoting(t, echoscan(), &s, 8)
		m.kind, m.code, m.seq = kind, 4, 1400
		check(t, class, echoscan(), m.frame(t), map[string]string{
			"type": strconv.Itoa(int(kind)), "code": "4", "icmp_id": "0", "seq": "1400", "classification": class,
			"success": "false", "data": "00000578" + hex.EncodeToString(m.body),
		})
	}
}

// TestDecodeEchoCapture says that a row has the first 58 bytes of a long answer, as with C ZMap's capture of 96.
func TestDecodeEchoCapture(t *testing.T) {
	s := goldenShot()
	frame := echoReply(&s, bytes.Repeat([]byte{7}, 200)).frame(t)
	got := row(t, echoscan(), frame[:echoscan().probe(t).Describe().Capture.Snap])["data"]
	if want := "695e1122" + hex.EncodeToString(bytes.Repeat([]byte{7}, 54)); got != want {
		t.Errorf("got data %s, want %s", got, want)
	}
}

// TestDecodeLeavesTheFrame says that a row does not change when the frame it came from is overwritten.
func TestDecodeLeavesTheFrame(t *testing.T) {
	for _, c := range accepted(t, rand.New(rand.NewPCG(13, 14))) {
		var p packet.Parsed
		p.Decode(c.frame, packet.LinkEthernet)
		got, want := record.New(c.v.probe(t).Describe().Schema), record.New(c.v.probe(t).Describe().Schema)
		dec := c.v.probe(t).NewDecoder()
		dec.Decode(&p, got)
		p.Decode(bytes.Clone(c.frame), packet.LinkEthernet)
		dec.Decode(&p, want)
		clear(c.frame)
		if diff := cmp.Diff(want.Values, got.Values, cmp.Comparer(func(a, b record.Value) bool {
			return a.Kind() == b.Kind() && a.Uint() == b.Uint() && a.Text() == b.Text() && bytes.Equal(a.Bytes(), b.Bytes()) && a.Addr() == b.Addr()
		})); diff != "" {
			t.Errorf("%v, %s: the row changed with the frame (-want +got):\n%s", c.v, c.name, diff)
		}
	}
}

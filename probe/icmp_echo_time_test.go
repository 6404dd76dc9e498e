package probe

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/record"
)

// timeBody is the payload of a request to the target of s that was stamped at sec and us.
func timeBody(s *Shot, sec, us uint32) []byte {
	b := binary.LittleEndian.AppendUint32(nil, sec)
	return append(binary.LittleEndian.AppendUint32(b, us), s.Addr.AsSlice()...)
}

// acceptedTime are answers to requests with the time in them that must count. Whether the payload is right says nothing
// about whose answer it is.
func acceptedTime(t testing.TB, r *rand.Rand) []matchCase {
	var out []matchCase
	v := lone("icmp_echo_time")
	s := randShot(r, v, tagger(2))
	add := func(name string, m message) { out = append(out, matchCase{name, v, s, m.frame(t)}) }
	add("reply", echoReply(&s, timeBody(&s, testUnix, 5)))
	add("reply with a time that is none", echoReply(&s, timeBody(&s, r.Uint32(), r.Uint32())))
	for _, n := range []int{0, 1, 11, 13, 56, 1400} {
		add(fmt.Sprintf("reply with %d bytes", n), echoReply(&s, bytes.Repeat([]byte{0xff}, n)))
	}
	for _, kind := range []uint8{3, 4, 5, 11, 12} {
		for _, n := range []int{8, 19, 1500} {
			m := quoting(t, v, &s, n)
			m.kind = kind
			add(fmt.Sprintf("ICMP type %d, %d bytes quoted", kind, n), m)
		}
	}
	return out
}

// rejectedTime are frames that no request of ours caused.
func rejectedTime(t testing.TB, r *rand.Rand) []matchCase {
	var out []matchCase
	v := lone("icmp_echo_time")
	s := randShot(r, v, tagger(2))
	for name, change := range map[string]func(*message){
		"request":                func(m *message) { m.kind = 8 },
		"reply, identifier":      func(m *message) { m.id++ },
		"reply, sequence number": func(m *message) { m.seq++ },
		"reply from a neighbour": func(m *message) { m.from = m.from.Next() },
	} {
		m := echoReply(&s, timeBody(&s, testUnix, 5))
		change(&m)
		out = append(out, matchCase{name, v, s, m.frame(t)})
	}
	for name, change := range map[string]func(*message){
		"7 bytes quoted":          func(m *message) { m.body = m.body[:27] },
		"quote of a reply":        func(m *message) { m.body[20] = 0 },
		"quote of a wrong number": func(m *message) { m.body[20+7]++ },
		"quote of another target": func(m *message) { m.body[19] ^= 1 },
		"quote of another source": func(m *message) { m.body[15] ^= 1 },
	} {
		m := quoting(t, v, &s, 1500)
		change(&m)
		out = append(out, matchCase{name, v, s, m.frame(t)})
	}
	return out
}

// TestStamp patches and stamps two slots in turn, some of them twice, and compares all bytes with gopacket's.
func TestStamp(t *testing.T) {
	r, tags, v := rand.New(rand.NewPCG(41, 42)), tagger(1), lone("icmp_echo_time")
	for _, route := range []Route{testRoute(true, 1), testRoute(false, 0)} {
		e, slots := v.probe(t).NewEncoder(route).(Stamper), dirty()
		for i := range slots {
			e.Template(1, slots[i])
		}
		for i := range 2000 {
			s := randShot(r, v, tags)
			frame := slots[i%2]
			frame = frame[:e.Patch(frame, &s)]
			sec, us := r.Uint32(), r.Uint32N(1e6)
			for range 1 + i%3 {
				e.Stamp(frame, r.Int64N(1<<62))
			}
			switch i {
			case 0:
				sec, us = 0, 0
			case 1:
				sec, us = 1<<32-1, 999_999
			}
			e.Stamp(frame, int64(sec)*1e9+int64(us)*1e3+r.Int64N(1000))
			if want := stamped(t, route, &s, timeBody(&s, sec, us)); !bytes.Equal(frame, want) {
				t.Fatalf("probe %d, %+v, stamped %d.%06d:\ngot  %x\nwant %x", i, s, sec, us, frame, want)
			}
		}
		for i, fresh := range dirty() {
			if n := v.probe(t).Describe().FrameLen; !bytes.Equal(slots[i][n:], fresh[n:]) {
				t.Errorf("Stamp writes beyond the frame of %d bytes", n)
			}
		}
	}
}

// stamped is a request as gopacket makes it.
func stamped(t testing.TB, route Route, s *Shot, body []byte) []byte {
	t.Helper()
	e := &layers.Ethernet{SrcMAC: route.SourceMAC[:], EthernetType: layers.EthernetTypeIPv4}
	ip := &layers.IPv4{
		Version: 4, IHL: 5, Id: s.Tag.IPID(), TTL: route.TTL, Protocol: layers.IPProtocolICMPv4, SrcIP: s.Src.AsSlice(), DstIP: s.Addr.AsSlice(),
	}
	echo := &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(8, 0), Id: s.Tag.ICMPID(), Seq: s.Tag.ICMPSeq()}
	if !route.Ether {
		return serialize(t, ip, echo, gopacket.Payload(body))
	}
	e.DstMAC = route.Hops[0][:]
	return serialize(t, e, ip, echo, gopacket.Payload(body))[:54] // gopacket fills Ethernet frames up to 60 bytes
}

func TestGoldenEchoTime(t *testing.T) {
	s := goldenShot()
	e, frame := lone("icmp_echo_time").probe(t).NewEncoder(testRoute(true, 1)).(Stamper), make([]byte, link.MaxFrame)
	e.Template(1, frame)
	frame = frame[:e.Patch(frame, &s)]
	ip := goldenEther + `45 00 0028 3edd 0000 40 01 6917 # 40 bytes, ICMP` + "\n" + goldenAddrs
	plain := unhex(t, ip+`08 00 6ca0 695e 1122 # echo request, identifier and sequence number from the tag
		00000000 00000000 080808d7 # no time yet, the target`)
	if !bytes.Equal(frame, plain) {
		t.Errorf("before Stamp:\ngot  %x\nwant %x", frame, plain)
	}
	e.Stamp(frame, testUnix*1e9+123456789)
	want := unhex(t, ip+`08 00 cc4e 695e 1122
		00105e5f 40e20100 080808d7 # 1600000000 s, 123456 us, both little endian; the target`)
	if !bytes.Equal(frame, want) {
		t.Errorf("after Stamp:\ngot  %x\nwant %x", frame, want)
	}
}

// timedRow decodes a frame that arrived at a moment, and returns the times in the row, "-" for null: sent, received, round
// trip, target.
func timedRow(t testing.TB, frame []byte, at int64) []string {
	t.Helper()
	v := lone("icmp_echo_time")
	d := v.probe(t).Describe()
	r, dec := record.New(d.Schema), v.probe(t).NewDecoder().(TimedDecoder)
	dec.Arrived(at)
	var p packet.Parsed
	p.Decode(frame, packet.LinkEthernet)
	dec.Decode(&p, r)
	var out []string
	for _, name := range []string{
		"sent_timestamp_ts", "sent_timestamp_us", "recv_timestamp_ts", "recv_timestamp_us", "rtt_us", "dst_raw", "success",
	} {
		i, _ := d.Schema.Lookup(name)
		switch x := &r.Values[i]; {
		case x.IsNull():
			out = append(out, "-")
		case x.Kind() != record.KindUint:
			t.Errorf("%s has a value of kind %d", name, x.Kind())
		default:
			out = append(out, strconv.FormatUint(x.Uint(), 10))
		}
	}
	return out
}

// TestDecodeEchoTime says what becomes of times that come back, do not, or cannot be true.
func TestDecodeEchoTime(t *testing.T) {
	s := goldenShot()
	s.Port = 0
	v := lone("icmp_echo_time")
	const target = "3607627784" // 8.8.8.215, read on a little-endian machine
	reply := func(body []byte) []byte { return echoReply(&s, body).frame(t) }
	quote := func(kind uint8, n int) []byte {
		e, frame := v.probe(t).NewEncoder(testRoute(false, 0)).(Stamper), make([]byte, link.MaxFrame)
		e.Template(1, frame)
		frame = frame[:e.Patch(frame, &s)]
		e.Stamp(frame, testUnix*1e9+250_000_000)
		return message{from: router(), to: s.Src, kind: kind, body: frame[:min(len(frame), 20+n)]}.frame(t)
	}
	other := s
	other.Addr = router()
	const at = testUnix*1e9 + 300_000_500
	for _, c := range []struct {
		name  string
		frame []byte
		at    int64
		want  []string
	}{
		{"reply", reply(timeBody(&s, testUnix, 250_000)), at, []string{"1600000000", "250000", "1600000000", "300000", "50000", target, "1"}},
		{"reply over a second's edge", reply(timeBody(&s, testUnix-1, 999_999)), at, []string{"1599999999", "999999", "1600000000", "300000", "300001", target, "1"}},
		{"reply in no time", reply(timeBody(&s, testUnix, 300_000)), at, []string{"1600000000", "300000", "1600000000", "300000", "0", target, "1"}},
		{"reply with more behind", reply(append(timeBody(&s, testUnix, 250_000), 1, 2, 3)), at, []string{"1600000000", "250000", "1600000000", "300000", "50000", target, "1"}},
		{"reply from before it was sent", reply(timeBody(&s, testUnix, 300_001)), at, []string{"1600000000", "300001", "1600000000", "300000", "-", target, "1"}},
		{"reply of 2106", reply(timeBody(&s, 1<<32-1, 0)), at, []string{"4294967295", "0", "1600000000", "300000", "-", target, "1"}},
		{"reply of 1970", reply(timeBody(&s, 1, 0)), at, []string{"1", "0", "1600000000", "300000", "1599999999300000", target, "1"}},
		{"no time", reply(timeBody(&s, 0, 0)), at, []string{"-", "-", "1600000000", "300000", "-", target, "1"}},
		{"a second of 1000000 us", reply(timeBody(&s, testUnix, 1_000_000)), at, []string{"-", "-", "1600000000", "300000", "-", target, "1"}},
		{"all ones", reply(bytes.Repeat([]byte{0xff}, 12)), at, []string{"-", "-", "1600000000", "300000", "-", target, "1"}},
		{"another target's payload", reply(timeBody(&other, testUnix, 250_000)), at, []string{"-", "-", "1600000000", "300000", "-", target, "1"}},
		{"payload cut short", reply(timeBody(&s, testUnix, 250_000)[:11]), at, []string{"-", "-", "1600000000", "300000", "-", target, "1"}},
		{"no payload", reply(nil), at, []string{"-", "-", "1600000000", "300000", "-", target, "1"}},
		{"nobody said when", reply(timeBody(&s, testUnix, 250_000)), 0, []string{"1600000000", "250000", "-", "-", "-", target, "1"}},
		{"unreachable, all quoted", quote(3, 20), at, []string{"1600000000", "250000", "1600000000", "300000", "50000", target, "0"}},
		{"time exceeded, all quoted", quote(11, 20), at, []string{"1600000000", "250000", "1600000000", "300000", "50000", target, "0"}},
		{"19 bytes quoted", quote(3, 19), at, []string{"-", "-", "1600000000", "300000", "-", target, "0"}},
		{"8 bytes quoted", quote(3, 8), at, []string{"-", "-", "1600000000", "300000", "-", target, "0"}},
	} {
		if _, ok := match(t, v, c.frame, goldenTags{s.Tag}); !ok {
			t.Errorf("%s: not accepted", c.name)
		}
		if diff := cmp.Diff(c.want, timedRow(t, c.frame, c.at)); diff != "" {
			t.Errorf("%s, frame %x (-want +got):\n%s", c.name, c.frame, diff)
		}
	}
}

// TestDecodeEchoTimeClasses looks at the fields that are not times: they are those of icmp_echoscan.
func TestDecodeEchoTimeClasses(t *testing.T) {
	s := goldenShot()
	s.Port = 0
	v := lone("icmp_echo_time")
	check(t, "reply", v, echoReply(&s, nil).frame(t), map[string]string{
		"type": "0", "code": "0", "icmp_id": "26974", "seq": "4386", "classification": "echoreply", "success": "1", "dst_raw": "3607627784",
	})
	for kind, class := range map[uint8]string{3: "unreach", 4: "sourcequench", 5: "redirect", 11: "timxceed", 12: "other"} {
		m := quoting(t, v, &s, 1500)
		m.kind, m.code, m.seq = kind, 4, 1400
		check(t, class, v, m.frame(t), map[string]string{
			"type": strconv.Itoa(int(kind)), "code": "4", "icmp_id": "0", "seq": "1400", "classification": class, "success": "0",
			"dst_raw": "3607627784",
		})
	}
}

// TestTimedDecodersAreApart says that receivers do not tell each other when answers arrived.
func TestTimedDecodersAreApart(t *testing.T) {
	s, p := goldenShot(), lone("icmp_echo_time").probe(t)
	one, two := p.NewDecoder().(TimedDecoder), p.NewDecoder().(TimedDecoder)
	one.Arrived(testUnix * 1e9)
	two.Arrived(7e9)
	var parsed packet.Parsed
	parsed.Decode(echoReply(&s, nil).frame(t), packet.LinkEthernet)
	for dec, want := range map[Decoder]uint64{one: testUnix, two: 7} {
		r := record.New(p.Describe().Schema)
		dec.Decode(&parsed, r)
		if got := r.Values[timeArrived].Uint(); got != want {
			t.Errorf("arrived at %d, want %d", got, want)
		}
	}
}

// FuzzEchoTime decodes answers that bear the tag, with payloads that hosts make up. A round trip is the difference of the
// two times in the row and nothing else.
func FuzzEchoTime(f *testing.F) {
	s := goldenShot()
	f.Add(timeBody(&s, testUnix, 5), int64(testUnix*1e9), false)
	f.Add(timeBody(&s, 1<<32-1, 999_999), int64(-1), true)
	f.Add([]byte{}, int64(1<<63-1), true)
	f.Fuzz(func(t *testing.T, body []byte, at int64, quote bool) {
		m := echoReply(&s, body[:min(len(body), 1000)])
		if quote {
			request := message{from: s.Src, to: s.Addr, kind: 8, body: m.body}.frame(t)[14:]
			m = message{from: router(), to: s.Src, kind: 3, body: request}
		}
		got := timedRow(t, m.frame(t), at)
		n := make([]int64, len(got))
		for i, text := range got {
			n[i], _ = strconv.ParseInt(text, 10, 64)
		}
		sent, recv := 1e6*n[0]+n[1], 1e6*n[2]+n[3]
		switch {
		case (got[0] == "-") != (got[1] == "-") || (got[2] == "-") != (got[3] == "-") || n[1] >= 1e6 || n[3] >= 1e6:
			t.Errorf("half a time in %q; payload %x, arrived %d", got, body, at)
		case got[4] == "-" && got[0] != "-" && got[2] != "-" && recv >= sent:
			t.Errorf("no round trip in %q; payload %x, arrived %d", got, body, at)
		case got[4] != "-" && (n[4] != recv-sent || n[4] < 0 || got[0] == "-" || got[2] == "-"):
			t.Errorf("a wrong round trip in %q; payload %x, arrived %d", got, body, at)
		}
	})
}

func TestStampDoesNotAllocate(t *testing.T) {
	s, v := goldenShot(), lone("icmp_echo_time")
	e, frame := v.probe(t).NewEncoder(testRoute(true, 1)).(Stamper), make([]byte, link.MaxFrame)
	e.Template(1, frame)
	dec := v.probe(t).NewDecoder().(TimedDecoder)
	if n := testing.AllocsPerRun(100, func() {
		e.Stamp(frame[:e.Patch(frame, &s)], testUnix*1e9)
		dec.Arrived(testUnix * 1e9)
	}); n != 0 {
		t.Errorf("Stamp and Arrived allocate %v times, want 0", n)
	}
}

func BenchmarkStamp(b *testing.B) {
	s := goldenShot()
	e, frame := lone("icmp_echo_time").probe(b).NewEncoder(testRoute(true, 1)).(Stamper), make([]byte, link.MaxFrame)
	e.Template(1, frame)
	frame = frame[:e.Patch(frame, &s)]
	b.ReportAllocs()
	now := int64(testUnix * 1e9)
	for b.Loop() {
		e.Stamp(frame, now)
		now += 1000
	}
}

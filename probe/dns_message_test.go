package probe

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/zmap-go/zmap/record"
)

// readDNS reads a message that Match is not asked about.
func readDNS(msg []byte) *record.Record {
	r := record.New((&dns{}).Describe().Schema)
	setDNSSections(msg, r)
	return r
}

// header is a DNS header with these counters.
func header(counts ...uint16) []byte {
	b := make([]byte, 12)
	for i, n := range counts {
		binary.BigEndian.PutUint16(b[4+2*i:], n)
	}
	return b
}

// TestDNSData has what data of each type looks like, and what of it is not taken for text.
func TestDNSData(t *testing.T) {
	const q = `example.com` // at 12
	name := "\x07example\x03com\x00"
	for what, c := range map[string]struct {
		kind uint16
		data string
		want string // "" if it stays bytes
	}{
		"A":                              {1, "\x01\x02\x03\x04", "1.2.3.4"},
		"A too long":                     {1, "\x01\x02\x03\x04\x05", ""},
		"A too short":                    {1, "\x01\x02\x03", ""},
		"AAAA":                           {28, "\x20\x01\x0d\xb8" + strings.Repeat("\x00", 11) + "\x01", "2001:db8::1"},
		"AAAA with IPv4 in it":           {28, strings.Repeat("\x00", 10) + "\xff\xff\x01\x02\x03\x04", "::ffff:1.2.3.4"},
		"AAAA too short":                 {28, strings.Repeat("\x00", 15), ""},
		"NS":                             {2, "\x02ns\xc0\x0c", "ns." + q},
		"NS with bytes behind":           {2, "\x02ns\xc0\x0c\x00", ""},
		"NS without its end":             {2, "\x02ns", ""},
		"CNAME":                          {5, "\xc0\x0c", q},
		"CNAME of the root":              {5, "\x00", "."},
		"MX":                             {15, "\x00\x0a\x04mail\xc0\x0c", "10 mail." + q},
		"MX 65535":                       {15, "\xff\xff\x01a\x00", "65535 a"},
		"MX of the root, as in RFC 7505": {15, "\x00\x00\x00", ""},
		"TXT":                            {16, "\x05hello", "hello"},
		"TXT of several strings":         {16, "\x05v=spf\x02 a\x00\x05 -all", "v=spf a -all"},
		"TXT, empty string":              {16, "\x00", "."},
		"TXT without a string":           {16, "", ""},
		"TXT beyond its end":             {16, "\x05hell", ""},
		"TXT, second beyond its end":     {16, "\x01a\x02b", ""},
		"TXT not in UTF-8":               {16, "\x03a\xffb", "a\ufffdb"},
		"PTR stays bytes":                {12, "\xc0\x0c", ""},
		"SOA stays bytes":                {6, "\xc0\x0c\xc0\x0c" + strings.Repeat("\x00", 20), ""},
		"SRV stays bytes":                {33, "\x00\x00\x00\x00\x00\x35\x00", ""},
	} {
		msg := append(header(1, 1, 0, 0), name+"\x00\x01\x00\x01"...)
		msg = binary.BigEndian.AppendUint16(append(msg, 0xc0, 12), c.kind)
		msg = binary.BigEndian.AppendUint16(append(msg, 0, 1, 0, 0, 0, 9), uint16(len(c.data)))
		msg = append(msg, c.data...)
		r := readDNS(msg)
		if e := r.Values[dnsParseErr].Uint(); e != 0 || r.Values[dnsUnconsumed].Uint() != 0 {
			t.Errorf("%s: parse error", what)
			continue
		}
		o := r.Values[dnsAnswers].List()[0]
		parsed, data := o[6].Value, o[7].Value
		want := strings.TrimPrefix(c.want, ".") // a dot alone stands for empty text
		if parsed.Bool() != (c.want != "") || data.Text() != want || c.want == "" && string(data.Bytes()) != c.data {
			t.Errorf("%s: parsed %v, text %q, bytes %x; want %q", what, parsed.Bool(), data.Text(), data.Bytes(), want)
		}
	}
}

// TestDNSNames has names at position 12, what they read as and where they end.
func TestDNSNames(t *testing.T) {
	at := func(pointers ...int) string {
		var b []byte
		for _, p := range pointers {
			b = binary.BigEndian.AppendUint16(b, 0xc000|uint16(p))
		}
		return string(b)
	}
	long := strings.Repeat("\x3f"+long63(), 3)
	var chain []int
	for i := range 127 {
		chain = append(chain, 14+2*i)
	}
	for what, c := range map[string]struct {
		bytes string
		want  string
		end   int // 0 if it cannot be read
	}{
		"root":                          {"\x00", "", 13},
		"two labels":                    {"\x01a\x02bc\x00rest", "a.bc", 18},
		"a dot in a label":              {"\x03a.b\x00", "a.b", 17},
		"bytes that are not UTF-8":      {"\x02\xc3\x28\x00", "\ufffd(", 16},
		"pointer back":                  {"\x01a\x00\x01b" + at(12), "a", 15},
		"pointer to a pointer":          {at(14) + at(16) + "\x01z\x00", "z", 14},
		"pointer ahead":                 {"\x01a" + at(20) + "1234\x01b\x00", "a.b", 16},
		"pointer with all 14 bits":      {at(0x3ffe-0) + "", "", 0},
		"pointer into the header":       {at(0), "", 14}, // which is zeros
		"pointer to itself":             {at(12), "", 0},
		"pointers to each other":        {at(14) + at(12), "", 0},
		"labels and a loop":             {"\x01a" + at(12), "", 0},
		"127 pointers":                  {at(chain...) + "\x01z\x00", "z", 14},
		"pointer beyond the end":        {at(100), "", 0},
		"half a pointer":                {"\xc0", "", 0},
		"label beyond the end":          {"\x05abc", "", 0},
		"no end":                        {"\x03abc", "", 0},
		"nothing":                       {"", "", 0},
		"reserved kind of label, 0x40":  {"\x41a\x00", "", 0},
		"reserved kind of label, 0x80":  {"\x81a\x00", "", 0},
		"255 bytes, which is the most":  {long + "\x3d" + long63()[:61] + "\x00", strings.Repeat(long63()+".", 3) + long63()[:61], 267},
		"256 bytes":                     {long + "\x3e" + long63()[:62] + "\x00", "", 0},
		"255 bytes, then a label":       {long + "\x3d" + long63()[:61] + "\x01a\x00", "", 0},
		"127 labels":                    {strings.Repeat("\x01a", 127) + "\x00", strings.Repeat("a.", 126) + "a", 267},
		"128 labels":                    {strings.Repeat("\x01a", 128) + "\x00", "", 0},
		"256 bytes by way of a pointer": {"\x01b" + at(16) + long + "\x3d" + long63()[:61] + "\x00", "", 0},
	} {
		d := dnsReader{msg: append(header(), c.bytes...), at: 12}
		got, end, ok := d.nameAt(12)
		if ok != (c.end != 0) || ok && (got != c.want || end != c.end) {
			t.Errorf("%s: got %q, %d, %v, want %q, %d", what, got, end, ok, c.want, c.end)
		}
	}
	// A pointer needs all of its 14 bits.
	far := append(make([]byte, 0x3ff0), "\x03far\x00"...)
	far = append(far, 0xff, 0xf0)
	d := dnsReader{msg: far}
	if got, _, ok := d.nameAt(len(far) - 2); got != "far" || !ok {
		t.Errorf("pointer to 0x3ff0: got %q, %v", got, ok)
	}
}

// TestDNSManyRecords has as many records as fit: C ZMap ends the scan at the 128th.
func TestDNSManyRecords(t *testing.T) {
	for _, n := range []int{127, 128, 200, 1000, 5000} {
		msg := header(0, uint16(n), 1, 0)
		for range n + 1 {
			msg = append(msg, 0, 0, 1, 0, 1, 0, 0, 0, 9, 0, 0)
		}
		r := readDNS(msg)
		if got := len(r.Values[dnsAnswers].List()); got != n || r.Values[dnsParseErr].Uint() != 0 || len(r.Values[dnsAuthorities].List()) != 1 {
			t.Errorf("%d records: got %d, parse error %d", n, got, r.Values[dnsParseErr].Uint())
		}
	}
}

// TestDNSBounds says that no message makes a row that is out of proportion: not by its counters, and not by pointers.
func TestDNSBounds(t *testing.T) {
	r := readDNS(header(0xffff, 0xffff, 0xffff, 0xffff))
	if got := cap(r.Values[dnsQuestions].List()); got != 0 {
		t.Errorf("room for %d questions was made for an empty message", got)
	}
	longName := strings.Repeat("\x3f"+long63(), 3) + "\x3d" + long63()[:61] + "\x00"
	msg := append(header(0xffff), longName+"\x00\x01\x00\x01"...)
	for len(msg) < 65000 {
		msg = append(msg, 0xc0, 12, 0, 1, 0, 1)
	}
	r = readDNS(msg)
	text := 0
	for _, o := range r.Values[dnsQuestions].List() {
		text += len(o[0].Value.Text())
	}
	if text > dnsMaxText || text < dnsMaxText-255 {
		t.Errorf("names of %d bytes come of one message, the bound is %d", text, dnsMaxText)
	}
	if r.Values[dnsParseErr].Uint() != 1 || r.Values[dnsUnconsumed].Uint() == 0 {
		t.Error("nothing says that the rest was not read")
	}
	// What real servers send stays far below: 200 records with names in their data.
	msg = append(header(1, 200), "\x07example\x03com\x00\x00\x0f\x00\x01"...)
	for i := range 200 {
		msg = append(msg, "\xc0\x0c\x00\x0f\x00\x01\x00\x00\x00\x09\x00\x0a\x00\x05\x05mx"+strconv.Itoa(100+i)+"\xc0\x0c"...)
	}
	if r = readDNS(msg); r.Values[dnsParseErr].Uint() != 0 || len(r.Values[dnsAnswers].List()) != 200 {
		t.Errorf("200 MX records: %d read, parse error %d", len(r.Values[dnsAnswers].List()), r.Values[dnsParseErr].Uint())
	}
}

// TestDNSStopsAtTheFirstError says what is kept of a broken message, and how many bytes are said to be left.
func TestDNSStopsAtTheFirstError(t *testing.T) {
	question, a := "\x00\x00\x01\x00\x01", "\x00\x00\x01\x00\x01\x00\x00\x00\x09\x00\x04\x01\x02\x03\x04"
	for what, c := range map[string]struct {
		msg    string
		counts [4]int // of entries in the lists
		err    uint64
		left   uint64
	}{
		"whole":                   {string(header(1, 1, 1, 1)) + question + a + a + a, [4]int{1, 1, 1, 1}, 0, 0},
		"bytes left over":         {string(header(1, 1)) + question + a + "xyz", [4]int{1, 1, 0, 0}, 1, 3},
		"one answer is missing":   {string(header(1, 2)) + question + a, [4]int{1, 1, 0, 0}, 1, 0},
		"half an answer":          {string(header(1, 2, 0, 1)) + question + a + a[:14], [4]int{1, 1, 0, 0}, 1, 14},
		"half a question":         {string(header(1, 1)) + question[:4], [4]int{}, 1, 4},
		"data longer than it all": {string(header(0, 1)) + a[:10] + "\x05\x01\x02\x03\x04", [4]int{}, 1, 15},
		"only a header":           {string(header()), [4]int{}, 0, 0},
		"header and bytes":        {string(header()) + "x", [4]int{}, 1, 1},
	} {
		r := readDNS([]byte(c.msg))
		var got [4]int
		for i := range got {
			got[i] = len(r.Values[dnsQuestions+i].List())
		}
		if e, left := r.Values[dnsParseErr].Uint(), r.Values[dnsUnconsumed].Uint(); got != c.counts || e != c.err || left != c.left {
			t.Errorf("%s: lists %v, error %d, left %d; want %v, %d, %d", what, got, e, left, c.counts, c.err, c.left)
		}
	}
}

// TestDNSTypes compares names with a second opinion's, and says that the table is sorted.
func TestDNSTypes(t *testing.T) {
	for i := range dnsTypes[1:] {
		if dnsTypes[i].number >= dnsTypes[i+1].number {
			t.Errorf("%v is in front of %v", dnsTypes[i], dnsTypes[i+1])
		}
	}
	known := 0
	for n := range 65536 {
		kind := dnsType(n)
		name := kind.String()
		if name == "BAD QTYPE" {
			continue
		}
		known++
		if got, ok := parseDNSType(name); !ok || got != kind {
			t.Errorf("%s is read as %d, %v, want %d", name, got, ok, kind)
		}
		if other := dnsmessage.Type(n).String(); strings.HasPrefix(other, "Type") && other != "Type"+name && n != 255 && n != 64 && n != 65 {
			t.Errorf("%d: %s, where another library has %s", n, name, other)
		}
	}
	if known != len(dnsTypes) || known < 90 {
		t.Errorf("%d types are found, %d are in the table", known, len(dnsTypes))
	}
	for number, name := range map[dnsType]string{0: "BAD QTYPE", 33: "SRV", 54: "BAD QTYPE", 64: "SVCB", 65: "HTTPS", 255: "ALL", 257: "CAA", 65535: "BAD QTYPE"} {
		if got := number.String(); got != name {
			t.Errorf("%d is %s, want %s", number, got, name)
		}
	}
}

// otherOpinion reads a message with another library; nil if it cannot, or not to its end.
func otherOpinion(msg []byte) *dnsmessage.Message {
	var m dnsmessage.Message
	if m.Unpack(msg) != nil {
		return nil
	}
	// Unpack reads an address without looking whether the record's length is there; skipping looks.
	var p dnsmessage.Parser
	if _, err := p.Start(msg); err != nil || p.SkipAllQuestions() != nil || p.SkipAllAnswers() != nil ||
		p.SkipAllAuthorities() != nil || p.SkipAllAdditionals() != nil {
		return nil
	}
	return &m
}

// compare says in which name, type or text the two readings of a message differ.
func compare(t *testing.T, msg []byte, m *dnsmessage.Message, r *record.Record) {
	t.Helper()
	name := func(n dnsmessage.Name) string { return validText([]byte(strings.TrimSuffix(n.String(), "."))) }
	qs := r.Values[dnsQuestions].List()
	if len(qs) != len(m.Questions) || r.Values[dnsParseErr].Uint() != 0 && r.Values[dnsUnconsumed].Uint() == 0 {
		t.Fatalf("%x: %d questions, want %d; parse error %d", msg, len(qs), len(m.Questions), r.Values[dnsParseErr].Uint())
	}
	for i, q := range m.Questions {
		if got := qs[i]; got[0].Value.Text() != name(q.Name) || got[1].Value.Uint() != uint64(q.Type) || got[3].Value.Uint() != uint64(q.Class) {
			t.Fatalf("%x: question %v, want %v", msg, lines(qs[i:i+1]), q)
		}
	}
	for i, section := range [][]dnsmessage.Resource{m.Answers, m.Authorities, m.Additionals} {
		list := r.Values[dnsAnswers+i].List()
		if len(list) != len(section) {
			t.Fatalf("%x: section %d has %d records, want %d", msg, i, len(list), len(section))
		}
		for k, want := range section {
			o := list[k]
			h := want.Header
			if o[0].Value.Text() != name(h.Name) || o[1].Value.Uint() != uint64(h.Type) || o[3].Value.Uint() != uint64(h.Class) || o[4].Value.Uint() != uint64(h.TTL) {
				t.Fatalf("%x: record %v, want %v", msg, lines(list[k:k+1]), want)
			}
			text := ""
			switch b := want.Body.(type) {
			case *dnsmessage.AResource:
				text = netip.AddrFrom4(b.A).String()
			case *dnsmessage.AAAAResource:
				text = netip.AddrFrom16(b.AAAA).String()
			case *dnsmessage.NSResource:
				text = name(b.NS)
			case *dnsmessage.CNAMEResource:
				text = name(b.CNAME)
			case *dnsmessage.TXTResource:
				text = validText([]byte(strings.Join(b.TXT, "")))
			case *dnsmessage.MXResource:
				text = strconv.Itoa(int(b.Pref)) + " " + name(b.MX)
			default:
				continue
			}
			if parsed := o[6].Value; parsed.Bool() && o[7].Value.Text() != text {
				t.Fatalf("%x: data %q, want %q", msg, o[7].Value.Text(), text)
			}
		}
	}
}

// TestDNSBuilt builds random messages with another library, compressed and not, and reads them.
func TestDNSBuilt(t *testing.T) {
	r := rand.New(rand.NewPCG(61, 62))
	names := []string{".", "com.", "example.com.", "a.example.com.", "b.a.example.com.", "mail.test.", "xn--bcher-kva.test."}
	pick := func() dnsmessage.Name { return dnsmessage.MustNewName(names[r.IntN(len(names))]) }
	for range 500 {
		var m dnsmessage.Message
		for range r.IntN(3) {
			m.Questions = append(m.Questions, dnsmessage.Question{Name: pick(), Type: dnsmessage.Type(r.IntN(70)), Class: 1})
		}
		for _, section := range []*[]dnsmessage.Resource{&m.Answers, &m.Authorities, &m.Additionals} {
			for range r.IntN(6) {
				bodies := []dnsmessage.ResourceBody{
					&dnsmessage.AResource{A: [4]byte{byte(r.Uint32()), 2, 3, 4}}, &dnsmessage.AAAAResource{AAAA: [16]byte{0x20, 1, byte(r.Uint32())}},
					&dnsmessage.NSResource{NS: pick()}, &dnsmessage.CNAMEResource{CNAME: pick()}, &dnsmessage.MXResource{Pref: uint16(r.Uint32()), MX: pick()},
					&dnsmessage.TXTResource{TXT: []string{"one", "", "three"}[:1+r.IntN(3)]}, &dnsmessage.PTRResource{PTR: pick()},
					&dnsmessage.SOAResource{NS: pick(), MBox: pick()}, &dnsmessage.SRVResource{Target: pick()},
				}
				*section = append(*section, dnsmessage.Resource{
					Header: dnsmessage.ResourceHeader{Name: pick(), Class: 1, TTL: r.Uint32()}, Body: bodies[r.IntN(len(bodies))],
				})
			}
		}
		msg, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		row := readDNS(msg)
		if row.Values[dnsParseErr].Uint() != 0 {
			t.Fatalf("%x: parse error", msg)
		}
		compare(t, msg, otherOpinion(msg), row)
	}
}

// FuzzDecodeDNS reads arbitrary messages. None may panic or make a row out of proportion; where another library reads a
// message, the two agree; and a row does not refer to the message.
func FuzzDecodeDNS(f *testing.F) {
	f.Add(append(header(1), "\x07example\x03com\x00\x00\x01\x00\x01"...))
	f.Add(append(header(0, 2), "\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x09\x00\x02\xc0\x0c"...))
	f.Add(append(header(0, 1, 0, 1), "\x00\x00\x10\x00\x01\x00\x00\x00\x09\x00\x06\x01a\x03bcd\x00\x00\x29\x04\xd0\x00\x00\x80\x00\x00\x00"...))
	f.Add(append(header(0, 1), "\x01a\xc0\x0e\x00\x0f\x00\x01\x00\x00\x00\x09\x00\x05\x00\x0a\x01b\x00"...))
	f.Fuzz(func(t *testing.T, msg []byte) {
		if len(msg) < dnsHeaderLen || len(msg) > datagramSnap {
			return
		}
		msg = bytes.Clone(msg) // it is overwritten below
		r := readDNS(msg)
		total, text := 0, 0
		for i := range 4 {
			list := r.Values[dnsQuestions+i].List()
			total += len(list)
			for _, o := range list {
				text += len(o[0].Value.Text())
			}
		}
		if total > len(msg)/dnsQuestionRoom || text > 3*dnsMaxText { // a byte may become the three of U+FFFD
			t.Fatalf("%d bytes make %d entries with names of %d bytes", len(msg), total, text)
		}
		if left := r.Values[dnsUnconsumed].Uint(); left > uint64(len(msg)-dnsHeaderLen) {
			t.Fatalf("%d bytes are left of %d", left, len(msg))
		}
		if m := otherOpinion(msg); m != nil {
			compare(t, msg, m, r)
		}
		before := lines(r.Values[dnsAnswers].List())
		clear(msg)
		if after := lines(r.Values[dnsAnswers].List()); strings.Join(before, "\n") != strings.Join(after, "\n") {
			t.Fatal("the row changes with the message")
		}
	})
}

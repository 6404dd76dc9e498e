package probe

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/zmap-go/zmap/packet"
	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/target"
	"github.com/zmap-go/zmap/validate"
)

// dns asks one or more questions. An answer that repeats our number and one of the questions is a success, and one of the
// application too if it says that it is an answer and reports no error.
type dns struct {
	questions []dnsQuestion
	warnings  []string
}

// dnsModule is the table entry.
func dnsModule() Module {
	return Module{
		Name: "dns",
		Help: "Sends DNS queries, usually to port 53. A UDP answer is classified 'dns', a success if it repeats the query's\n" +
			"number and question, and an app_success if it is a response without an error; an ICMP error is 'icmp'.\n" +
			"--probe-args has the questions, joined by semicolons, each TYPE[:FLAG],NAME, such as \"A,example.com;MX,example.com\".\n" +
			"TYPE is any type's name or TYPE and its number. Flags, each behind a colon: nr (no recursion desired), edns (offer\n" +
			"EDNS with answers of 1232 bytes), edns=BYTES, do (EDNS, signatures wanted). The number of probes (-P) must be a\n" +
			"multiple of the number of questions: probe k carries question k. The records need -O json.",
		New:   newDNS,
		Least: Args{Text: "A,example.com"},
	}
}

// newDNS returns the module with the questions that args has.
func newDNS(args Args) (Probe, error) {
	if args.Text == "" {
		return nil, errors.New("dns: no question; write --probe-args=TYPE,NAME, for example A,example.com")
	}
	questions, warnings, err := parseDNSQuestions(args.Text)
	if err != nil {
		return nil, fmt.Errorf("dns: %w", err)
	}
	return &dns{questions: questions, warnings: warnings}, nil
}

// Positions of the module's fields.
const (
	dnsAppSuccess  = 4
	dnsUDPLen      = 9
	dnsHeader      = 10
	dnsQuestions   = 25
	dnsAnswers     = 26
	dnsAuthorities = 27
	dnsAdditionals = 28
	dnsParseErr    = 29
	dnsUnconsumed  = 30
	dnsRaw         = 31
)

// Describe returns the module's constants.
func (m *dns) Describe() Description {
	longest := 0
	for _, q := range m.questions {
		longest = max(longest, len(q.message))
	}
	d := describeDatagram("dns", record.NewSchema(
		[]record.Field{
			fieldSport(), fieldDport(), fieldClass("dns or icmp"), fieldSuccess(),
			{Name: "app_success", Type: record.Bool, Doc: "is it a response that reports no error"},
		},
		ICMPFields(),
		[]record.Field{{Name: "udp_len", Type: record.Int, Doc: "UDP packet length"}},
		dnsHeaderFields(),
		[]record.Field{
			{Name: "dns_questions", Type: record.Repeated, Elem: dnsQuestionSchema(), Doc: "DNS question list"},
			{Name: "dns_answers", Type: record.Repeated, Elem: dnsResourceSchema(), Doc: "DNS answer list"},
			{Name: "dns_authorities", Type: record.Repeated, Elem: dnsResourceSchema(), Doc: "DNS authority list"},
			{Name: "dns_additionals", Type: record.Repeated, Elem: dnsResourceSchema(), Doc: "DNS additional list"},
			{Name: "dns_parse_err", Type: record.Int, Doc: "problem parsing the DNS response"},
			{Name: "dns_unconsumed_bytes", Type: record.Int, Doc: "number of unconsumed bytes"},
			{Name: "raw_data", Type: record.Binary, Doc: "UDP payload"},
		}), longest)
	d.IPv6 = true
	d.TriesMultiple, d.Warnings, d.AppendDryRun = len(m.questions), m.warnings, appendDNSDryRun
	return d
}

// dnsHeaderFields are the fields of the header. setDNSHeader sets them.
func dnsHeaderFields() []record.Field {
	return []record.Field{
		{Name: "dns_id", Type: record.Int, Doc: "DNS transaction ID"},
		{Name: "dns_rd", Type: record.Int, Doc: "DNS recursion desired"},
		{Name: "dns_tc", Type: record.Int, Doc: "DNS packet truncated"},
		{Name: "dns_aa", Type: record.Int, Doc: "DNS authoritative answer"},
		{Name: "dns_opcode", Type: record.Int, Doc: "DNS opcode (query type)"},
		{Name: "dns_qr", Type: record.Int, Doc: "DNS query(0) or response (1)"},
		{Name: "dns_rcode", Type: record.Int, Doc: "DNS response code"},
		{Name: "dns_cd", Type: record.Int, Doc: "DNS checking disabled"},
		{Name: "dns_ad", Type: record.Int, Doc: "DNS authenticated data"},
		{Name: "dns_z", Type: record.Int, Doc: "DNS reserved"},
		{Name: "dns_ra", Type: record.Int, Doc: "DNS recursion available"},
		{Name: "dns_qdcount", Type: record.Int, Doc: "DNS number questions"},
		{Name: "dns_ancount", Type: record.Int, Doc: "DNS number answer RR's"},
		{Name: "dns_nscount", Type: record.Int, Doc: "DNS number NS RR's in authority section"},
		{Name: "dns_arcount", Type: record.Int, Doc: "DNS number additional RR's"},
	}
}

// NewEncoder returns an encoder for one sender.
func (m *dns) NewEncoder(r Route) Encoder {
	e := &dnsEncoder{}
	for _, q := range m.questions {
		e.queries = append(e.queries, newDatagram(r, q.message))
	}
	return e
}

// dnsEncoder makes queries for one sender: probe k to a target carries question k, and after the last the first again.
type dnsEncoder struct{ queries []datagram }

// Template writes the headers and the query.
func (e *dnsEncoder) Template(id uint32, frame []byte) int {
	return e.queries[int(id-1)%len(e.queries)].Template(id, frame)
}

// Patch writes the query's number beside what all UDP probes get.
func (e *dnsEncoder) Patch(frame []byte, s *Shot) int {
	q := &e.queries[s.Try%len(e.queries)]
	binary.BigEndian.PutUint16(q.patch(frame, s), s.Tag.DNSID())
	return q.seal(frame, s)
}

// NewDecoder returns a decoder for one receiver.
func (m *dns) NewDecoder() Decoder {
	d := &dnsDecoder{
		datagramAnswers: datagramAnswers{sport: 0, dport: 1, class: 2, success: 3, icmp: 5},
		questions:       m.questions, shortest: len(m.questions[0].asked),
	}
	for _, q := range m.questions {
		d.shortest = min(d.shortest, len(q.asked))
	}
	d.shortest += dnsHeaderLen
	return d
}

// dnsDecoder reads answers to queries.
type dnsDecoder struct {
	datagramAnswers
	questions []dnsQuestion
	shortest  int  // least length of a message that repeats a question
	ours      bool // the message that Match last said yes to carries our number
}

// Match accepts what other modules over UDP accept, if it is long enough to repeat one of our questions and its length is
// true. Whether it does repeat one, and our number, makes the difference between success and failure.
func (d *dnsDecoder) Match(p *packet.Parsed, tags validate.Source) (target.Target, bool) {
	if p.Kind == packet.KindUDP && (len(p.Payload) < d.shortest || isCut(p)) {
		return target.Target{}, false
	}
	t, tag, ok := d.matchTag(p, tags)
	if ok && p.Kind == packet.KindUDP {
		d.ours = binary.BigEndian.Uint16(p.Payload) == tag.DNSID()
	}
	return t, ok
}

// isCut says whether the datagram p claims to be longer than what the sender put into its packet.
func isCut(p *packet.Parsed) bool {
	return p.UDP.Length() > len(p.UDP) && !p.Truncated && p.Fragment == packet.NotFragment
}

// Decode fills the row of an answer or an ICMP error.
func (d *dnsDecoder) Decode(p *packet.Parsed, r *record.Record) {
	v := r.Values
	v[dnsAppSuccess].SetBool(false)
	for i := dnsQuestions; i <= dnsAdditionals; i++ {
		v[i] = record.List(nil)
	}
	v[dnsParseErr].SetUint(1)
	v[dnsUnconsumed].SetUint(0)
	if d.setError(p, r) {
		r.SetBytes(dnsRaw, p.Frame)
		return
	}
	success := d.ours && d.repeats(p.Payload)
	d.setAnswer(p, r, "dns", success)
	v[dnsUDPLen].SetUint(uint64(p.UDP.Length()))
	r.SetBytes(dnsRaw, p.Payload)
	if !success {
		return
	}
	v[dnsAppSuccess].SetBool(p.Payload[2]&0x80 != 0 && p.Payload[3]&0x0f == 0)
	setDNSHeader(p.Payload, v[dnsHeader:])
	setDNSSections(p.Payload, r)
}

// repeats says whether the first thing behind the header of the message is one of our questions, byte for byte.
func (d *dnsDecoder) repeats(msg []byte) bool {
	if len(msg) < dnsHeaderLen {
		return false
	}
	for i := range d.questions {
		if bytes.HasPrefix(msg[dnsHeaderLen:], d.questions[i].asked) {
			return true
		}
	}
	return false
}

// setDNSHeader sets the fields of dnsHeaderFields (RFC 1035 section 4.1.1, RFC 4035 section 3.2 for AD and CD).
func setDNSHeader(msg []byte, v []record.Value) {
	id, flags := binary.BigEndian.Uint16(msg), binary.BigEndian.Uint16(msg[2:])
	bit := func(shift, mask uint16) record.Value { return record.Uint(uint64(flags >> shift & mask)) }
	v[0].SetUint(uint64(id))
	v[1] = bit(8, 1)   // RD
	v[2] = bit(9, 1)   // TC
	v[3] = bit(10, 1)  // AA
	v[4] = bit(11, 15) // opcode
	v[5] = bit(15, 1)  // QR
	v[6] = bit(0, 15)  // response code
	v[7] = bit(4, 1)   // CD
	v[8] = bit(5, 1)   // AD
	v[9] = bit(6, 1)   // Z
	v[10] = bit(7, 1)  // RA
	for i := range 4 {
		v[11+i].SetUint(uint64(binary.BigEndian.Uint16(msg[4+2*i:])))
	}
}

// setDNSSections sets the four lists and what is said about how much of the message could be read. Reading stops at the
// first entry that is broken; those before it are kept.
func setDNSSections(msg []byte, r *record.Record) {
	d := dnsReader{msg: msg, at: dnsHeaderLen, row: r}
	intact := true
	for i := 0; i < 4 && intact; i++ {
		count := binary.BigEndian.Uint16(msg[4+2*i:])
		var list []record.Object
		if i == 0 {
			list, intact = d.section(count, dnsQuestionRoom, d.question)
		} else {
			list, intact = d.section(count, dnsRecordRoom, d.resource)
		}
		r.Values[dnsQuestions+i] = record.List(list)
	}
	broken := uint64(0)
	if !intact || d.left() > 0 {
		broken = 1
	}
	r.Values[dnsParseErr].SetUint(broken)
	r.Values[dnsUnconsumed].SetUint(uint64(d.left()))
}

// appendDNSDryRun prints what [AppendDryRun] does in C ZMap's form for this module: with dashes in front as well, and with
// its own name for UDP.
func appendDNSDryRun(dst, frame []byte, ether bool) []byte {
	dst = append(dst, dashes...)
	start := len(dst)
	dst = AppendDryRun(dst, frame, ether)
	if bytes.HasPrefix(dst[start:], []byte("udp {")) {
		copy(dst[start:], "dns {")
	}
	return dst
}

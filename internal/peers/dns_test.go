//go:build peers

package peers

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// records are those of the zone example.test, but for its SOA, as in a zone file with $ORIGIN example.test.
var records = []string{
	"@ NS ns1", "@ NS ns2.example.net.",
	"ns1 A 10.7.0.5",
	"two A 192.0.2.1", "two A 192.0.2.2", "two AAAA 2001:db8::1",
	"www CNAME two",
	"@ MX 10 mail", "@ MX 20 mail.example.net.",
	`txt TXT "one" "two, three; " "` + "\\195\\164" + `"`, `txt TXT ""`,
	"_sip._udp SRV 10 20 5060 two",
	`@ CAA 0 issue "ca.example.net"`,
	"tlsa TLSA 3 1 1 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
	"host SSHFP 4 2 ff02030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20",
	"ptr PTR two",
	"deep CNAME deeper", "deeper CNAME two",
	"mid TXT " + strings.Repeat(`"`+strings.Repeat("m", 250)+`" `, 4), // 1004 bytes
	"big TXT " + strings.Repeat(`"`+strings.Repeat("b", 250)+`" `, 12),
}

// soa is the first record of the zone.
const soa = "@ SOA ns1 hostmaster 2026112501 7200 3600 1209600 60"

// zoneFile writes the zone, with the TTL that every answer must have, and returns its path.
func zoneFile(t *testing.T) string {
	t.Helper()
	lines := append([]string{"$ORIGIN example.test.", "$TTL 300", soa}, records...)
	return file(t, "example.test.zone", strings.Join(lines, "\n")+"\n")
}

// An answer is what must come back to one question: the answer section as "name type data", in any order, and flags.
type answer struct {
	question string // as in --probe-args
	records  []string
	flags    string // rcode 0, no more than what the server always has, unless said here
}

// answers are what every server must say of the zone. Data that rows do not take apart is in hexadecimal.
var answers = []answer{
	{question: "A,two.example.test", records: []string{"two.example.test A 192.0.2.1", "two.example.test A 192.0.2.2"}},
	{question: "AAAA,two.example.test", records: []string{"two.example.test AAAA 2001:db8::1"}},
	{question: "NS,example.test", records: []string{"example.test NS ns1.example.test", "example.test NS ns2.example.net"}},
	{question: "MX,example.test", records: []string{"example.test MX 10 mail.example.test", "example.test MX 20 mail.example.net"}},
	{question: "TXT,txt.example.test", records: []string{"txt.example.test TXT onetwo, three; ä", "txt.example.test TXT "}},
	{question: "CNAME,www.example.test", records: []string{"www.example.test CNAME two.example.test"}},
	{question: "SRV,_sip._udp.example.test", records: []string{
		"_sip._udp.example.test SRV 0x000a001413c403" + hex.EncodeToString([]byte("two\x07example\x04test\x00")),
	}},
	{question: "CAA,example.test", records: []string{"example.test CAA 0x0005" + hex.EncodeToString([]byte("issueca.example.net"))}},
	{question: "TLSA,tlsa.example.test", records: []string{"tlsa.example.test TLSA 0x030101000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"}},
	{question: "SSHFP,host.example.test", records: []string{"host.example.test SSHFP 0x0402ff02030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20"}},
	{question: "AAAA,deep.example.test", records: []string{
		"deep.example.test CNAME deeper.example.test", "deeper.example.test CNAME two.example.test", "two.example.test AAAA 2001:db8::1",
	}},
	{question: "TXT:edns,mid.example.test", records: []string{"mid.example.test TXT " + strings.Repeat("m", 1000)}},
	{question: "A,no.example.test", flags: "rcode 3"},
	{question: "MX:nr,two.example.test", flags: "rd 0"},
}

// A nameserver is one program with its configuration.
type nameserver struct {
	program server
	flags   map[string]string // that its answers have
}

// askZone asks a name server that has the zone everything in the table, in one scan, and the rest one by one.
func askZone(t *testing.T, s nameserver) {
	t.Helper()
	s.program.start(t, newNet(t))
	var questions []string
	for _, a := range answers {
		questions = append(questions, a.question)
	}
	rows := scan(t, question{module: "dns", args: strings.Join(questions, ";"), ports: "53", tries: len(questions)})
	for i, r := range rows {
		a := answers[slices.IndexFunc(answers, func(a answer) bool { return asks(t, r) == plain(a.question) })]
		t.Run(plain(a.question), func(t *testing.T) { checkAnswer(t, s, a, rows[i]) })
	}
	t.Run("around", askAround)
}

// plain returns a question without flags.
func plain(question string) string {
	kind, name, _ := strings.Cut(question, ",")
	kind, _, _ = strings.Cut(kind, ":")
	return kind + "," + name
}

// asks returns the question that a row's message repeats.
func asks(t *testing.T, r row) string {
	t.Helper()
	q := objects(r["dns_questions"])
	if len(q) != 1 || q[0]["qclass"] == nil {
		t.Fatalf("questions are %v", r["dns_questions"])
	}
	return fmt.Sprintf("%v,%v", q[0]["qtype_str"], q[0]["name"])
}

// objects returns a list of a row.
func objects(list any) []row {
	var out []row
	all, _ := list.([]any)
	for _, o := range all {
		out = append(out, row(o.(map[string]any)))
	}
	return out
}

// checkAnswer compares a row with what the server was told to say.
func checkAnswer(t *testing.T, s nameserver, a answer, r row) {
	t.Helper()
	want := map[string]string{
		"classification": "dns", "sport": "53", "dns_qr": "1", "dns_opcode": "0", "dns_rcode": "0", "dns_tc": "0", "dns_rd": "1",
		"dns_cd": "0", "dns_ad": "0", "dns_z": "0", "dns_qdcount": "1", "dns_parse_err": "0", "dns_unconsumed_bytes": "0",
	}
	for k, v := range s.flags {
		want[k] = v
	}
	for f := range strings.FieldsSeq(strings.ReplaceAll(a.flags, " ", "=")) {
		name, value, _ := strings.Cut(f, "=")
		want["dns_"+name] = value
	}
	want["app_success"] = strconv.FormatBool(want["dns_rcode"] == "0")
	r.want(t, want)
	var got []string
	for _, o := range objects(r["dns_answers"]) {
		got = append(got, readRecord(t, o))
	}
	slices.Sort(got)
	wanted := slices.Sorted(slices.Values(a.records))
	if !slices.Equal(got, wanted) {
		t.Errorf("answers\n%q, want\n%q", got, wanted)
	}
	secondOpinion(t, r)
}

// readRecord returns a record of a row in one line, and checks what is the same for all.
func readRecord(t *testing.T, o row) string {
	t.Helper()
	o.want(t, map[string]string{"class": "1", "ttl": "300"})
	data := o.text("rdata")
	if o.text("rdata_is_parsed") == "0" {
		if got, want := len(data)/2, o.text("rdlength"); fmt.Sprint(got) != want {
			t.Errorf("%d bytes of data, length %s", got, want)
		}
		data = "0x" + data
	}
	return fmt.Sprintf("%s %s %s", o.text("name"), o.text("type_str"), data)
}

// secondOpinion reads the message with another library, and compares the sections record by record.
func secondOpinion(t *testing.T, r row) {
	t.Helper()
	var m dnsmessage.Message
	if err := m.Unpack(r.bytes(t, "raw_data")); err != nil {
		t.Fatalf("the message cannot be read: %v", err)
	}
	for _, section := range []struct {
		list string
		want []dnsmessage.Resource
	}{{"dns_answers", m.Answers}, {"dns_authorities", m.Authorities}, {"dns_additionals", m.Additionals}} {
		got := objects(r[section.list])
		if len(got) != len(section.want) {
			t.Fatalf("%s: %d records, want %d", section.list, len(got), len(section.want))
		}
		for i, w := range section.want {
			got[i].want(t, map[string]string{
				"name": strings.TrimSuffix(w.Header.Name.String(), "."), "type": fmt.Sprint(uint16(w.Header.Type)),
				"class": fmt.Sprint(uint16(w.Header.Class)), "ttl": fmt.Sprint(w.Header.TTL), "rdlength": fmt.Sprint(w.Header.Length),
			})
			if want, ok := inWords(w.Body); ok && got[i].text("rdata") != want {
				t.Errorf("%s: data %q, want %q", section.list, got[i].text("rdata"), want)
			}
		}
	}
}

// inWords returns a record's data as rows have it, for the types whose data they take apart.
func inWords(body dnsmessage.ResourceBody) (string, bool) {
	name := func(n dnsmessage.Name) string { return strings.TrimSuffix(n.String(), ".") }
	switch b := body.(type) {
	case *dnsmessage.NSResource:
		return name(b.NS), true
	case *dnsmessage.CNAMEResource:
		return name(b.CNAME), true
	case *dnsmessage.MXResource:
		return fmt.Sprint(b.Pref, " ", name(b.MX)), true
	case *dnsmessage.TXTResource:
		return strings.Join(b.TXT, ""), true
	}
	return "", false
}

// checkSOA checks the data of the zone's SOA record, of which rows show the bytes: the names in it may be compressed.
func checkSOA(t *testing.T, list []row) {
	t.Helper()
	if len(list) != 1 || list[0].text("type_str") != "SOA" || list[0].text("rdata_is_parsed") != "0" {
		t.Fatalf("records %v, want one SOA", list)
	}
	b := list[0].bytes(t, "rdata")
	if len(b) < 22 {
		t.Fatalf("SOA of %d bytes", len(b))
	}
	for i, want := range []uint32{2026112501, 7200, 3600, 1209600, 60} {
		if got := binary.BigEndian.Uint32(b[len(b)-20+4*i:]); got != want {
			t.Errorf("number %d of the SOA is %d, want %d", i, got, want)
		}
	}
}

// askAround asks what has no place in the table: the SOA, answers that do not fit, and names of others.
func askAround(t *testing.T) {
	ask := func(args string) row { return scan(t, question{module: "dns", args: args, ports: "53"})[0] }
	checkSOA(t, objects(ask("SOA,example.test")["dns_answers"]))
	r := ask("A,no.example.test")
	r.want(t, map[string]string{"dns_rcode": "3", "app_success": "false", "dns_ancount": "0", "dns_nscount": "1"})
	checkSOA(t, objects(r["dns_authorities"]))
	for _, q := range []string{"TXT,mid.example.test", "TXT:edns,big.example.test"} {
		r := ask(q)
		r.want(t, map[string]string{"dns_tc": "1", "dns_rcode": "0", "dns_parse_err": "0", "dns_unconsumed_bytes": "0"})
		secondOpinion(t, r)
	}
	ask("A,example.org").want(t, map[string]string{"dns_rcode": "5", "app_success": "false", "dns_ancount": "0"})
}

// authoritative are the flags of answers of servers that have the zone and ask no one else.
func authoritative() map[string]string { return map[string]string{"dns_aa": "1", "dns_ra": "0"} }

func TestDNSBIND(t *testing.T) {
	debian(t, "bind9")
	dir := t.TempDir()
	conf := file(t, "named.conf", fmt.Sprintf(`
		options { directory %q; listen-on { %s; }; listen-on-v6 { none; }; recursion no;
			dnssec-validation no; notify no; pid-file none; session-keyfile none; };
		controls { };
		zone "example.test" { type primary; file %q; };
	`, dir, host, zoneFile(t)))
	askZone(t, nameserver{program: server{port: "udp 53", args: []string{"named", "-g", "-c", conf, "-n", "1"}}, flags: authoritative()})
}

func TestDNSNSD(t *testing.T) {
	debian(t, "nsd")
	conf := file(t, "nsd.conf", fmt.Sprintf(`
server:
	ip-address: %s
	server-count: 1
	username: ""
	zonesdir: "/"
	database: ""
	xfrdfile: ""
	zonelistfile: ""
	pidfile: ""
remote-control:
	control-enable: no
zone:
	name: example.test
	zonefile: %s
`, host, zoneFile(t)))
	askZone(t, nameserver{program: server{port: "udp 53", args: []string{"nsd", "-d", "-c", conf}, empty: []string{"/var/lib/nsd"}}, flags: authoritative()})
}

func TestDNSKnot(t *testing.T) {
	debian(t, "knot")
	askZone(t, nameserver{program: server{port: "udp 53", args: []string{"knotd", "-c", knotConf(t, "off")}}, flags: authoritative()})
}

// knotConf writes a configuration of Knot. signing is on or off.
func knotConf(t *testing.T, signing string) string {
	t.Helper()
	zone := zoneFile(t)
	return file(t, "knot.conf", fmt.Sprintf(`
server:
    listen: %s@53
    udp-workers: 1
    rundir: %q
log:
  - target: stderr
    any: info
database:
    storage: %q
template:
  - id: default
    storage: %q
    zonefile-sync: -1
    journal-content: none
zone:
  - domain: example.test
    file: %q
    dnssec-signing: %s
`, host, t.TempDir(), t.TempDir(), filepath.Dir(zone), zone, signing))
}

// TestDNSSECKnot asks a signed zone for its keys and signatures.
func TestDNSSECKnot(t *testing.T) {
	debian(t, "knot")
	server{args: []string{"knotd", "-c", knotConf(t, "on")}, port: "udp 53"}.start(t, newNet(t))
	kinds := func(args string) (kinds []string) {
		r := scan(t, question{module: "dns", args: args, ports: "53"})[0]
		r.want(t, map[string]string{"app_success": "true", "dns_parse_err": "0", "dns_tc": "0"})
		secondOpinion(t, r)
		for _, o := range objects(r["dns_answers"]) {
			kinds = append(kinds, o.text("type_str"))
		}
		return slices.Compact(slices.Sorted(slices.Values(kinds)))
	}
	for q, want := range map[string]string{
		"AAAA:do,two.example.test": "AAAA RRSIG", "AAAA:edns,two.example.test": "AAAA", "DNSKEY:do,example.test": "DNSKEY RRSIG",
		"CDS,example.test": "CDS", "NSEC,example.test": "NSEC",
	} {
		if got := strings.Join(kinds(q), " "); got != want {
			t.Errorf("%s: answered with %q, want %q", q, got, want)
		}
	}
}

// TestDNSUnbound asks a resolver, which says so, for records of its own.
func TestDNSUnbound(t *testing.T) {
	debian(t, "unbound")
	conf := "server:\n interface: " + host + "\n access-control: 0.0.0.0/0 allow\n use-syslog: no\n username: \"\"\n chroot: \"\"\n" +
		" directory: \"/\"\n pidfile: \"\"\n num-threads: 1\n do-daemonize: no\n local-zone: test. nodefault\n local-zone: example.org. refuse\n" +
		"auth-zone:\n name: example.test\n zonefile: " + zoneFile(t) + "\n for-downstream: yes\n for-upstream: no\n" +
		"remote-control:\n control-enable: no\n"
	askZone(t, nameserver{
		program: server{port: "udp 53", args: []string{"unbound", "-d", "-c", file(t, "unbound.conf", conf)}},
		flags:   map[string]string{"dns_aa": "1"},
	})
}

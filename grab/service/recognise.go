package service

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// maxFirst is how much of a first reply is looked at.
const maxFirst = 2 << 10

// eitherMail is what recognise says of a greeting that FTP and SMTP have in common: a client has to speak to find out.
const eitherMail = "220"

// A rule names a protocol by the first bytes that a server sends. All that a rule has must hold.
type rule struct {
	protocol string
	after    string            // the handshake that it answers; "" for any, as servers of most protocols say who they are to any
	prefix   string            // what the bytes begin with
	has      []string          // one of these is in them, in any case
	is       func([]byte) bool // anything else
}

// recognise returns the protocol of a server whose first bytes are b, in answer to the handshake of the given name; "" if no rule
// fits. The first rule that fits counts.
func recognise(b []byte, after string) string {
	b = b[:min(len(b), maxFirst)]
	lower := strings.ToLower(string(b))
	for i := range rules {
		if rules[i].fits(b, lower, after) {
			return rules[i].protocol
		}
	}
	return ""
}

func (r *rule) fits(b []byte, lower, after string) bool {
	if r.after != "" && r.after != after || !strings.HasPrefix(string(b), r.prefix) || r.is != nil && !r.is(b) {
		return false
	}
	for _, h := range r.has {
		if strings.Contains(lower, h) {
			return true
		}
	}
	return r.has == nil
}

// rules are what is known, the narrower before the wider. Words are in lower case. Sources are the protocols' own documents, and
// what their servers answer to a handshake that is not theirs.
var rules = []rule{
	{protocol: "tls", is: isTLS},
	// Servers that answer in HTTP and mean another protocol.
	{protocol: "mongodb", prefix: "HTTP/", has: []string{"mongodb over http"}},
	{protocol: "tls", prefix: "HTTP/", has: []string{"request was sent to https port", "request to an https server", "speaking plain http to an ssl"}},
	{protocol: "ipp", prefix: "HTTP/", has: []string{"server: cups/", "server: ipp/", " ipp/2."}},
	{protocol: "http", prefix: "HTTP/"},
	{protocol: "http", after: askHTTP, is: isHTML}, // HTTP 0.9
	{protocol: "elasticsearch", has: []string{"this is not an http port"}},
	{protocol: "rtsp", prefix: "RTSP/"},
	{protocol: "sip", prefix: "SIP/2.0"},
	{protocol: "icy", prefix: "ICY "},
	// Lines of text.
	{protocol: "ssh", prefix: "SSH-"},
	{protocol: "vnc", prefix: "RFB "},
	{protocol: "rsync", prefix: "@RSYNCD:"},
	{protocol: "svn", prefix: "( success ( "},
	{protocol: "nats", prefix: "INFO {"},
	{protocol: "mpd", prefix: "OK MPD "},
	{protocol: "ami", prefix: "Asterisk Call Manager/"},
	{protocol: "teamspeak", prefix: "TS3"},
	{protocol: "managesieve", prefix: `"IMPLEMENTATION"`},
	{protocol: "managesieve", prefix: `"SIEVE"`},
	{protocol: "xmpp", has: []string{"<stream:stream", "http://etherx.jabber.org/streams"}},
	{protocol: "dict", prefix: "220 ", has: []string{"dictd", "<auth.mime>"}},
	{protocol: "ftp", prefix: "220", has: []string{"ftp", "filezilla", "wu-2."}},
	{protocol: "smtp", prefix: "220", has: []string{"smtp", "postfix", "exim", "sendmail", "mail"}},
	{protocol: eitherMail, prefix: "220 "},
	{protocol: eitherMail, prefix: "220-"},
	{protocol: "ftp", prefix: "421", has: []string{"ftp"}},
	{protocol: "ftp", prefix: "530"},
	{protocol: "smtp", prefix: "421", has: []string{"smtp", "mail"}},
	{protocol: "smtp", prefix: "554"},
	{protocol: "nntp", is: isNNTP},
	{protocol: "pop3", prefix: "+OK"},
	{protocol: "imap", prefix: "* OK"},
	{protocol: "imap", prefix: "* PREAUTH"},
	{protocol: "imap", prefix: "* BYE"},
	{protocol: "redis", prefix: "-ERR max number of clients"},
	{protocol: "pop3", prefix: "-ERR", after: askWait},
	{protocol: "redis", prefix: "-ERR"},
	{protocol: "redis", prefix: "-DENIED"},
	{protocol: "redis", prefix: "-NOAUTH"},
	{protocol: "redis", prefix: "-LOADING"},
	{protocol: "irc", prefix: "NOTICE AUTH"},
	{protocol: "irc", prefix: "ERROR :"},
	{protocol: "irc", prefix: ":", has: []string{" notice ", " 451 ", " 421 ", " 020 "}},
	{protocol: "beanstalkd", prefix: "UNKNOWN_COMMAND"},
	{protocol: "clamd", prefix: "UNKNOWN COMMAND"},
	{protocol: "gearman", prefix: "ERR UNKNOWN_COMMAND"},
	{protocol: "nut", prefix: "ERR UNKNOWN-COMMAND"},
	{protocol: "spamd", prefix: "SPAMD/"},
	{protocol: "memcached", prefix: "ERROR\r\n"},
	{protocol: "stomp", prefix: "ERROR\n"},
	{protocol: "zookeeper", after: askZooKeeper, has: []string{"imok", "zookeeper version", "ruok is not executed"}},
	{protocol: "ident", after: askHTTP, has: []string{": error : "}},
	{protocol: "finger", after: askHTTP, has: []string{"no such user", "finger: "}},
	// Bytes.
	{protocol: "zmtp", is: func(b []byte) bool { return len(b) >= 10 && b[0] == 0xff && b[9] == 0x7f }},
	{protocol: "bgp", prefix: strings.Repeat("\xff", 16)},
	{protocol: "telnet", is: func(b []byte) bool { return len(b) >= 3 && b[0] == 0xff && b[1] >= 0xfa && b[1] <= 0xfe }},
	{protocol: "telnet", is: isLogin},
	{protocol: "amqp", prefix: "AMQP"},
	{protocol: "amqp", is: func(b []byte) bool { return len(b) >= 11 && b[0] == 1 && string(b[7:11]) == "\x00\x0a\x00\x0a" }},
	{protocol: "openwire", has: []string{"activemq"}},
	{protocol: "mysql", is: isMySQL},
	{protocol: "postgres", prefix: "E", has: []string{"sfatal", "serror", "frontend protocol", "startup packet"}},
	{protocol: "postgres", after: askPostgres, is: func(b []byte) bool { return string(b) == "S" || string(b) == "N" }},
	{protocol: "mssql", is: isTDS},
	{protocol: "oracle", is: isTNS},
	{protocol: "pptp", is: func(b []byte) bool { return len(b) >= 10 && string(b[2:8]) == "\x00\x01\x1a\x2b\x3c\x4d" }},
	{protocol: "dns", after: askDNS, is: isDNS},
	{protocol: "smb", is: isSMB},
	{protocol: "rdp", is: func(b []byte) bool { return len(b) >= 11 && b[0] == 3 && b[1] == 0 && b[5]&0xf0 == 0xd0 }},
	{protocol: "rdp", prefix: "\x03\x00\x00\x09\x02\xf0\x80\x21"}, // xrdp, to whatever it does not know: the connection is over
	{protocol: "ldap", is: isLDAP},
	{protocol: "mqtt", after: askMQTT, is: func(b []byte) bool { return len(b) >= 4 && b[0] == mqttConnack && b[2] <= 1 }},
	{protocol: "socks5", after: askSOCKS, is: func(b []byte) bool { return len(b) == 2 && b[0] == 5 }},
	{protocol: "kafka", after: askKafka, is: func(b []byte) bool { return len(b) >= 10 && b[0] == 0 && string(b[4:8]) == kafkaID }},
	{protocol: "cassandra", has: []string{"unsupported protocol version"}, is: func(b []byte) bool { return len(b) > 9 && b[0] >= 0x80 }},
	{protocol: "zabbix", prefix: "ZBXD"},
	{protocol: "chargen", prefix: " !\"#$%&'()*+,-./0123456789"},
}

// isTLS takes a record of TLS with a ServerHello or an alert (RFC 8446 section 5.1).
func isTLS(b []byte) bool {
	if len(b) < 6 || b[1] != 3 || b[2] > 4 {
		return false
	}
	n := int(binary.BigEndian.Uint16(b[3:]))
	return b[0] == 21 && n == 2 && (b[5] == 1 || b[5] == 2) || b[0] == 22 && n > 4 && n <= 1<<14+256 && b[5] == 2
}

func isHTML(b []byte) bool {
	b = bytes.ToLower(bytes.TrimLeft(b, " \t\r\n"))
	return bytes.HasPrefix(b, []byte("<html")) || bytes.HasPrefix(b, []byte("<!doctype html"))
}

// isNNTP takes a greeting (RFC 3977 section 5.1): its text is anybody's, but says what it is.
func isNNTP(b []byte) bool {
	s := strings.ToLower(string(b))
	return (strings.HasPrefix(s, "200 ") || strings.HasPrefix(s, "201 ")) &&
		(strings.Contains(s, "nntp") || strings.Contains(s, "news") || strings.Contains(s, "posting") || strings.Contains(s, "inn ") || strings.Contains(s, "innd"))
}

// isLogin takes a prompt without telnet's options.
func isLogin(b []byte) bool {
	s := strings.ToLower(strings.TrimSpace(string(b)))
	return strings.HasSuffix(s, "login:") || strings.HasSuffix(s, "username:") || strings.HasSuffix(s, "password:")
}

// isMySQL takes a handshake of version 10, or an error.
func isMySQL(b []byte) bool {
	if len(b) < 7 || b[3] > 1 || b[2] != 0 {
		return false
	}
	n := int(b[0]) | int(b[1])<<8
	switch b[4] {
	case 10:
		return n > 20 && n < maxMySQL && b[5] >= '0' && b[5] <= '9'
	case 0xff: // number from 1000 on, text
		code := binary.LittleEndian.Uint16(b[5:])
		return n > 8 && n < maxMySQL && code >= 1000 && code < 5000
	}
	return false
}

// isTDS takes an answer to PRELOGIN: one packet, which begins with the option of the version.
func isTDS(b []byte) bool {
	return len(b) > 9 && b[0] == tdsReply && b[1] == 1 && b[8] == tdsVersion && int(binary.BigEndian.Uint16(b[2:])) == len(b)
}

// isTNS takes a packet of Oracle's: length, no checksum, type 2 (accept), 4 (refuse), 5 (redirect) or 11 (resend).
func isTNS(b []byte) bool {
	if len(b) < 8 || b[2] != 0 || b[3] != 0 {
		return false
	}
	n := int(binary.BigEndian.Uint16(b))
	switch b[4] {
	case 2:
		return n >= 24 && n == len(b)
	case 4, 5:
		return n > 8 && bytes.Contains(b, []byte("(DESCRIPTION")) || bytes.Contains(b, []byte("(ERR"))
	case 11:
		return n == 8
	}
	return false
}

// isDNS takes the answer to our question, behind its length.
func isDNS(b []byte) bool {
	return len(b) >= 14 && int(binary.BigEndian.Uint16(b)) >= 12 && string(b[2:4]) == dnsID && b[4]&0x80 != 0
}

// isSMB takes an answer of either version in a session message (RFC 1002 section 4.3.1), or the refusal of a session.
func isSMB(b []byte) bool {
	return len(b) >= 8 && b[0] == 0 && (string(b[4:8]) == "\xfeSMB" || string(b[4:8]) == "\xffSMB") || len(b) == 5 && string(b[:4]) == "\x83\x00\x00\x01"
}

// isLDAP takes an LDAPMessage with the answer to a search or a bind, or a notice of disconnection.
func isLDAP(b []byte) bool {
	c := &cursor{rest: b}
	tag := byte(c.big(1))
	if n := c.big(1); n > 0x80 && n <= 0x84 {
		c.take(int(n) - 0x80)
	}
	if tag != berSequence || c.big(1) != berInteger {
		return false
	}
	c.take(int(min(c.big(1), 8)))
	switch c.big(1) {
	case 0x61, ldapEntry, ldapDone, ldapResponse:
		return !c.short
	}
	return false
}

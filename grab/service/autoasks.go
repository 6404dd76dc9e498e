package service

import (
	"crypto/rand"
	"encoding/binary"
	"strings"

	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/grab/hello"
)

// Names of handshakes, for what a protocol was recognised by.
const (
	askWait      = "wait"
	askTLS       = "tls"
	askHTTP      = "http"
	askDNS       = "dns"
	askPPTP      = "pptp"
	askOracle    = "oracle"
	askRDP       = "rdp"
	askPostgres  = "postgres"
	askMSSQL     = "mssql"
	askMQTT      = "mqtt"
	askLDAP      = "ldap"
	askSMB       = "smb"
	askSOCKS     = "socks5"
	askKafka     = "kafka"
	askZooKeeper = "zookeeper"
	askSIP       = "sip"
)

// The order of handshakes. Its source is Izhikevich, Teixeira, Durumeric: "LZR: Identifying Unexpected Internet Services" (USENIX
// Security 2021), which measured for services on the ports of the protocols tried, and for services on ports drawn by lot, how many
// more each further handshake identifies:
//
//	assigned   wait 51.3 %, TLS +29.0, HTTP +13.6, DNS +3.4, PPTP +1.8
//	random     wait 66.3 %, HTTP +17.1, TLS +15.9, Oracle +0.23, PPTP +0.14
//
// Five identify 99 % there. What comes after the five is in no measured order; it is for those who raise max.
var (
	autoAssigned = []string{askWait, askTLS, askHTTP, askDNS, askPPTP}
	autoRandom   = []string{askWait, askHTTP, askTLS, askOracle, askPPTP}
	autoFurther  = []string{askRDP, askPostgres, askMQTT, askLDAP, askMSSQL, askSMB, askSOCKS, askSIP, askKafka, askZooKeeper, askDNS, askOracle}
)

// autoPorts are ports with the handshake of the protocol that is assigned to them, where that is another than the first ones. It comes
// directly after waiting. Server-first protocols have none of their own.
var autoPorts = map[uint16]string{
	21: askWait, 22: askWait, 23: askWait, 25: askWait, 53: askDNS, 80: askHTTP, 110: askWait, 119: askWait, 143: askWait, 389: askLDAP, 443: askTLS,
	445: askSMB, 465: askTLS, 587: askWait, 631: askHTTP, 636: askTLS, 853: askTLS, 873: askWait, 990: askTLS, 993: askTLS, 995: askTLS,
	1080: askSOCKS, 1433: askMSSQL, 1521: askOracle, 1723: askPPTP, 1883: askMQTT, 2181: askZooKeeper, 3268: askLDAP, 3306: askWait, 3389: askRDP,
	3690: askWait, 5060: askSIP, 5061: askTLS, 5222: askHTTP, 5432: askPostgres, 5672: askHTTP, 5900: askWait, 6379: askHTTP, 6667: askWait, 8080: askHTTP,
	8443: askTLS, 8883: askTLS, 9092: askKafka, 11211: askHTTP, 27017: askHTTP,
}

// quietPorts are ports on which unasked bytes do harm: printers put them on paper (9100 to 9107), and controllers of machines may take
// them for orders, or stop. There, auto waits and sends nothing.
var quietPorts = map[uint16]bool{
	102: true, 502: true, 789: true, 1911: true, 1962: true, 2404: true, 4911: true, 5006: true, 5007: true, 5094: true, 9100: true,
	9101: true, 9102: true, 9103: true, 9104: true, 9105: true, 9106: true, 9107: true, 9600: true, 18245: true, 20000: true, 20547: true, 44818: true, 47808: true,
}

// autoOrder returns the handshakes for a port, best first.
func autoOrder(port uint16, order string, most int) []string {
	own, assigned := autoPorts[port]
	list := autoRandom
	if order == orderAssigned || order == orderAuto && assigned {
		list = autoAssigned
	}
	all := []string{askWait}
	if own != "" && order != orderRandom {
		all = appendOnce(all, own)
	}
	for _, asks := range [][]string{list, autoFurther} {
		for _, name := range asks {
			all = appendOnce(all, name)
		}
	}
	if quietPorts[port] {
		most = 1
	}
	return all[:min(most, len(all))]
}

func appendOnce(list []string, name string) []string {
	for _, l := range list {
		if l == name {
			return list
		}
	}
	return append(list, name)
}

// What answers must bear to be answers to ours.
const (
	dnsID   = "\x5a\x6d"
	kafkaID = "\x00\x00\x5a\x6d"
)

// autoHello returns what a handshake begins with: the first message of a client, which asks for no more than an answer.
func autoHello(name string, s *grab.Session) []byte {
	switch name {
	case askTLS:
		offer := hello.Census(hello.SNI(s.Name))
		offer.Max, offer.Suites = hello.TLS13, append(hello.TLS13Suites(), offer.Suites...)
		b, err := offer.Append(nil, rand.Reader)
		if err != nil { // the name is too long for its field
			return nil
		}
		return b
	case askHTTP: // version 1.0 without a Host header: Redis 7 takes that for an attack, and closes without a word
		return []byte("GET / HTTP/1.0\r\nUser-Agent: " + headerValue(s.Operator.Agent()) + "\r\nAccept: */*\r\n\r\n")
	case askDNS: // name servers of the root, without recursion, which every resolver knows (RFC 1035 section 4.2.2)
		return []byte("\x00\x11" + dnsID + "\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x01")
	case askPPTP:
		return pptpRequest()
	case askOracle:
		return tnsConnect()
	case askRDP:
		return rdpRequest()
	case askPostgres:
		return postgresStart(postgresTLS)
	case askMSSQL:
		return tdsPacket(tdsPrelogin, preloginRequest())
	case askMQTT:
		return mqttRequest(&s.Operator, false)
	case askLDAP:
		return rootDSERequest()
	case askSMB:
		return smbNegotiate()
	case askSOCKS: // version 5, one method: none (RFC 1928 section 3)
		return []byte{5, 1, 0}
	case askKafka: // ApiVersions, version 0, with an empty name
		return []byte("\x00\x00\x00\x0a\x00\x12\x00\x00" + kafkaID + "\x00\x00")
	case askZooKeeper:
		return []byte("ruok")
	case askSIP:
		return sipOptions(s)
	}
	return nil
}

// headerValue returns a string without what would end a header.
func headerValue(s string) string { return strings.NewReplacer("\r", "", "\n", "").Replace(s) }

// sipOptions asks a SIP server what it can do, and nobody behind it (RFC 3261 section 11: OPTIONS with Max-Forwards of 0).
func sipOptions(s *grab.Session) []byte {
	us := "127.0.0.1"
	if s.Conn != nil {
		us = strings.Trim(ourName(&s.Operator, s.Conn), "[]")
	}
	us, id := headerValue(us), rand.Text()
	return []byte("OPTIONS sip:" + headerValue(s.Host()) + " SIP/2.0\r\nVia: SIP/2.0/TCP " + us + ";branch=z9hG4bK" + id + "\r\nMax-Forwards: 0\r\n" +
		"From: <sip:measurement@" + us + ">;tag=" + id[:8] + "\r\nTo: <sip:" + headerValue(s.Host()) + ">\r\nCall-ID: " + id + "\r\nCSeq: 1 OPTIONS\r\n" +
		"User-Agent: " + headerValue(s.Operator.Agent()) + "\r\nContent-Length: 0\r\n\r\n")
}

// pptpRequest is a Start-Control-Connection-Request (RFC 2637 section 2.1) that names no host.
func pptpRequest() []byte {
	b := make([]byte, 156)
	copy(b, "\x00\x9c\x00\x01\x1a\x2b\x3c\x4d\x00\x01\x00\x00\x01\x00")
	b[19], b[23] = 1, 1 // asynchronous frames, analogue bearer
	return b
}

// tnsConnect is a packet CONNECT to a service that has no name: listeners refuse it, and say who they are.
func tnsConnect() []byte {
	const data = "(DESCRIPTION=(CONNECT_DATA=(CID=(PROGRAM=measurement))))"
	b := make([]byte, 58, 58+len(data))
	b[4] = 1                                   // connect
	binary.BigEndian.PutUint16(b[8:], 312)     // version
	binary.BigEndian.PutUint16(b[10:], 300)    // and the oldest that would do
	binary.BigEndian.PutUint16(b[14:], 2048)   // unit of sessions
	binary.BigEndian.PutUint16(b[16:], 32767)  // and of transport
	binary.BigEndian.PutUint16(b[18:], 0x7f08) // of the network
	b[23] = 1                                  // the value of one, for byte order
	binary.BigEndian.PutUint16(b[24:], uint16(len(data)))
	binary.BigEndian.PutUint16(b[26:], 58)
	b = append(b, data...)
	binary.BigEndian.PutUint16(b, uint16(len(b)))
	return b
}

// smbNegotiate is an SMB 2 NEGOTIATE (MS-SMB2 section 2.2.3) of the dialects 2.0.2 and 2.1 in a session message.
func smbNegotiate() []byte {
	b := make([]byte, 4+64+36+4)
	b[3] = byte(len(b) - 4)
	copy(b[4:], "\xfeSMB\x40")
	b[18] = 1                            // credits
	copy(b[68:], "\x24\x00\x02\x00\x01") // size, dialects, signing
	copy(b[104:], "\x02\x02\x10\x02")
	return b
}

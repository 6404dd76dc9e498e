//go:build peers

package peers

import (
	"bytes"
	"encoding/hex"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestNTPChrony asks a server that takes its own clock for a source of stratum 10.
func TestNTPChrony(t *testing.T) {
	debian(t, "chrony")
	conf := file(t, "chrony.conf", "local stratum 10\nallow all\nbindaddress "+host+"\ncmdport 0\nbindcmdaddress /\npidfile /run/chronyd.pid\n")
	// -x: never touches the machine's clock.
	server{args: []string{"chronyd", "-d", "-x", "-u", "root", "-f", conf}, port: "udp 123"}.start(t, newNet(t))
	before := time.Now()
	r := scan(t, question{module: "ntp", ports: "123"})[0]
	r.want(t, map[string]string{
		"classification": "ntp", "sport": "123",
		"LI_VN_MODE":                 strconv.Itoa(0<<6 | 4<<3 | 4), // synchronised, version 4, server
		"stratum":                    "10",
		"reference_clock_identifier": strconv.Itoa(0x7f7f0101), // chrony's name for its own clock, 127.127.1.1
		"originate_timestamp":        "0",                      // our request had none
	})
	for _, field := range []string{"reference_timestamp", "receive_timestamp", "transmit_timestamp"} {
		at := ntpTime(t, r, field)
		if at.Before(before.Add(-time.Minute)) || at.After(time.Now().Add(time.Second)) {
			t.Errorf("%s is %v, now it is %v", field, at, time.Now())
		}
	}
	if received, sent := ntpTime(t, r, "receive_timestamp"), ntpTime(t, r, "transmit_timestamp"); sent.Before(received) || sent.Sub(received) > time.Second {
		t.Errorf("received at %v, answered at %v", received, sent)
	}
	if precision, err := strconv.Atoi(r.text("precision")); err != nil || int8(precision) > -10 || int8(precision) < -32 {
		t.Errorf("precision is %s, want a small power of two", r.text("precision"))
	}
}

// ntpTime reads a time stamp (RFC 5905 section 6): seconds since 1900, and their fraction.
func ntpTime(t *testing.T, r row, field string) time.Time {
	t.Helper()
	stamp, err := strconv.ParseUint(r.text(field), 10, 64)
	if err != nil {
		t.Fatalf("%s is %q", field, r.text(field))
	}
	const from1900 = 2_208_988_800
	return time.Unix(int64(stamp>>32)-from1900, int64(stamp&(1<<32-1)*1e9>>32))
}

// TestUPnPMiniUPnPd asks the daemon of home routers for its root device, on its own link.
func TestUPnPMiniUPnPd(t *testing.T) {
	debian(t, "miniupnpd-nftables")
	const id = "00000000-0000-0000-0000-000000000001"
	conf := file(t, "miniupnpd.conf", "ext_ifname=lo\next_ip=8.8.8.8\nlistening_ip=net0\nhttp_port=5000\nuuid="+id+"\n")
	server{args: []string{"miniupnpd", "-d", "-f", conf, "-P", "/run/m.pid"}, port: "udp 1900", ready: "HTTP listening"}.start(t, newNet(t))
	r := scan(t, question{module: "upnp", ports: "1900", onLink: true})[0]
	r.want(t, map[string]string{
		"classification": "upnp", "sport": "1900", "st": "upnp:rootdevice", "usn": "uuid:" + id + "::upnp:rootdevice", "ext": "",
		"location": "http://" + gate + ":5000/rootDesc.xml", "cache_control": "max-age=120", "agent": "<nil>", "date": "<nil>",
	})
	if !strings.Contains(r.text("server"), "UPnP/1.1 MiniUPnPd/2.") {
		t.Errorf("server is %q", r.text("server"))
	}
}

// TestTCPNginx connects halfway to a web server, with every layout of TCP options; the kernel refuses for the others.
func TestTCPNginx(t *testing.T) {
	debian(t, "nginx-light")
	conf := file(t, "nginx.conf", "daemon off; worker_processes 1; pid /run/n.pid; error_log stderr;\nevents { }\n"+
		"http { access_log off; server { listen "+host+":80; return 204; } }\n")
	server{args: []string{"nginx", "-c", conf, "-e", "stderr"}, empty: []string{"/var/lib/nginx"}, port: "tcp 80"}.start(t, newNet(t))
	for layout, options := range map[string]map[string]string{
		"smallest-probes": {"tcpopt_mss": "1460", "tcpopt_wscale": "<nil>", "tcpopt_sack_perm": "<nil>", "tcpopt_ts_val": "<nil>"},
		"windows":         {"tcpopt_mss": "1460", "tcpopt_sack_perm": "1", "tcpopt_ts_val": "<nil>"},
		"linux":           {"tcpopt_mss": "1460", "tcpopt_sack_perm": "1"},
		"bsd":             {"tcpopt_mss": "1460", "tcpopt_sack_perm": "1"},
	} {
		successes, others := scanAll(t, question{module: "tcp_synscan", args: layout, ports: "80"})
		if len(successes) != 1 || len(others) != 15 {
			t.Fatalf("%s: %d successes, %d others", layout, len(successes), len(others))
		}
		r := successes[0]
		r.want(t, options)
		r.want(t, map[string]string{"saddr": host, "classification": "synack", "sport": "80", "ttl": "64", "repeat": "false"})
		if scale := r["tcpopt_wscale"]; (scale == nil) != (layout == "smallest-probes") {
			t.Errorf("%s: window scale %v", layout, scale)
		}
		if stamps := layout == "linux" || layout == "bsd"; stamps {
			now, echo := time.Now().Unix(), r.text("tcpopt_ts_ecr")
			if sent, err := strconv.ParseInt(echo, 10, 64); err != nil || now-sent < 0 || now-sent > 60 {
				t.Errorf("%s: our time stamp comes back as %s, now it is %d", layout, echo, now)
			}
		}
		for _, o := range others {
			o.want(t, map[string]string{"classification": "rst", "sport": "80", "tcpopt_mss": "<nil>", "window": "0"})
		}
	}
	// A stray SYN-ACK is refused by open and closed ports alike.
	successes, others := scanAll(t, question{module: "tcp_synackscan", ports: "80"})
	if len(successes) != 16 || len(others) != 0 {
		t.Errorf("SYN-ACKs: %d refused, %d others", len(successes), len(others))
	}
}

// TestEchoKernel pings the addresses of a real kernel, with both modules.
func TestEchoKernel(t *testing.T) {
	kernel(t)
	newNet(t)
	before := time.Now().Add(-time.Second).Unix()
	successes, others := scanAll(t, question{module: "icmp_echoscan", args: "text:payload"})
	if len(successes) != 16 || len(others) != 0 {
		t.Errorf("%d replies, %d others", len(successes), len(others))
	}
	for _, r := range successes {
		r.want(t, map[string]string{"classification": "echoreply", "type": "0", "code": "0"})
		if data := r.bytes(t, "data"); len(data) != 11 || string(data[4:]) != "payload" { // behind identifier and number
			t.Errorf("data is %x", data)
		}
	}
	successes, others = scanAll(t, question{module: "icmp_echo_time"})
	if len(successes) != 16 || len(others) != 0 {
		t.Errorf("with times: %d replies, %d others", len(successes), len(others))
	}
	for _, r := range successes {
		r.want(t, map[string]string{"classification": "echoreply", "type": "0", "code": "0"})
		sent, err := strconv.ParseInt(r.text("sent_timestamp_ts"), 10, 64)
		if rtt, err2 := strconv.Atoi(r.text("rtt_us")); err != nil || err2 != nil || rtt < 0 || rtt > 500_000 || sent < before {
			t.Errorf("sent %s, round trip %s", r.text("sent_timestamp_ts"), r.text("rtt_us"))
		}
	}
}

// TestIPIPForwarder sends packets in packets to a machine that unpacks and forwards them, and to a kernel that does not know
// what they are and says so (protocol unreachable).
func TestIPIPForwarder(t *testing.T) {
	own(t, "forwarder on raw sockets")
	ownServer("ipip", "").start(t, newNet(t))
	successes, others := scanAll(t, question{module: "ipip", args: "text:from the inside", ports: "53"})
	if len(successes) != 1 || len(others) != 15 {
		t.Fatalf("%d successes, %d others: %v", len(successes), len(others), successes)
	}
	successes[0].want(t, map[string]string{
		"saddr": host, "classification": "udp", "dport": "53", "data": hex.EncodeToString([]byte("from the inside")), "udp_pkt_size": "23",
	})
	for _, r := range others {
		r.want(t, map[string]string{"classification": "icmp-unreach", "icmp_type": "3", "icmp_code": "2"})
	}
}

// TestBACnetDevice asks a controller that answers nothing but what the standard allows.
func TestBACnetDevice(t *testing.T) {
	own(t, "device after ASHRAE 135")
	ownServer("bacnet", "udp 47808").start(t, newNet(t))
	r := scan(t, question{module: "bacnet", ports: "47808"})[0]
	r.want(t, map[string]string{"classification": "bacnet", "sport": "47808"})
	data := r.bytes(t, "udp_payload")
	if len(data) != 23 || !bytes.HasSuffix(data, []byte("\x0c\x0c\x02\x00\x04\xd2\x19\x4b\x3e\xc4\x02\x00\x04\xd2\x3f")) {
		t.Errorf("answer %x, want device 1234", data)
	}
}

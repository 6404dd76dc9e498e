package cli

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"iter"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/zmap-go/zmap/lab"
)

// The networks of the scripts' Internet, by the names that scripts know them by. ALL contains the others.
var networks = map[string]string{
	"ALL":    "10.1.0.0/20",    // all on Ethernet
	"LIVE":   "10.1.0.0/27",    // listen on ports 80 and 443
	"REFUSE": "10.1.1.0/28",    // RST
	"LATE":   "10.1.2.0/29",    // a second late
	"TWICE":  "10.1.3.0/29",    // answer twice
	"ERROR":  "10.1.4.0/29",    // ICMP host unreachable, from the gateway
	"FORGE":  "10.1.5.0/29",    // answers with a wrong acknowledgement number
	"SHIFT":  "10.1.6.0/29",    // answers from the next port
	"SILENT": "10.1.8.0/22",    // nothing
	"HOST":   "10.1.0.1/32",    // one of LIVE
	"ONE":    "10.1.0.1",       // the same
	"BIG":    "10.0.0.0/8",     // hours at the rates of the scripts, with ALL inside
	"GATE":   "172.31.255.254", // the gateway
	"SIX":    "2001:db8::/44",  // 2^20 /64s, of which those of one /60 are hosts like LIVE, and those of one /61 are unreachable
	"TUN":    "10.3.0.0/27",    // behind a tun device that takes packets of 600 bytes; listen on port 80
}

// newNet starts the Internet of the scripts, and makes the tun device.
func newNet(t *testing.T) *lab.Net {
	t.Helper()
	p := func(name string) netip.Prefix { return netip.MustParsePrefix(networks[name]) }
	n, err := lab.New(t.Context(), lab.World{
		Ports: []uint16{80, 443},
		Hosts: []lab.Hosts{
			{Prefix: p("LIVE"), Kind: lab.Kernel},
			{Prefix: p("REFUSE"), Kind: lab.Refuse},
			{Prefix: p("LATE"), Kind: lab.Late, Delay: time.Second},
			{Prefix: p("TWICE"), Kind: lab.Twice},
			{Prefix: p("ERROR"), Kind: lab.ICMPError, Type: 3, Code: 1},
			{Prefix: p("FORGE"), Kind: lab.ForgeOnly, Forgery: lab.WrongAck},
			{Prefix: p("SHIFT"), Kind: lab.ForgeOnly, Forgery: lab.WrongPort},
		},
		Sources: 3,
		IPv6: &lab.IPv6{
			Hosts: []netip.Prefix{netip.MustParsePrefix("2001:db8:5:a0::/60")}, Unreachable: []netip.Prefix{netip.MustParsePrefix("2001:db8:6::/61")},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	serveTLS(t, n)
	tun, err := lab.OpenTun("tun0", 600, netip.MustParseAddr("10.3.9.9"), lab.World{
		Ports: []uint16{80}, Hosts: []lab.Hosts{{Prefix: p("TUN"), Kind: lab.Kernel}},
	})
	if err != nil {
		t.Fatal(err)
	}
	greet(t, n)
	// Scripts run in parallel subtests, which outlive the body of the test that starts them.
	t.Cleanup(func() {
		if err := errors.Join(tun.Close(), n.Close()); err != nil {
			t.Error(err)
		}
	})
	return n
}

// serveTLS has LIVE speak TLS on port 8443, under a certificate of its own for *.lab.example.
func serveTLS(t *testing.T, n *lab.Net) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "lab.example"}, DNSNames: []string{"*.lab.example"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(10 * 24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := n.Listen(t.Context(), ":8443")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0), Handler: http.NotFoundHandler()}
	go server.Serve(tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}))
	t.Cleanup(func() { server.Close() })
}

// setup gives scripts the networks as variables, and the truth as files: truth/live has the addresses that answer a SYN to
// port 80, truth/hosts those of them in LIVE, truth/refuse those that refuse it, truth/unreachable those that a router speaks for, truth/ping those that
// answer a ping. The machine of the scripts is one whose Internet is private networks, so it has an empty blocklist of its own,
// etc/blocklist.conf; scripts about the default blocklist remove it.
func setup(n *lab.Net) func(*testscript.Env) error {
	return func(env *testscript.Env) error {
		for name, network := range networks {
			env.Setenv(name, network)
		}
		env.Setenv("IFACE", n.Link().Interface)
		env.Setenv("SOURCE", n.Link().Scanner.String())
		env.Setenv("GATEMAC", n.Link().GatewayMAC.String())
		env.Setenv("ETC", filepath.Join(env.WorkDir, "etc"))
		env.Setenv("TZ", "UTC")
		env.Setenv("GORACE", "atexit_sleep_ms=0") // a program under the race detector waits a second before it exits
		env.Values[watchedKey{}] = &watched{}
		etc, dir := filepath.Join(env.WorkDir, "etc"), filepath.Join(env.WorkDir, "truth")
		err := errors.Join(os.MkdirAll(etc, 0o755), os.Mkdir(dir, 0o755),
			os.WriteFile(filepath.Join(etc, "blocklist.conf"), []byte("# nothing\n"), 0o644))
		if err != nil {
			return err
		}
		write := func(name string, addrs iter.Seq[netip.Addr]) error {
			var b strings.Builder
			for a := range addrs {
				fmt.Fprintln(&b, a)
			}
			return os.WriteFile(filepath.Join(dir, name), []byte(b.String()), 0o644)
		}
		live := netip.MustParsePrefix(networks["LIVE"])
		all := n.Truth().Addrs(lab.SYN(80), lab.SYNACK)
		return errors.Join(
			write("live", all),
			write("hosts", func(yield func(netip.Addr) bool) {
				all(func(a netip.Addr) bool { return !live.Contains(a) || yield(a) })
			}),
			write("refuse", n.Truth().Addrs(lab.SYN(80), lab.RST)),
			write("unreachable", n.Truth().Addrs(lab.SYN(80), lab.Unreachable)),
			write("ping", n.Truth().Addrs(lab.Ping(), lab.EchoReply)),
		)
	}
}

// greet runs servers on the hosts of LIVE and their like: on port 2525 one that greets and then repeats what it is told, on 2526 one
// that never says anything.
func greet(t *testing.T, n *lab.Net) {
	t.Helper()
	serve(t, n, ":2525", func(c net.Conn) {
		_, _ = c.Write([]byte("220 lab ready\r\n"))
		_, _ = io.Copy(c, c)
	})
	serve(t, n, ":2526", func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
}

// serve has a server talk to everybody who connects, until the test is over.
func serve(t *testing.T, n *lab.Net, address string, talk func(net.Conn)) {
	t.Helper()
	l, err := n.Listen(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				talk(c)
			}()
		}
	}()
}

package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/zmap-go/zmap/lab"
)

// The Internet of grabs: a million addresses, of which 2 % are a kernel's, behind all of which is one server of TLS.
const (
	grabNetwork = "10.0.0.0/12"
	grabPort    = "4433"
)

// What certificates are asked for by: without cryptography, and with all of it.
const (
	certsModule = "tls,mode=certs,roots=none"
	fullModule  = "tls,roots=none"
)

// grabHosts are those that accept: 20,480.
func grabHosts() []lab.Hosts {
	return []lab.Hosts{
		{Prefix: netip.MustParsePrefix("10.0.0.0/18"), Kind: lab.Kernel}, {Prefix: netip.MustParsePrefix("10.0.64.0/20"), Kind: lab.Kernel},
	}
}

// grabs goes from SYN to certificates, in one command, by each way, and looks at every row and at every SYN on the wire.
func grabs(ctx context.Context, s *session) (err error) {
	part, hosts := grabNetwork, grabHosts()
	if s.short {
		part, hosts = "10.0.64.0/19", hosts[1:]
	}
	live, asked := uint64(0), uint64(1)<<(32-netip.MustParsePrefix(part).Bits())
	for _, h := range hosts {
		live += 1 << (32 - h.Prefix.Bits())
	}
	// Nobody scans the crowd. It has the other end of the cable take what is sent past the kernel's stack.
	n, err := lab.New(ctx, lab.World{Hosts: hosts, Tally: true, Crowd: &lab.Crowd{Prefix: netip.MustParsePrefix("10.200.0.0/16"), Share: 1}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	stop, err := serveCertificates(ctx, n)
	if err != nil {
		return err
	}
	defer stop()
	dir, err := os.MkdirTemp("", "zmap-bench")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	cores := s.coresOr(allCores())
	t := table{
		title: fmt.Sprintf("%s from SYN to certificate in one command, %d of %d addresses accept, the servers on the same %s", part, live, asked, coreWords(cores)),
		head:  []string{"module", "transport", "s without cooldown", "grabs/s", "hosts", "with certificate", "SYNs", "CPU ms a grab", "MB"},
		notes: []string{"A SYN more than there are addresses is one that no host needed. The servers, of crypto/tls, take the larger part of the processors."},
	}
	for _, c := range []struct{ module, transport string }{
		{certsModule, "oneshot"}, {certsModule, "handover"}, {certsModule, "dial"}, {fullModule, "oneshot"}, {fullModule, "handover"}, {fullModule, "dial"},
	} {
		run := s.ours(auto, cores, dir, "-r", "100000", "-p", grabPort, "--grab", c.module, "--grab-transport", c.transport, "-O", "json", "-f", "saddr,data",
			"--output-filter", "success = 1 && repeat = 0", "--grab-per-network", "256", part)
		run.memory = true
		before, err := n.Stats(ctx)
		if err != nil {
			return err
		}
		e, err := run.run(ctx, dir)
		if err != nil {
			return fmt.Errorf("grab by %s: %w", c.transport, err)
		}
		after, err := n.Stats(ctx)
		if err != nil {
			return err
		}
		found, wrong, err := readGrabs(run.out)
		if err != nil {
			return err
		}
		syns := after.Tally.SYNs - before.Tally.SYNs
		took := (e.whole - s.listen.Truncate(time.Second)).Seconds()
		t.add(moduleWords(c.module), c.transport, fmt.Sprintf("%.2f", took), fmt.Sprintf("%.0f", float64(found)/took), fmt.Sprint(live), fmt.Sprint(found), fmt.Sprint(syns),
			fmt.Sprintf("%.3f", e.cpu.Seconds()*1000/float64(live)), fmt.Sprintf("%.0f", float64(e.peak)/1e6))
		s.bars = append(s.bars, bar{
			what: fmt.Sprintf("%s by %s: hosts without exactly one row with a certificate", c.module, c.transport), got: float64(live) - float64(found) + float64(wrong),
		})
		if c.transport != "dial" {
			s.bars = append(s.bars, bar{what: fmt.Sprintf("%s by %s: SYNs beyond one an address", c.module, c.transport), got: float64(syns) - float64(asked)})
		}
	}
	s.tables = append(s.tables, t)
	return s.grabsBesideZGrab2(ctx, dir, hosts[len(hosts)-1].Prefix)
}

// moduleWords is a module without what is only there for the benchmark's sake.
func moduleWords(module string) string { return strings.TrimSuffix(module, ",roots=none") }

// successes counts the grabs of a file of rows that came to their end.
func successes(path string) (int, error) {
	rows, err := os.ReadFile(path)
	return bytes.Count(rows, []byte(`"status":"success"`)), err
}

// readGrabs returns how many hosts have a row with a certificate, and how many rows are none, or second ones.
func readGrabs(path string) (found, wrong int, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = f.Close() }()
	seen := make(map[string]bool)
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var row struct {
			Addr string `json:"saddr"`
			Data struct {
				TLS struct {
					Status string `json:"status"`
					Result struct {
						Log struct {
							Certificates json.RawMessage `json:"server_certificates"`
						} `json:"handshake_log"`
					} `json:"result"`
				} `json:"tls"`
			} `json:"data"`
		}
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			return 0, 0, fmt.Errorf("read row %d: %w", len(seen)+1, err)
		}
		if seen[row.Addr] || row.Data.TLS.Status != "success" || len(row.Data.TLS.Result.Log.Certificates) == 0 {
			wrong++
			continue
		}
		seen[row.Addr] = true
	}
	return len(seen), wrong, lines.Err()
}

// certificate makes one with an ECDSA key.
func certificate() (der []byte, key *ecdsa.PrivateKey, err error) {
	if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, nil, err
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"lab.example"}, NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour)}
	der, err = x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	return der, key, err
}

// certificateFlight is what a server of TLS 1.2 says first: ServerHello, Certificate, ServerHelloDone (RFC 5246 section 7.3).
func certificateFlight() ([]byte, error) {
	der, _, err := certificate()
	if err != nil {
		return nil, err
	}
	vector := func(b []byte) []byte { return append(binary.BigEndian.AppendUint32(nil, uint32(len(b)))[1:], b...) }
	hello := append([]byte{3, 3}, make([]byte, 32)...)
	hello = append(hello, 0, 0xc0, 0x2b, 0) // no session, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, no compression
	flight := append([]byte{2}, vector(hello)...)
	flight = append(append(flight, 11), vector(vector(vector(der)))...)
	flight = append(append(flight, 14), vector(nil)...)
	return append([]byte{22, 3, 3, byte(len(flight) >> 8), byte(len(flight))}, flight...), nil
}

// serveCertificates runs a TLS server with an ECDSA key behind all hosts.
func serveCertificates(ctx context.Context, n *lab.Net) (stop func(), err error) {
	der, key, err := certificate()
	if err != nil {
		return nil, err
	}
	l, err := n.Listen(ctx, ":"+grabPort)
	if err != nil {
		return nil, err
	}
	cfg := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serveCertificate(c, cfg)
		}
	}()
	return func() { _ = l.Close() }, nil
}

func serveCertificate(c net.Conn, cfg *tls.Config) {
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	s := tls.Server(c, cfg)
	if s.Handshake() == nil {
		_, _ = s.Read(make([]byte, 1))
	}
}

package zmap

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"io"
	"math/big"
	"syscall"
	"testing"
	"time"

	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/grab/service"
	"github.com/zmap-go/zmap/lab"
	"github.com/zmap-go/zmap/probe"
	"github.com/zmap-go/zmap/sink"
)

// BenchmarkGrabs goes from SYN to rows with all hosts of a network that answer every question at once, without a server: what is
// measured is the scanner, and the cable.
func BenchmarkGrabs(b *testing.B) {
	page := "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 500\r\nConnection: close\r\n\r\n" + fmt.Sprintf("%500s", "")
	for _, bench := range []struct {
		module string
		reply  []byte
		hangUp bool
	}{{"http", []byte(page), true}, {"tls,mode=certs,roots=none", certificateFlight(b), false}} {
		net, err := lab.New(b.Context(), lab.World{Crowd: &lab.Crowd{Prefix: prefix("10.0.0.0/8"), Share: 1, Reply: bench.reply, HangUp: bench.hangUp}})
		if err != nil {
			b.Fatal(err)
		}
		for _, transport := range []grab.Transport{grab.Oneshot, grab.Handover, grab.Dial} {
			b.Run(fmt.Sprintf("%s/%s", bench.module, transport), func(b *testing.B) { benchmarkGrabs(b, bench.module, transport) })
		}
		if err := net.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func benchmarkGrabs(b *testing.B, name string, transport grab.Transport) {
	m, err := service.Parse(name)
	if err != nil {
		b.Fatal(err)
	}
	p, err := probe.New("tcp_synscan", probe.Args{Text: "smallest-probes"})
	if err != nil {
		b.Fatal(err)
	}
	out := sink.NewJSON(io.Discard, sink.Options{Fields: "saddr,data"})
	for b.Loop() {
		c := Config{
			Networks: []string{"10.0.0.0/16"}, Ports: "80", Probe: p, Link: "xdp", Rate: 100_000, Cooldown: time.Second, AllowSpecial: private(),
			Grab: &Grab{Module: m, Transport: transport, PerNet: 256, InFlight: 2000, Queue: 1 << 17}, Outputs: []Output{{Sink: out}},
		}
		before := processorTime()
		start := time.Now()
		r, err := Run(b.Context(), c)
		if err != nil {
			b.Fatal(err)
		}
		took := time.Since(start) - time.Second
		n := float64(r.Grabs.Grabs[grab.Success])
		b.ReportMetric(n/took.Seconds(), "grabs/s")
		b.ReportMetric(float64((processorTime()-before).Microseconds())/n, "cpu-us/grab")
		b.ReportMetric(65536-n, "lost")
		b.Logf("%+v", r.Grabs)
	}
}

// processorTime is what the process has used, in user space and in the kernel.
func processorTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// certificateFlight is what a server of TLS 1.2 says first: ServerHello, Certificate, ServerHelloDone.
func certificateFlight(b *testing.B) []byte {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"lab.example"}, NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		b.Fatal(err)
	}
	hello := append([]byte{3, 3}, make([]byte, 32)...)
	hello = append(hello, 0, 0xc0, 0x2b, 0) // no session, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, no compression
	var flight []byte
	flight = append(flight, message(2, hello)...)
	flight = append(flight, message(11, vector(vector(der)))...)
	flight = append(flight, message(14, nil)...)
	return append([]byte{22, 3, 3, byte(len(flight) >> 8), byte(len(flight))}, flight...)
}

// vector puts the length before b, in three bytes.
func vector(b []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(b)))[1:], b...)
}

// message is a handshake message (RFC 5246 section 7.4).
func message(kind byte, b []byte) []byte { return append([]byte{kind}, vector(b)...) }

package pool_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/grab/pool"
	"github.com/zmap-go/zmap/grab/service"
)

// perGrab is what a handshake in flight may take, in bytes.
const perGrab = 40 << 10

// ways are modules, and how servers of theirs keep them waiting.
func ways(tb testing.TB) map[string]stalled {
	cfg := serverConfig(tb)
	return map[string]stalled{
		"banner, nothing said":                 {"banner,roots=none", nil},
		"tls, no ServerHello":                  {"tls,roots=none", nil},
		"tls, in the midst of the certificate": {"tls,roots=none", cfg},
		"certs, in the midst of it":            {"tls,mode=certs,roots=none", cfg},
	}
}

// BenchmarkInFlight prints what a grab in flight takes, with 10,000 of them: heap and stacks, without sockets.
func BenchmarkInFlight(b *testing.B) {
	for name, s := range ways(b) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				b.ReportMetric(float64(s.memory(b, 10_000)), "B/in-flight")
			}
		})
	}
}

// TestMemoryInFlight holds that to its bound.
func TestMemoryInFlight(t *testing.T) {
	if testing.Short() {
		t.Skip("short tests run under the race detector, which has memory of its own")
	}
	for name, s := range ways(t) {
		if n := s.memory(t, 1000); n > perGrab {
			t.Errorf("%s: %d bytes a grab in flight, want at most %d", name, n, perGrab)
		}
	}
}

// TestNothingIsLeft of grabs that were cut short: neither goroutines nor memory.
func TestNothingIsLeft(t *testing.T) {
	s := ways(t)["tls, no ServerHello"]
	s.memory(t, 2000) // what is made once, and the runtime keeps of goroutines
	goroutines, bytes := runtime.NumGoroutine(), used()
	const rounds = 4
	for range rounds {
		s.memory(t, 2000)
	}
	for end := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > goroutines; runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines before, %d after", goroutines, runtime.NumGoroutine())
		}
	}
	// What the runtime keeps of goroutines and stacks differs from round to round; a grab that left anything would leave more.
	if more := (used() - bytes) / (rounds * 2000); more > 512 && !testing.Short() { // the race detector has memory of its own
		t.Errorf("%d bytes are left of each grab", more)
	}
}

// TestFullCostsNothing, as senders ask before every batch, and Offer little, as receivers do not wait for it.
func TestFullCostsNothing(t *testing.T) {
	m, err := service.Parse("banner,roots=none")
	if err != nil {
		t.Fatal(err)
	}
	const runs = 2000
	p, err := pool.New(pool.Config{Module: m, Main: &stalls{}, InFlight: 1, Queue: runs / 2, Rate: 1e-9, Done: func(*pool.Work, grab.Grab, bool) {}})
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(runs, func() { p.Full() }); n != 0 {
		t.Errorf("Full allocates %v times", n)
	}
	w := pool.Work{Target: grab.Target{Addr: netip.MustParseAddr("192.0.2.1"), Port: 443}}
	if n := testing.AllocsPerRun(runs, func() { p.Offer(w) }); n > 1 {
		t.Errorf("Offer allocates %v times, want the work alone", n)
	}
	if !p.Full() || p.Counts().Refused < runs/2-10 {
		t.Errorf("%+v: the queue is not full", p.Counts())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_ = p.Drain(ctx)
	if c := p.Counts(); c.Done+c.Refused != c.Offered || c.Waiting+c.Running != 0 {
		t.Errorf("not all are accounted for: %+v", c)
	}
}

// used returns the bytes of heap and stacks in use.
func used() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// A stalled is a supplier of connections to servers that begin and do not go on.
type stalled struct {
	module string
	cfg    *tls.Config // of servers that send a part of their first flight; nil sends nothing
}

// memory runs n grabs up to where they stall, and returns what one takes.
func (s stalled) memory(tb testing.TB, n int) int64 {
	tb.Helper()
	m, err := service.Parse(s.module)
	if err != nil {
		tb.Fatal(err)
	}
	before := used()
	from := &stalls{cfg: s.cfg}
	from.waiting.Add(n)
	var ends sync.WaitGroup
	ends.Add(n)
	p, err := pool.New(pool.Config{
		Module: m, Main: from, More: from, InFlight: n, PerNet: pool.Unlimited, Limits: grab.Limits{Timeout: time.Minute},
		Done: func(*pool.Work, grab.Grab, bool) { ends.Done() },
	})
	if err != nil {
		tb.Fatal(err)
	}
	for i := range n {
		if !p.Offer(pool.Work{Target: grab.Target{Addr: netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)}), Port: 443}}) {
			tb.Fatal("refused")
		}
	}
	from.waiting.Wait()
	after := used()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = p.Drain(ctx)
	ends.Wait()
	return (after - before) / int64(n)
}

// stalls supplies stalled connections.
type stalls struct {
	cfg     *tls.Config
	waiting sync.WaitGroup // for all to have nothing more to read
}

func (s *stalls) Transport() grab.Transport { return grab.Dial }
func (s *stalls) Close() error              { return nil }
func (s *stalls) Open(context.Context, *grab.Target, *grab.Half) (net.Conn, error) {
	return &stallConn{from: s, closed: make(chan struct{})}, nil
}

// A stallConn answers the first message with a part of a server's flight, and then no more.
type stallConn struct {
	net.Conn // nil: all that is called is below
	from     *stalls
	reply    []byte
	asked    bool
	closed   chan struct{}
	once     sync.Once
}

func (c *stallConn) Write(b []byte) (int, error) {
	if !c.asked && c.from.cfg != nil {
		flight := firstFlight(c.from.cfg, b)
		c.reply = bytes.Clone(flight[:len(flight)*3/4])
	}
	c.asked = true
	return len(b), nil
}

func (c *stallConn) Read(b []byte) (int, error) {
	if len(c.reply) > 0 {
		n := copy(b, c.reply)
		c.reply = c.reply[n:]
		return n, nil
	}
	c.from.waiting.Done()
	<-c.closed
	return 0, os.ErrDeadlineExceeded
}

func (c *stallConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}

func (c *stallConn) SetDeadline(time.Time) error      { return nil }
func (c *stallConn) SetReadDeadline(time.Time) error  { return nil }
func (c *stallConn) SetWriteDeadline(time.Time) error { return nil }
func (c *stallConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *stallConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }

// firstFlight is what a server answers a ClientHello.
func firstFlight(cfg *tls.Config, hello []byte) []byte {
	c := &memoryConn{in: bytes.NewReader(hello)}
	_ = tls.Server(c, cfg).Handshake() // ends where the client should answer
	return c.out.Bytes()
}

// A memoryConn reads what it has and keeps what is written.
type memoryConn struct {
	stallConn
	in  *bytes.Reader
	out bytes.Buffer
}

func (c *memoryConn) Read(b []byte) (int, error)  { return c.in.Read(b) }
func (c *memoryConn) Write(b []byte) (int, error) { return c.out.Write(b) }
func (c *memoryConn) Close() error                { return nil }

// serverConfig is that of a server with a certificate of usual size.
func serverConfig(tb testing.TB) *tls.Config {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"www.example.org"}, NotAfter: time.Now().Add(time.Hour)}
	for i := range 40 {
		template.DNSNames = append(template.DNSNames, string(rune('a'+i%26))+"-with-a-long-name.example.org")
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		tb.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

package remote

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/sink"
)

// childNATS is the environment of a process that is a NATS server: its port and its folder.
const childNATS = "ZMAP_REMOTE_NATS"

// natsChild serves until its standard input ends, so it never outlives the test.
func natsChild(arg string) {
	port, dir, _ := strings.Cut(arg, " ")
	n, err := strconv.Atoi(port)
	if err == nil {
		_, err = startNATS(&server.Options{Port: n, StoreDir: dir})
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

// startNATS starts a server with JetStream on loopback.
func startNATS(o *server.Options) (*server.Server, error) {
	o.Host, o.JetStream, o.NoLog, o.NoSigs = "127.0.0.1", true, true, true
	s, err := server.NewServer(o)
	if err != nil {
		return nil, err
	}
	s.Start()
	if !s.ReadyForConnections(20 * time.Second) {
		return nil, errors.New("NATS server does not get ready")
	}
	return s, nil
}

// natsHere starts a server in this process.
func natsHere(t testing.TB, o server.Options) (url string) {
	t.Helper()
	o.Port, o.StoreDir = server.RANDOM_PORT, t.TempDir()
	s, err := startNATS(&o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	return s.ClientURL()
}

// A natsProcess is a server that can be killed and stopped.
type natsProcess struct {
	arg, url string
	cmd      *exec.Cmd
}

func newNATSProcess(t *testing.T) *natsProcess {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	p := &natsProcess{arg: fmt.Sprint(port, " ", t.TempDir()), url: fmt.Sprint("nats://127.0.0.1:", port)}
	p.start(t)
	t.Cleanup(p.kill)
	return p
}

func (p *natsProcess) start(t *testing.T) {
	t.Helper()
	p.cmd = exec.Command(os.Args[0])
	p.cmd.Env = append(os.Environ(), childNATS+"="+p.arg)
	if _, err := p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, _ := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("NATS server says %q", line)
	}
}

func (p *natsProcess) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

func natsTo(t testing.TB, url string) Server {
	t.Helper()
	s, err := NewNATS(NATSConfig{URL: url, Stream: "ROWS", Subject: "rows.{probe}.{scan}"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// stored returns the rows in the stream, by scan, in the order of the stream, and the first message.
func stored(t *testing.T, url string) (rows map[string][]uint64, first jetstream.Msg) {
	t.Helper()
	conn, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	stream, err := js.Stream(ctx, "ROWS")
	if err != nil {
		t.Fatal(err)
	}
	c, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	rows = make(map[string][]uint64)
	for left := stream.CachedInfo().State.Msgs; left > 0; {
		batch, err := c.Fetch(int(min(left, 5000)), jetstream.FetchMaxWait(20*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		got := uint64(0)
		for m := range batch.Messages() {
			var row struct{ N uint64 }
			if err := json.Unmarshal(m.Data(), &row); err != nil {
				t.Fatal(err)
			}
			if first == nil {
				first = m
			}
			scan := m.Headers().Get("Zmap-Scan")
			rows[scan] = append(rows[scan], row.N)
			got++
		}
		if got == 0 {
			t.Fatalf("no message for 20 s, %d are left: %v", left, batch.Error())
		}
		left -= got
	}
	return rows, first
}

func TestNATS(t *testing.T) {
	url := natsHere(t, server.Options{})
	k := openSink(t, natsTo(t, url), quick(t))
	writeRows(t, k, 0, 10000, 3000)
	if err := errors.Join(k.End(sink.Outcome{Reason: "done"}), k.Close()); err != nil {
		t.Fatal(err)
	}
	rows, m := stored(t, url)
	expectRows(t, rows["scan1"], 10000)
	if m.Subject() != "rows.tcp_synscan.scan1" || m.Headers().Get("Zmap-Probe") != "tcp_synscan" ||
		m.Headers().Get("Nats-Msg-Id") != "scan1."+k.origin.Session+".0" {
		t.Errorf("got subject %s, header %v", m.Subject(), m.Headers())
	}
	want := `{"saddr":"2001:db8::","sport":80,"classification":"synack","success":true,"answers":[{"name":"a","id":0},{}],` +
		`"timestamp_str":"2026-11-22T15:23:02.480+0000","n":0,"grab":{"n":0,"text":"\u0000\ud800x\ud83d\ude00"}}`
	if string(m.Data()) != want {
		t.Errorf("got  %s\nwant %s", m.Data(), want)
	}
}

// TestNATSAgain: a batch that is delivered twice is in the stream once.
func TestNATSAgain(t *testing.T) {
	url := natsHere(t, server.Options{})
	s, b := natsTo(t, url), testBatch(t, 0, 500)
	for range 3 {
		if err := s.deliver(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		s.close()
	}
	rows, _ := stored(t, url)
	expectRows(t, rows["scan1"], 500)
}

// TestNATSDies kills the server with SIGKILL again and again while rows come, and the scanner at the end: every row that was
// promised is in the stream, once, since no outage is longer than the duplicate window.
func TestNATSDies(t *testing.T) {
	p := newNATSProcess(t)
	o := quick(t)
	o.CloseWait = time.Minute
	k := openSink(t, natsTo(t, p.url), o)
	const step = 10000
	for i := range uint64(4) {
		writeRows(t, k, i*step, (i+1)*step, 500)
		p.kill()
		writeRows(t, k, (i+1)*step, (i+1)*step, 1) // nothing: a Flush beside a dead server
		p.start(t)
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	s := k.Stats()
	t.Logf("%+v", s)
	if s.Retries == 0 {
		t.Errorf("the server was never missed: %+v", s)
	}
	rows, _ := stored(t, p.url)
	expectUnique(t, rows["scan1"], 4*step)
}

// expectUnique fails unless rows are the numbers from 0 to at least n-1, each once, in any order.
func expectUnique(t *testing.T, rows []uint64, n uint64) {
	t.Helper()
	times := make(map[uint64]int)
	for _, row := range rows {
		times[row]++
	}
	if len(times) != len(rows) || uint64(len(rows)) < n {
		t.Errorf("got %d rows, %d different ones, want %d", len(rows), len(times), n)
	}
	for row := range uint64(len(times)) {
		if times[row] == 0 {
			t.Fatalf("row %d of %d is missing", row, len(times))
		}
	}
}

// TestNATSKilled kills the scanner with SIGKILL, twice with the same folder.
func TestNATSKilled(t *testing.T) {
	p := newNATSProcess(t)
	o := quick(t)
	var promised []uint64
	for range 2 {
		promised = append(promised, runChild(t, "nats "+p.url, o.Folder, 10000))
		p.kill()
		p.start(t)
	}
	s, err := newServer("nats " + p.url)
	if err != nil {
		t.Fatal(err)
	}
	left, err := Deliver(t.Context(), s, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("promised %d, %d rows were left in the folder", promised, left)
	rows, _ := stored(t, p.url)
	if len(rows) != len(promised) {
		t.Fatalf("rows of %d scanners", len(rows))
	}
	least := min(promised[0], promised[1])
	for _, of := range rows {
		expectUnique(t, of, least)
	}
}

func TestNATSRefuses(t *testing.T) {
	url := natsHere(t, server.Options{Username: "u", Password: "right-secret"})
	at := func(login string) string { return strings.Replace(url, "nats://", "nats://"+login+"@", 1) }
	tests := []struct {
		name string
		c    NATSConfig
		want string
	}{
		{"password", NATSConfig{URL: at("u:wrong-secret"), Stream: "ROWS"}, "Authorization Violation"},
		{"no stream", NATSConfig{URL: at("u:right-secret")}, "no stream takes the subject zmap.rows"},
		{"no TLS there", NATSConfig{URL: strings.Replace(at("u:right-secret"), "nats://", "tls://", 1)}, "secure connection not available"},
		{"file", NATSConfig{URL: url, Credentials: "/nope"}, "/nope"},
	}
	for _, tt := range tests {
		s, err := NewNATS(tt.c)
		if err != nil {
			t.Fatal(err)
		}
		err = s.deliver(t.Context(), testBatch(t, 0, 3))
		s.close()
		var stays *permanentError
		if err == nil || !strings.Contains(err.Error(), tt.want) || errors.As(err, &stays) == (tt.name == "file") {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
		if strings.Contains(fmt.Sprint(err, s), "secret") {
			t.Errorf("%s: the password is in %q", tt.name, err)
		}
	}
	// A row that is larger than the server's messages will never be taken.
	r := record.New(testSchema())
	testRow(r, 0)
	r.SetBytes(4, make([]byte, 600<<10))
	b := testBatch(t, 0, 1)
	b.data = appendRow(nil, r, []int{0, 1, 2, 3, 4, 5, 6, 7, 8})
	var stays *permanentError
	if err := natsTo(t, at("u:right-secret")).deliver(t.Context(), b); !errors.As(err, &stays) || !strings.Contains(err.Error(), "row 0 of 12") {
		t.Errorf("large row: got %v", err)
	}
	for _, c := range []NATSConfig{
		{},
		{URL: "http://h"},
		{URL: "nats://u:secret@h:x"},
		{URL: "nats://h", Subject: "a b"},
		{URL: "nats://h", Subject: "a.*"},
		{URL: "nats://h", Subject: "a..b"},
		{URL: "nats://h", Subject: ">"},
	} {
		if _, err := NewNATS(c); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%+v: got %v", c, err)
		}
	}
}

func BenchmarkNATS(b *testing.B) { benchmark(b, natsTo(b, natsHere(b, server.Options{}))) }

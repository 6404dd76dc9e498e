package remote

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/sink"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(childServer); role != "" {
		child(role)
	}
	if arg := os.Getenv(childNATS); arg != "" {
		natsChild(arg)
	}
	os.Exit(m.Run())
}

// testSchema has a field of every type, and those that tables need.
func testSchema() *record.Schema {
	return record.NewSchema([]record.Field{
		{Name: "saddr", Type: record.Addr},
		{Name: "sport", Type: record.Int},
		{Name: "classification", Type: record.String},
		{Name: "success", Type: record.Bool},
		{Name: "data", Type: record.Binary},
		{Name: "answers", Type: record.Repeated},
		{Name: "timestamp_str", Type: record.Time},
		{Name: "n", Type: record.Int},
		{Name: "grab", Type: record.JSON},
	})
}

// testRow fills r with row n, which nobody mistakes for another.
func testRow(r *record.Record, n uint64) {
	r.Reset()
	r.Values[0].SetAddr(netip.AddrFrom4([4]byte{20, byte(n >> 16), byte(n >> 8), byte(n)}))
	if n%5 == 0 {
		r.Values[0].SetAddr(netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 13: byte(n >> 16), 14: byte(n >> 8), 15: byte(n)}))
	}
	r.Values[1].SetUint(80 + n%3)
	r.Values[2].SetText([]string{"synack", "rst", ""}[n%3])
	r.Values[3].SetBool(n%2 == 0)
	r.SetBytes(4, []byte{0, byte(n), 0xff}[:n%4])
	if n%7 == 0 {
		r.Values[5] = record.List([]record.Object{{{Name: "name", Value: record.Text("a")}, {Name: "id", Value: record.Uint(n)}}, {}})
	}
	r.Values[6].SetTime(1_795_360_982_480_608_000 + int64(n)*1000)
	r.Values[7].SetUint(n)
	if n%3 == 0 {
		r.Values[8] = record.Bytes(fmt.Appendf(nil, `{"n":%d,"text":"\u0000\ud800x\ud83d\ude00"}`, n))
	}
}

// A fake is a server in memory whose mood a test sets.
type fake struct {
	mu      sync.Mutex
	rows    []uint64       // field n of what it took, in order
	batches map[string]int // how often each came
	kinds   []kind
	outcome sink.Outcome
	calls   int
	mood    func(call int) error // nil takes all
	deaf    bool                 // takes the rows of a call, and says that it failed
	hold    chan struct{}        // not nil: calls wait until it is closed, or for their context
	closed  int
}

func (f *fake) String() string                { return "fake server" }
func (f *fake) connect(context.Context) error { return nil }
func (f *fake) close()                        { f.mu.Lock(); f.closed++; f.mu.Unlock() }

func (f *fake) set(mood func(int) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mood, f.calls = mood, 0
}

func (f *fake) deliver(ctx context.Context, b *batch) error {
	f.mu.Lock()
	hold := f.hold
	f.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	var err error
	if f.mood != nil {
		err = f.mood(f.calls)
	}
	if err != nil && !f.deaf {
		return err
	}
	if f.batches == nil {
		f.batches = make(map[string]int)
	}
	f.batches[b.id()]++
	if f.batches[b.id()] > 1 {
		return err
	}
	f.kinds = append(f.kinds, b.kind)
	if b.kind == kindEnd {
		f.outcome, _ = b.outcome()
	}
	return errors.Join(err, b.each(func(_ uint64, r *record.Record) error {
		f.rows = append(f.rows, r.Values[7].Uint())
		return nil
	}))
}

// expect fails unless the rows from 0 to n-1 came, each once and in order.
func (f *fake) expect(t *testing.T, n uint64) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	expectRows(t, f.rows, n)
}

func expectRows(t *testing.T, rows []uint64, n uint64) {
	t.Helper()
	if uint64(len(rows)) != n {
		t.Errorf("got %d rows, want %d", len(rows), n)
	}
	for i, got := range rows {
		if got != uint64(i) {
			t.Fatalf("row %d: got number %d", i, got)
		}
	}
}

// quick are options for tests: short waits, a folder of the test's own.
func quick(t testing.TB) Options {
	return Options{
		Folder: filepath.Join(t.TempDir(), "spill"), CloseWait: 10 * time.Second, Timeout: 5 * time.Second,
		backoff: [2]time.Duration{time.Millisecond, 20 * time.Millisecond},
	}
}

func openSink(t testing.TB, s Server, o Options) *Sink {
	t.Helper()
	k := New(s, o)
	if err := errors.Join(k.Begin(sink.Scan{ID: "scan1", Started: time.Unix(1e9, 0), Probe: "tcp_synscan", Config: []byte(`{"a":1}`)}), k.Open(testSchema())); err != nil {
		t.Fatal(err)
	}
	return k
}

// writeRows writes the rows from lo to hi-1, and flushes every so many.
func writeRows(t testing.TB, k *Sink, lo, hi, every uint64) {
	t.Helper()
	r := record.New(testSchema())
	for n := lo; n < hi; n++ {
		testRow(r, n)
		if err := k.Write(r); err != nil {
			t.Fatalf("write row %d: %v", n, err)
		}
		if n%every == every-1 {
			if err := k.Flush(); err != nil {
				t.Fatalf("flush after row %d: %v", n, err)
			}
		}
	}
	if err := k.Flush(); err != nil {
		t.Fatal(err)
	}
}

// files lists what is in a folder beside the lock.
func files(t testing.TB, folder string) (names []string) {
	t.Helper()
	all, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		if e.Name() != lockName {
			names = append(names, e.Name())
		}
	}
	return names
}

// away is a mood: the server cannot be reached.
func away(call int) error { return fmt.Errorf("connection refused, call %d", call) }

// refuses is a mood: the server wants none of it, ever.
func refuses(int) error { return permanent(errors.New("wrong password")) }

package remote

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zmap-go/zmap/record"
	"github.com/zmap-go/zmap/sink"
)

// TestNothingOnDisk: while the server keeps up, no file is written, whatever is flushed.
func TestNothingOnDisk(t *testing.T) {
	f, o := &fake{}, quick(t)
	o.grace = 10 * time.Second
	k := openSink(t, f, o)
	for n := uint64(0); n < 2000; n += 100 {
		writeRows(t, k, n, n+100, 25)
		if names := files(t, o.Folder); len(names) > 0 {
			t.Fatalf("after row %d: files %v", n, names)
		}
	}
	if err := errors.Join(k.End(sink.Outcome{Reason: "done", Counts: json.RawMessage(`{"sent":5}`)}), k.Close()); err != nil {
		t.Fatal(err)
	}
	f.expect(t, 2000)
	s := k.Stats()
	if s.Accepted != 2000 || s.Delivered != 2000 || s.Spilled != 0 || s.Waiting != 0 || s.Dropped != 0 {
		t.Errorf("counters: got %+v", s)
	}
	if first, last := f.kinds[0], f.kinds[len(f.kinds)-1]; first != kindBegin || last != kindEnd || f.outcome.Reason != "done" {
		t.Errorf("got %d first, %d last, outcome %+v", first, last, f.outcome)
	}
	for try := 0; strings.Contains(stacks(), "remote.(*courier)"); try++ {
		if try > 100 {
			t.Fatalf("a goroutine is left:\n%s", stacks())
		}
		runtime.Gosched()
	}
	if f.closed == 0 {
		t.Error("the server was not closed")
	}
	if err := k.Write(record.New(testSchema())); !errors.Is(err, os.ErrClosed) {
		t.Errorf("write after Close: got %v", err)
	}
}

// stacks are those of all goroutines.
func stacks() string {
	buf := make([]byte, 1<<20)
	return string(buf[:runtime.Stack(buf, true)])
}

// TestServerAway: rows go to disk while the server is away, come in order when it is back, and the folder is empty then.
func TestServerAway(t *testing.T) {
	f, o := &fake{mood: away}, quick(t)
	k := openSink(t, f, o)
	writeRows(t, k, 0, 3000, 100)
	if s := k.Stats(); s.Waiting != 3000 || s.Spilled != 3000 || s.Delivered != 0 {
		t.Errorf("away: got %+v", s)
	}
	for _, name := range files(t, o.Folder) {
		if info, err := os.Stat(filepath.Join(o.Folder, name)); err != nil || info.Mode() != 0o600 {
			t.Errorf("file %s: mode %v, %v", name, info.Mode(), err)
		}
	}
	f.set(nil)
	writeRows(t, k, 3000, 4000, 100)
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	f.expect(t, 4000)
	if names := files(t, o.Folder); len(names) > 0 {
		t.Errorf("after Close: files %v", names)
	}
}

// TestFlaky: a server that fails every other time, and one whose acknowledgements get lost, see each batch under one id.
func TestFlaky(t *testing.T) {
	for _, deaf := range []bool{false, true} {
		f, o := &fake{deaf: deaf, mood: func(n int) error {
			if n%2 == 1 {
				return errors.New("connection reset")
			}
			return nil
		}}, quick(t)
		k := openSink(t, f, o)
		writeRows(t, k, 0, 500, 10)
		if err := k.Close(); err != nil {
			t.Fatal(err)
		}
		f.expect(t, 500)
		if s := k.Stats(); s.Retries < 20 || s.Delivered != 500 {
			t.Errorf("deaf %v: got %+v", deaf, s)
		}
	}
}

// TestSlowServer: a server that takes a call and says nothing does not hold up Flush, and the batch in its hands comes once.
func TestSlowServer(t *testing.T) {
	f, o := &fake{hold: make(chan struct{})}, quick(t)
	k := openSink(t, f, o)
	start := time.Now()
	writeRows(t, k, 0, 2000, 100)
	if d := time.Since(start); d > 3*time.Second {
		t.Errorf("20 calls of Flush took %v", d)
	}
	if s := k.Stats(); s.Waiting != 2000 {
		t.Errorf("got %+v", s)
	}
	close(f.hold)
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	f.expect(t, 2000)
}

// TestPermanent: a refusal for good ends the scan at once, and nothing that was accepted is lost by it.
func TestPermanent(t *testing.T) {
	f, o := &fake{}, quick(t)
	k := openSink(t, f, o)
	writeRows(t, k, 0, 100, 10)
	f.set(refuses)
	r := record.New(testSchema())
	accepted := uint64(100)
	var err error
	for ; err == nil && accepted < 100000; accepted++ {
		testRow(r, accepted)
		if err = k.Write(r); err == nil {
			err = k.Flush()
		}
	}
	if err == nil || !strings.Contains(err.Error(), "deliver rows to fake server: wrong password") {
		t.Fatalf("got %v", err)
	}
	var left *UndeliveredError
	if err := k.Close(); !errors.As(err, &left) || left.Lost != 0 || left.Folder != o.Folder {
		t.Fatalf("Close: got %v", err)
	}
	f.set(nil)
	rows, err := Deliver(t.Context(), f, o)
	if err != nil || rows != left.Rows {
		t.Errorf("Deliver: got %d rows, %v, want %d", rows, err, left.Rows)
	}
	f.mu.Lock()
	n := uint64(len(f.rows))
	f.mu.Unlock()
	if n < accepted-1 {
		t.Errorf("%d rows came of %d accepted", n, accepted-1)
	}
	f.expect(t, n)
}

// TestCloseLeavesRest: Close waits as long as it should, and says how many rows are left and where.
func TestCloseLeavesRest(t *testing.T) {
	f, o := &fake{mood: away}, quick(t)
	o.CloseWait = 50 * time.Millisecond
	k := openSink(t, f, o)
	writeRows(t, k, 0, 100, 10)
	r := record.New(testSchema())
	testRow(r, 100)
	if err := k.Write(r); err != nil { // not flushed
		t.Fatal(err)
	}
	start := time.Now()
	err := k.Close()
	var left *UndeliveredError
	if !errors.As(err, &left) || left.Rows != 101 || left.Lost != 0 {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{"101 rows", o.Folder, "Deliver", "50ms", "connection refused"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not say %q", err, want)
		}
	}
	if d := time.Since(start); d < 50*time.Millisecond || d > 5*time.Second {
		t.Errorf("Close took %v", d)
	}
	// A scan with the same folder delivers them before its own.
	f.set(nil)
	k = openSink(t, f, o)
	if s := k.Stats(); s.Waiting+s.Delivered < 101 {
		t.Errorf("next scan: got %+v", s)
	}
	writeRows(t, k, 101, 200, 10)
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	f.expect(t, 200)
}

// TestFull: a full queue blocks the scan until there is room, and the folder never grows beyond its bound.
func TestFull(t *testing.T) {
	f, o := &fake{mood: away}, quick(t)
	o.DiskBytes = 256 << 10
	k := openSink(t, f, o)
	written := make(chan uint64, 1<<16)
	go func() {
		defer close(written)
		r := record.New(testSchema())
		for n := range uint64(20000) {
			testRow(r, n)
			if err := k.Write(r); err != nil {
				t.Error(err)
				return
			}
			if n%50 == 49 {
				if err := k.Flush(); err != nil {
					t.Error(err)
					return
				}
				written <- n
			}
		}
	}()
	var last uint64
	for blocked := false; !blocked; {
		select {
		case n, ok := <-written:
			if !ok {
				t.Fatal("all rows were written to a full queue")
			}
			last = n
		case <-time.After(300 * time.Millisecond):
			blocked = true
		}
	}
	if size := folderSize(t, o.Folder); size > o.DiskBytes || size < o.DiskBytes/2 {
		t.Errorf("after row %d the folder holds %d bytes, want about %d", last, size, o.DiskBytes)
	}
	f.set(nil)
	for range written {
		if size := folderSize(t, o.Folder); size > o.DiskBytes {
			t.Errorf("the folder holds %d bytes, want %d at most", size, o.DiskBytes)
		}
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	f.expect(t, 20000)
}

func folderSize(t *testing.T, folder string) (size int64) {
	for _, name := range files(t, folder) {
		if info, err := os.Stat(filepath.Join(folder, name)); err == nil {
			size += info.Size()
		}
	}
	return size
}

// TestDrop: with Drop a full queue gives rows up and counts them; what it kept is in order.
func TestDrop(t *testing.T) {
	f, o := &fake{mood: away}, quick(t)
	o.DiskBytes, o.Drop = 64<<10, true
	k := openSink(t, f, o)
	writeRows(t, k, 0, 20000, 50)
	s := k.Stats()
	if s.Dropped == 0 || s.Dropped+s.Waiting != 20000 {
		t.Errorf("got %+v", s)
	}
	f.set(nil)
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	if n := int64(len(f.rows)); n != 20000-s.Dropped || !slices.IsSorted(f.rows) {
		t.Errorf("%d rows came, want 20000 less %d, in order", n, s.Dropped)
	}
}

// TestStop: a Write that waits for room gives up when it is told to, and Close saves what it held.
func TestStop(t *testing.T) {
	f, o := &fake{mood: away}, quick(t)
	stop := make(chan struct{})
	o.DiskBytes, o.Stop, o.CloseWait = 64<<10, stop, -1
	k := openSink(t, f, o)
	time.AfterFunc(300*time.Millisecond, func() { close(stop) })
	r := record.New(testSchema())
	var n uint64
	var err error
	for ; err == nil; n++ {
		testRow(r, n)
		if err = k.Write(r); err == nil && n%50 == 49 {
			err = k.Flush()
		}
	}
	if !errors.Is(err, ErrFull) {
		t.Fatalf("got %v", err)
	}
	var left *UndeliveredError
	if err := k.Close(); !errors.As(err, &left) || uint64(left.Rows) != n || left.Lost != 0 {
		t.Errorf("Close: got %v, want %d rows", err, n)
	}
	f.set(nil)
	if rows, err := Deliver(t.Context(), f, o); uint64(rows) != n || err != nil {
		t.Errorf("Deliver: got %d rows, %v", rows, err)
	}
	f.expect(t, n)
}

// TestDiskFails: when the folder cannot be written to, the scan ends, and what is in memory is delivered all the same.
func TestDiskFails(t *testing.T) {
	f, o := &fake{hold: make(chan struct{})}, quick(t)
	k := openSink(t, f, o)
	if err := os.RemoveAll(o.Folder); err != nil {
		t.Fatal(err)
	}
	r := record.New(testSchema())
	testRow(r, 0)
	if err := k.Write(r); err != nil {
		t.Fatal(err)
	}
	if err := k.Flush(); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("flush to a folder that is gone: got %v", err)
	}
	close(f.hold)
	if err := k.Close(); err != nil {
		t.Errorf("Close: got %v", err)
	}
	f.expect(t, 1)
}

func TestOpenRefusals(t *testing.T) {
	f := &fake{}
	o := quick(t)
	o.Fields = "saddr,nope"
	if err := New(f, o).Open(testSchema()); err == nil || !strings.Contains(err.Error(), `unknown output field "nope"`) {
		t.Errorf("unknown field: got %v", err)
	}
	if err := New(f, Options{}).Open(testSchema()); err == nil || !strings.Contains(err.Error(), "no folder") {
		t.Errorf("no folder: got %v", err)
	}
	o = quick(t)
	k := openSink(t, f, o)
	if err := New(f, o).Open(testSchema()); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("folder in use: got %v", err)
	}
	if err := k.Close(); err != nil {
		t.Error(err)
	}
	k = New(f, o)
	k.Begin(sink.Scan{ID: "a\r\nb"})
	if err := k.Open(testSchema()); err == nil || !strings.Contains(err.Error(), "scan id") {
		t.Errorf("scan id with line break: got %v", err)
	}
	if err := k.Close(); err == nil {
		t.Error("Close after a failed Open: no error")
	}
	if _, err := Deliver(t.Context(), f, Options{Folder: filepath.Join(t.TempDir(), "nope")}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Deliver from nowhere: got %v", err)
	}
}

// TestFields: only the fields that are wanted travel, and Fields says which they are.
func TestFields(t *testing.T) {
	f, o := &fake{}, quick(t)
	o.Fields = "n,saddr n"
	k := New(f, o)
	if err := k.Open(testSchema()); err != nil {
		t.Fatal(err)
	}
	if got := k.Fields(); !slices.Equal(got, []int{0, 7}) {
		t.Errorf("got fields %v", got)
	}
	if k.origin.schema.Len() != 2 || k.origin.Scan.ID == "" {
		t.Errorf("got origin %+v", k.origin)
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
}

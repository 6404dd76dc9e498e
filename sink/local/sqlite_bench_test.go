//go:build unix

package local

import (
	"bufio"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zmap-go/zmap/record"
)

// allSynFields are all that a scan with tcp_synscan has.
func allSynFields() *record.Schema {
	var fields []record.Field
	for _, f := range strings.Fields(`saddr:addr saddr_raw:int daddr:addr daddr_raw:int ipid:int ttl:int sport:int dport:int seqnum:int acknum:int
		window:int tcpopt_mss:int tcpopt_wscale:int tcpopt_sack_perm:int tcpopt_ts_val:int tcpopt_ts_ecr:int classification:string
		success:bool icmp_responder:addr icmp_type:int icmp_code:int icmp_unreach_str:string repeat:bool cooldown:bool
		timestamp_str:time timestamp_ts:int timestamp_us:int`) {
		name, of, _ := strings.Cut(f, ":")
		for typ, known := range typeNames() {
			if known == of {
				fields = append(fields, record.Field{Name: name, Type: record.Type(typ)})
			}
		}
	}
	return record.NewSchema(fields)
}

// fillSyn sets r to answer i of a scan: addresses come in no order.
func fillSyn(r *record.Record, i int) {
	x := uint32(i) * 2_654_435_761
	a := netip.AddrFrom4([4]byte{byte(x >> 24), byte(x >> 16), byte(x >> 8), byte(x)})
	now := int64(1_795_360_939_973_386_000) + int64(i)*20_000
	for j := range r.Values {
		v := &r.Values[j]
		switch f := r.Schema.Field(j); f.Name {
		case "saddr":
			v.SetAddr(a)
		case "daddr":
			v.SetAddr(netip.AddrFrom4([4]byte{192, 0, 2, 1}))
		case "sport":
			v.SetUint(443)
		case "ttl":
			v.SetUint(57)
		case "classification":
			v.SetText("synack")
		case "success":
			v.SetBool(true)
		case "timestamp_str":
			v.SetTime(now)
		case "timestamp_ts":
			v.SetUint(uint64(now / 1e9))
		case "timestamp_us":
			v.SetUint(uint64(now / 1000 % 1e6))
		case "icmp_responder", "icmp_type", "icmp_code", "icmp_unreach_str":
		default:
			if f.Type == record.Bool {
				v.SetBool(false)
			} else {
				v.SetUint(uint64(x>>1) + uint64(j))
			}
		}
	}
}

// benchRows is a scan of some size: a benchmark on fewer rows would stay in the memory of the first pages.
const benchRows = 200_000

// BenchmarkSQLite writes a scan as the program does, a Flush every 5,000 rows, and has the command sqlite3 import the same rows, into a
// table of the same columns with the same index, in a database with the same settings. ratio is our rows per second by those of the
// command, and cpu-ratio the same of processor time, which bears a machine that has other work to do. Ours include the table of
// hosts, which the command has not to fill.
func BenchmarkSQLite(b *testing.B) {
	if _, err := exec.LookPath("sqlite3"); err != nil {
		b.Skip("the command sqlite3 is not there to compare with: apt-get install sqlite3")
	}
	dir := b.TempDir()
	rows := filepath.Join(dir, "rows.csv")
	exportRows(b, rows)
	var ours, theirs, oursCPU, theirsCPU time.Duration
	for n := 0; b.Loop(); n++ {
		wall, cpu := importRows(b, filepath.Join(dir, fmt.Sprintf("theirs%d.db", n)), rows)
		theirs, theirsCPU = theirs+wall, theirsCPU+cpu
		begun, used := time.Now(), processTime(b)
		db := open(b, filepath.Join(dir, fmt.Sprintf("ours%d.db", n)), scanOf("aa01", 1), allSynFields())
		r := record.New(allSynFields())
		for i := range benchRows {
			fillSyn(r, i)
			if err := db.Write(r); err != nil {
				b.Fatal(err)
			}
			if i%5000 == 0 {
				if err := db.Flush(); err != nil {
					b.Fatal(err)
				}
			}
		}
		finish(b, db, 2)
		ours, oursCPU = ours+time.Since(begun), oursCPU+processTime(b)-used
	}
	total := float64(b.N) * benchRows
	b.ReportMetric(total/ours.Seconds(), "rows/s")
	b.ReportMetric(total/theirs.Seconds(), "sqlite3-rows/s")
	b.ReportMetric(theirs.Seconds()/ours.Seconds(), "ratio")
	b.ReportMetric(theirsCPU.Seconds()/oursCPU.Seconds(), "cpu-ratio")
	b.ReportMetric(oursCPU.Seconds()/total*1e6, "cpu-µs/row")
}

// processTime returns the processor time of this process.
func processTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// exportRows writes the rows as the table has them. The command has no bytes in text: it gets keys in hexadecimal.
func exportRows(b *testing.B, path string) {
	b.Helper()
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	w := bufio.NewWriter(f)
	c, err := choose(allSynFields(), "*")
	if err != nil {
		b.Fatal(err)
	}
	c.scan = int64(1)
	r := record.New(allSynFields())
	args := make([]driver.NamedValue, c.width)
	for i := range benchRows {
		fillSyn(r, i)
		c.fill(args, 1<<rowBits+int64(i), r)
		for j, a := range args {
			if j > 0 {
				w.WriteByte(',')
			}
			switch x := a.Value.(type) {
			case []byte:
				fmt.Fprintf(w, "%x", x)
			case nil:
			default:
				fmt.Fprint(w, x)
			}
		}
		w.WriteByte('\n')
	}
	if err := errors.Join(w.Flush(), f.Close()); err != nil {
		b.Fatal(err)
	}
}

// importRows has the command import the rows and returns how long that took, until all is in the database's file, and its
// processor time.
func importRows(b *testing.B, path, rows string) (wall, cpu time.Duration) {
	b.Helper()
	db, err := OpenSQLite(path, SQLiteOptions{})
	if err != nil {
		b.Fatal(err)
	}
	// The table has the columns in the order of the rows, so that the command need not name them.
	c, err := choose(allSynFields(), "*")
	if err != nil {
		b.Fatal(err)
	}
	columns := []string{"id INTEGER PRIMARY KEY", "scan INTEGER NOT NULL"}
	for i := range c.fields {
		for k, name := range c.fields[i].names() {
			typ := affinity(c.fields[i].Type)
			if k == 1 {
				typ = "BLOB"
			}
			columns = append(columns, `"`+name+`" `+typ)
		}
	}
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
	script := "DROP VIEW change; DROP TABLE observation; CREATE TABLE observation (" + strings.Join(columns, ", ") + `);
		CREATE INDEX observation_scan_saddr_sport ON observation (scan, saddr_key, sport);
		PRAGMA synchronous = NORMAL; PRAGMA cache_size = -65536; PRAGMA wal_autocheckpoint = 16384; PRAGMA temp_store = MEMORY;
.import --csv ` + rows + " observation\n"
	begun := time.Now()
	cmd := exec.CommandContext(b.Context(), "sqlite3", "-batch", "-bail", path)
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("sqlite3: %v: %s", err, out)
	}
	took := time.Since(begun)
	if got := shell(b, path, "SELECT count(*) FROM observation"); got != fmt.Sprint(benchRows) {
		b.Fatalf("sqlite3 has imported %s rows, want %d", got, benchRows)
	}
	return took, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}

// BenchmarkSQLiteSource reads a scan back.
func BenchmarkSQLiteSource(b *testing.B) {
	path := filepath.Join(b.TempDir(), "scans.db")
	db := open(b, path, scanOf("aa01", 1), allSynFields())
	r := record.New(allSynFields())
	const rows = 20_000
	for i := range rows {
		fillSyn(r, i)
		if err := db.Write(r); err != nil {
			b.Fatal(err)
		}
	}
	finish(b, db, 2)
	for b.Loop() {
		if _, got := readAll(b, path, ""); len(got) != rows {
			b.Fatalf("got %d rows, want %d", len(got), rows)
		}
	}
	b.ReportMetric(float64(b.N)*rows/b.Elapsed().Seconds(), "rows/s")
}

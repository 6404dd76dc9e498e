package sink

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/zmap-go/zmap/record"
)

// BenchmarkFile writes rows of tcp_synscan with all fields to files, flushed every 10,000 rows, and reads them.
func BenchmarkFile(b *testing.B) {
	for _, name := range []string{"a.csv", "a.csv.gz", "a.csv.zst", "a.json", "a.json.gz", "a.json.zst"} {
		path := filepath.Join(b.TempDir(), name)
		b.Run("write/"+name, func(b *testing.B) {
			b.ReportAllocs()
			rows := 0
			for b.Loop() {
				writeFile(b, path)
				rows += benchRows
			}
			info, err := os.Stat(path)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
			b.ReportMetric(float64(info.Size())/benchRows, "B/row")
		})
		b.Run("read/"+name, func(b *testing.B) {
			writeFile(b, path)
			b.ReportAllocs()
			rows := 0
			for b.Loop() {
				s, err := OpenSource(path, SourceOptions{Schema: synSchema()})
				if err != nil {
					b.Fatal(err)
				}
				r := record.New(s.Schema())
				for ; err == nil; rows++ {
					err = s.Read(r)
				}
				if !errors.Is(err, io.EOF) {
					b.Fatal(err)
				}
				rows--
				s.Close()
			}
			b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

const benchRows = 100_000

// writeFile writes rows that differ in what differs from host to host.
func writeFile(b *testing.B, path string) {
	b.Helper()
	file, err := Create(path)
	if err != nil {
		b.Fatal(err)
	}
	out := named(map[byte]string{'c': "csv", 'j': "json"}[filepath.Base(path)[2]]).New(file, Options{Fields: "*"})
	row := synRow(b)
	if err := out.Open(row.Schema); err != nil {
		b.Fatal(err)
	}
	for i := range benchRows {
		vary(row, i)
		if err := out.Write(row); err != nil {
			b.Fatal(err)
		}
		if i%10_000 == 0 {
			if err := out.(Flusher).Flush(); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := errors.Join(out.Close(), file.Close()); err != nil {
		b.Fatal(fmt.Errorf("close %s: %w", path, err))
	}
}

// vary makes row i of a scan: address, identification, ports and numbers of the segment, time.
func vary(row *record.Record, i int) {
	n := scrambled(i)
	v := row.Values
	v[0].SetAddr(netip.AddrFrom4([4]byte{byte(n >> 56), byte(n >> 48), byte(n >> 40), byte(n >> 32)}))
	v[1].SetUint(n >> 32)
	v[4].SetUint(n & 0xffff)
	v[7].SetUint(32768 + n>>16&0x7fff)
	v[8].SetUint(n * 31 >> 32)
	v[9].SetUint(n * 37 >> 32)
	at := v[24].UnixNano() + 1000
	v[24].SetTime(at)
	v[25].SetUint(uint64(at / 1e9))
	v[26].SetUint(uint64(at / 1e3 % 1e6))
}

package local

import (
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/zmap-go/zmap/record"
)

// BenchmarkParquet writes rows of tcp_synscan with all fields that differ in what differs from host to host, and reads them.
func BenchmarkParquet(b *testing.B) {
	const rows = 250_000
	s := schemas(b)["tcp_synscan"]
	path := filepath.Join(b.TempDir(), "a.parquet")
	write := func() {
		p, err := CreateParquet(path, ParquetOptions{})
		if err != nil {
			b.Fatal(err)
		}
		if err := p.Open(s); err != nil {
			b.Fatal(err)
		}
		r := record.New(s)
		for i := range rows {
			variedRow(r, i)
			if err := p.Write(r); err != nil {
				b.Fatal(err)
			}
		}
		if err := p.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("write", func(b *testing.B) {
		b.ReportAllocs()
		n := 0
		for b.Loop() {
			write()
			n += rows
		}
		info, err := os.Stat(path)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "rows/s")
		b.ReportMetric(float64(info.Size())/rows, "B/row")
	})
	b.Run("read", func(b *testing.B) {
		write()
		n := 0
		for b.Loop() {
			src, err := OpenParquet(path)
			if err != nil {
				b.Fatal(err)
			}
			r := record.New(src.Schema())
			for ; err == nil; n++ {
				err = src.Read(r)
			}
			n--
			if !errors.Is(err, io.EOF) {
				b.Fatal(err)
			}
			src.Close()
		}
		b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "rows/s")
	})
}

// variedRow makes row i of a scan.
func variedRow(r *record.Record, i int) {
	n := uint64(i+1) * 0x9e3779b97f4a7c15
	at := int64(1795360982480608000) + int64(i)*1000
	for k, f := range r.Schema.Fields() {
		v := &r.Values[k]
		switch f.Name {
		case "saddr":
			v.SetAddr(netip.AddrFrom4([4]byte{byte(n >> 56), byte(n >> 48), byte(n >> 40), byte(n >> 32)}))
		case "saddr_raw", "acknum", "seqnum":
			v.SetUint(n >> 32 * uint64(k) & 0xffffffff)
		case "ipid", "dport":
			v.SetUint(n & 0xffff)
		case "daddr":
			v.SetAddr(netip.AddrFrom4([4]byte{10, 99, 0, 1}))
		case "sport", "ttl", "window", "daddr_raw", "tcpopt_mss", "tcpopt_wscale", "tcpopt_sack_perm":
			v.SetUint(uint64(100 * k))
		case "classification":
			v.SetText("synack")
		case "success", "repeat", "cooldown":
			v.SetBool(f.Name == "success")
		case "timestamp_str":
			v.SetTime(at)
		case "timestamp_ts":
			v.SetUint(uint64(at / 1e9))
		case "timestamp_us":
			v.SetUint(uint64(at / 1e3 % 1e6))
		}
	}
}

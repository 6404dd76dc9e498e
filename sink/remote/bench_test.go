package remote

import (
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/zmap-go/zmap/record"
)

// benchmark writes rows to a server, and counts the time until all are acknowledged: a loop over b.N, since the wait at the end is
// part of it.
func benchmark(b *testing.B, s Server) {
	o := quick(b)
	o.CloseWait = 5 * time.Minute
	k := openSink(b, s, o)
	r := record.New(testSchema())
	b.ReportAllocs()
	b.ResetTimer()
	last := time.Now()
	for n := range uint64(b.N) {
		testRow(r, n)
		if err := k.Write(r); err != nil {
			b.Fatal(err)
		}
		if n%1024 == 0 && time.Since(last) > 100*time.Millisecond {
			last = time.Now()
			if err := k.Flush(); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := k.Close(); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(100*float64(k.Stats().Spilled)/float64(b.N), "%disk")
}

// A sinkhole acknowledges everything at once, or says that it is away.
type sinkhole struct {
	fake
	away bool
}

func (s *sinkhole) deliver(context.Context, *batch) error {
	if s.away {
		return away(0)
	}
	return nil
}

// BenchmarkQueue is the queue alone: in memory, with a server that takes all at once, and over the disk, with one that is away.
// Rows of the second are not delivered: it ends when they are in the folder.
func BenchmarkQueue(b *testing.B) {
	b.Run("memory", func(b *testing.B) { benchmark(b, &sinkhole{}) })
	b.Run("disk", func(b *testing.B) {
		o := quick(b)
		o.CloseWait, o.DiskBytes = -1, 1<<40
		k := openSink(b, &sinkhole{away: true}, o)
		r := record.New(testSchema())
		b.ReportAllocs()
		for n := uint64(0); b.Loop(); n++ {
			testRow(r, n)
			if err := k.Write(r); err != nil {
				b.Fatal(err)
			}
		}
		if err := k.Close(); err == nil {
			b.Fatal("a server that is away has taken rows")
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	})
}

// BenchmarkHTTP posts to a server on loopback, in the same process, that reads bodies and throws them away.
func BenchmarkHTTP(b *testing.B) {
	for _, packed := range []bool{false, true} {
		name := "plain"
		if packed {
			name = "gzip"
		}
		b.Run(name, func(b *testing.B) {
			web := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				body := io.Reader(r.Body)
				if packed {
					z, err := gzip.NewReader(r.Body)
					if err != nil {
						b.Error(err)
						return
					}
					body = z
				}
				if _, err := io.Copy(io.Discard, body); err != nil {
					b.Error(err)
				}
			}))
			defer web.Close()
			s, err := NewHTTP(HTTPConfig{URL: web.URL, Gzip: packed})
			if err != nil {
				b.Fatal(err)
			}
			benchmark(b, s)
		})
	}
}

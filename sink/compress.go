package sink

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// A Compressor compresses what is written to it. Flush makes everything so far readable for whoever decompresses; each costs
// some bytes (about 10 with gzip, 5 with zstd) and the gain of a larger block. Close ends the compressed text and leaves what
// it is written to open. It is owned by one goroutine and starts none.
type Compressor interface {
	io.Writer
	Flusher
	io.Closer
	// Reset begins another compressed text, which goes to w. A reader takes the two for one.
	Reset(w io.Writer)
}

// Compress returns a writer to w that compresses as the name of a file asks for: by gzip (RFC 1952) if it ends in .gz, by
// Zstandard (RFC 8878) if it ends in .zst, not at all otherwise. It takes about 1 MB of memory for gzip, 10 MB for zstd.
func Compress(name string, w io.Writer) (Compressor, error) {
	switch {
	case strings.HasSuffix(name, ".gz"):
		return gzip.NewWriterLevel(w, gzip.BestSpeed)
	case strings.HasSuffix(name, ".zst"):
		return zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	}
	return plain{w}, nil
}

// plain is a compressor that does not compress.
type plain struct{ io.Writer }

func (plain) Flush() error    { return nil }
func (plain) Close() error    { return nil }
func (plain) Reset(io.Writer) {}

// maxWindow is how far back a zstd text may refer, and so about the memory that reading one takes: that of zstd -d.
const maxWindow = 128 << 20

// Decompress returns a reader of what r holds, compressed by gzip or Zstandard or not at all: the first bytes say which, and no
// text of rows begins so. What is cut off or damaged gives what can be had before that place, and then an error. Close
// leaves r open.
func Decompress(r io.Reader) (io.ReadCloser, error) {
	b := bufio.NewReaderSize(r, spillSize)
	head, err := b.Peek(4)
	switch {
	case len(head) >= 2 && string(head[:2]) == "\x1f\x8b":
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, fmt.Errorf("read gzip header: %w", err)
		}
		return decompressor{z, z.Close, "gzip"}, nil
	case string(head) == "\x28\xb5\x2f\xfd":
		z, err := zstd.NewReader(b, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, fmt.Errorf("read zstd header: %w", err)
		}
		return decompressor{z, func() error { z.Close(); return nil }, "zstd"}, nil
	case err != nil && !errors.Is(err, io.EOF):
		return nil, fmt.Errorf("read first bytes: %w", err)
	}
	return io.NopCloser(b), nil
}

// decompressor is one whose errors say what it reads.
type decompressor struct {
	r     io.Reader
	close func() error
	what  string
}

func (d decompressor) Read(b []byte) (int, error) {
	n, err := d.r.Read(b)
	switch {
	case err == nil, errors.Is(err, io.EOF):
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = fmt.Errorf("the %s file breaks off: %w", d.what, err)
	default:
		err = fmt.Errorf("decompress %s: %w", d.what, err)
	}
	return n, err
}

func (d decompressor) Close() error { return d.close() }

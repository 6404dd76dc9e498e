package tools

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"

	"github.com/zmap-go/zmap/target"
)

// BlockConfig says which lines [Blocklist] copies.
type BlockConfig struct {
	// Allowlist and Blocklist are files, Blocklist also a list that package citizen has by name; at least one must be given.
	// What the blocklist names may not be scanned, and where there is an allowlist nothing else than what it names. 0.0.0.0
	// may never be scanned.
	Allowlist string
	Blocklist string
	// IgnoreErrors passes over entries of the lists that cannot be used.
	IgnoreErrors bool

	NoDuplicateChecking bool         // copy also lines whose address a line copied before had
	IgnoreInputErrors   bool         // drop lines that begin with no address, instead of copying them
	Log                 *slog.Logger // nil means no log
}

// Blocklist copies to out those lines of in whose address may be scanned, unchanged, each address once.
//
// The address of a line is what comes before the first comma, blank or #, in the forms of inet_aton(3), or one of IPv6. A line without
// one, be it a comment, an empty line or one that begins with a blank, is copied as C zblocklist does, and the first ten
// of them are logged as warnings. A line of more than 1 MiB is an error; the lines before it are copied.
//
// It reads ahead up to 1 MiB. When ctx ends it returns the cause of ctx at once, without the lines still in the queue; a
// read from in that is under way then stays behind until it returns.
func Blocklist(ctx context.Context, cfg BlockConfig, in io.Reader, out io.Writer) error {
	if cfg.Allowlist == "" && cfg.Blocklist == "" {
		return errors.New("there is no list to go by: give a --blocklist-file, an --allowlist-file, or both")
	}
	log := orDiscard(cfg.Log)
	s := spaceConfig{allowlist: cfg.Allowlist, blocklist: cfg.Blocklist, ignoreErrors: cfg.IgnoreErrors, reachIPv6: true}
	space, reach, err := s.space(ctx, log)
	if err != nil {
		return err
	}
	f := &lineFilter{cfg: cfg, space: space, reach: reach, out: bufio.NewWriterSize(out, outSize), warn: warnings{log: log}}
	if !cfg.NoDuplicateChecking {
		f.seen, f.seen6 = newSeen(), make(map[netip.Addr]struct{})
	}
	q, cursors := newQueue(blockQueue, 1)
	defer context.AfterFunc(ctx, q.stop)()
	go q.fill(in)
	err = f.run(ctx, cursors[0])
	q.stop()
	f.warn.finish()
	return err
}

// blockQueue is how much Blocklist reads ahead, outSize how much output is held back while there is more to read.
const (
	blockQueue = 1 << 20
	outSize    = 64 << 10
)

// batchSize is how many lines are decided about at once, a power of two.
const batchSize = 256

// A lineFilter decides about lines.
type lineFilter struct {
	cfg   BlockConfig
	space *target.Space
	reach target.Reach
	seen  *seen                   // nil if duplicates are kept
	seen6 map[netip.Addr]struct{} // of IPv6, as seen: some 60 bytes each
	lines splitter
	out   *bufio.Writer
	warn  warnings

	batch []candidate // lines not decided about, in order; they point into the piece they came with
	addrs []uint32    // of those of them that may be scanned

	allowed, repeat [batchSize]bool
}

// A candidate is a line with its address, if it has one.
type candidate struct {
	line    []byte
	addr    uint32
	verdict verdict
}

// A verdict says what becomes of a line.
type verdict uint8

const (
	check verdict = iota // not known yet
	keep
	drop
)

// run takes lines until there are no more. However it ends, unless ctx ended it or out failed, what it decided is written.
func (f *lineFilter) run(ctx context.Context, c *cursor) error {
	tooLong := func([]byte) error { return longLineError(f.lines.number) }
	for {
		if !c.ready() {
			if err := f.flush(); err != nil {
				return err
			}
		}
		piece, err := c.next()
		if ctx.Err() != nil {
			return fmt.Errorf("filter lines: %w", context.Cause(ctx))
		}
		switch {
		case err == nil:
			err = f.lines.split(piece, f.line, tooLong)
		case errors.Is(err, io.EOF):
			err = cmp.Or(f.lines.finish(f.line), io.EOF)
		default:
			err = fmt.Errorf("read input: %w", err)
		}
		if bad := f.decide(); bad != nil {
			return bad
		}
		switch {
		case errors.Is(err, io.EOF):
			return f.flush()
		case err != nil:
			return cmp.Or(f.flush(), err)
		}
	}
}

// line takes a line into the batch.
func (f *lineFilter) line(line []byte) error {
	c := candidate{line: line}
	var ok bool
	switch c.addr, ok = parseAddr(token(line)); {
	case ok:
	case f.isIPv6(&c):
	default:
		f.warn.line(f.lines.number, line, "begins with no address")
		c.verdict = keep
		if f.cfg.IgnoreInputErrors {
			c.verdict = drop
		}
	}
	f.batch = append(f.batch, c)
	if len(f.batch) < batchSize {
		return nil
	}
	return f.decide()
}

// isIPv6 decides about a line that begins with an address of IPv6, and says whether it does.
func (f *lineFilter) isIPv6(c *candidate) bool {
	word := token(c.line)
	if len(word) > maxIPv6 || bytes.IndexByte(word, ':') < 0 {
		return false
	}
	a, err := netip.ParseAddr(string(word))
	if err != nil || a.Zone() != "" || a.Is4In6() {
		return false
	}
	c.verdict = drop
	if _, again := f.seen6[a]; again || !f.reach.Has(a) {
		return true
	}
	if f.seen6 != nil {
		f.seen6[a] = struct{}{}
	}
	c.verdict = keep
	return true
}

// maxIPv6 is the length of the longest text of an address.
const maxIPv6 = len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255")

// decide decides about the lines of the batch, and copies those that stay.
func (f *lineFilter) decide() error {
	f.addrs = f.addrs[:0]
	for i := range f.batch {
		if f.batch[i].verdict == check {
			f.addrs = append(f.addrs, f.batch[i].addr)
		}
	}
	f.space.ContainsAll(f.addrs, f.allowed[:])
	all := f.addrs
	f.addrs = f.addrs[:0]
	next := 0
	for i := range f.batch {
		c := &f.batch[i]
		if c.verdict != check {
			continue
		}
		if f.allowed[next&(batchSize-1)] {
			f.addrs = append(f.addrs, all[next])
		} else {
			c.verdict = drop
		}
		next++
	}
	if f.seen != nil {
		f.seen.add(f.addrs, &f.repeat)
	}
	next = 0
	for i := range f.batch {
		c := &f.batch[i]
		if c.verdict == check {
			c.verdict = keep
			if f.repeat[next&(batchSize-1)] {
				c.verdict = drop
			}
			next++
		}
		if c.verdict == keep {
			if _, err := f.out.Write(c.line); err != nil {
				return writeError(err)
			}
		}
	}
	f.batch = f.batch[:0]
	return nil
}

// flush writes what is held back.
func (f *lineFilter) flush() error { return writeError(f.out.Flush()) }

// writeError says that an error, if any, is one of the output.
func writeError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("write output: %w", err)
}

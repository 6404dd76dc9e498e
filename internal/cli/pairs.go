package cli

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"net/netip"
	"os"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/zmap-go/zmap"
	"github.com/zmap-go/zmap/internal/intake"
)

// setPairs has the scan ask the single targets in a file, where one is named.
func (j *job) setPairs() error {
	o := j.o
	if o.targets == "" {
		return nil
	}
	port := uint16(0)
	if o.ports != "" {
		n, err := strconv.ParseUint(o.ports, 10, 16)
		if err != nil || n == 0 {
			return argError("target-ports", o.ports, errors.New("with --targets-file it is the one port of lines that name none"))
		}
		port = uint16(n)
	}
	j.config.Ports = ""
	j.config.Pairs = j.pairsIn(o.targets, port)
	debug.SetGCPercent(leanGC)
	return nil
}

// leanGC has garbage collected early while pairs are read: they are most of the memory, and as much garbage again would be let lie. The
// scan sets it back when it begins.
const (
	leanGC  = 10
	usualGC = 100
)

// While a long file is read a line says how far that is, now and then.
const (
	readStep = 1_000_000
	readTell = 5 * time.Second
)

// pairsIn yields the targets in a file, in all the forms that zmap grab takes, those of a network one by one. The first lines that
// cannot be used are told; with --ignore-blocklist-errors they are passed over.
func (j *job) pairsIn(path string, port uint16) iter.Seq2[netip.AddrPort, error] {
	return func(yield func(netip.AddrPort, error) bool) {
		f, err := os.Open(path)
		if err != nil {
			yield(netip.AddrPort{}, err)
			return
		}
		defer f.Close()
		r := intake.New(f, path)
		lines, told := 0, time.Now()
		for e, err := range j.entries(r, path, port) {
			if err != nil {
				yield(netip.AddrPort{}, err)
				return
			}
			if lines++; lines%readStep == 0 && time.Since(told) > readTell {
				told = time.Now()
				j.log.Info(fmt.Sprintf("%s: %d million targets read so far", path, lines/1_000_000), "module", "zmap")
			}
			if !eachPair(e, port, yield) {
				return
			}
		}
		if n := r.Passed(); n > 0 {
			j.log.Info(fmt.Sprintf("%s: %d rows were passed over, which are no success or repeat one", path, n))
		}
	}
}

// entries yields the lines that are targets.
func (j *job) entries(r *intake.Reader, path string, port uint16) iter.Seq2[*intake.Entry, error] {
	return func(yield func(*intake.Entry, error) bool) {
		bad := 0
		for {
			e, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err == nil {
				err = pairError(&e, path, port)
			}
			var line *intake.LineError
			if errors.As(err, &line) && j.o.ignoreListErrors {
				if bad++; bad <= complains {
					j.log.Error(err.Error() + ": the line is passed over")
				}
				continue
			}
			if !yield(&e, err) {
				return
			}
		}
		if bad > complains {
			j.log.Error(fmt.Sprintf("%s: %d lines were passed over", path, bad))
		}
	}
}

// pairError says what keeps an entry from being a target.
func pairError(e *intake.Entry, path string, port uint16) error {
	var err error
	switch {
	case !e.Net.IsValid():
		err = fmt.Errorf("%s is a name, and addresses are wanted", e.Name)
	case e.Port == 0 && port == 0:
		err = errors.New("there is no port: --target-ports says which, for lines without one")
	default:
		return nil
	}
	return &intake.LineError{File: path, Line: e.Line, Err: err}
}

// eachPair yields the targets of an entry.
func eachPair(e *intake.Entry, port uint16, yield func(netip.AddrPort, error) bool) bool {
	if e.Port != 0 {
		port = e.Port
	}
	for a := e.Net.Addr(); e.Net.Contains(a); a = a.Next() {
		if !yield(netip.AddrPortFrom(a, port), nil) {
			return false
		}
	}
	return true
}

// announcePairs logs what became of single targets.
func (j *job) announcePairs(p *zmap.Plan) {
	if p.Pairs == nil {
		return
	}
	debug.SetGCPercent(usualGC)
	j.log.Info(fmt.Sprintf("%s: %d targets, each once; %d more were doubles, %d are not what the lists allow", j.o.targets, p.Pairs.Asked, p.Pairs.Double, p.Pairs.Denied),
		"module", "zmap")
}

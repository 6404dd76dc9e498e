package name

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"sync"

	"github.com/zmap-go/zmap/grab"
)

// A Found writes down the names that grabs find, as lines "address,name,source": what [Builder] and [Open] read, for the next
// scan. It may be used by any number of goroutines. A nil one writes nothing.
type Found struct {
	mu  sync.Mutex
	w   *bufio.Writer
	n   uint64
	err error // the first one; nothing is written after it
}

// NewFound returns one that writes to w, which its owner closes after [Found.Flush].
func NewFound(w io.Writer) *Found { return &Found{w: bufio.NewWriter(w)} }

// write writes the names that a grab of a found.
func (f *Found) write(a netip.Addr, g *grab.Grab) {
	if f == nil {
		return
	}
	names := namesOf(g)
	if len(names) == 0 {
		return
	}
	var l list
	for _, n := range names {
		l.add(n.Name, n.Source, a)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range l.all {
		if f.err != nil {
			return
		}
		_, f.err = fmt.Fprintf(f.w, "%s,%s,%s\n", a.Unmap().WithZone(""), c.name, c.source)
		f.n++
	}
}

// Flush writes what is held, and returns how many names there were, and the first error of writing any.
func (f *Found) Flush() (uint64, error) {
	if f == nil {
		return 0, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = f.w.Flush()
	}
	if f.err != nil {
		return f.n, fmt.Errorf("write names that were found: %w", f.err)
	}
	return f.n, nil
}

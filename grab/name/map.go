package name

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime/debug"
	"slices"
	"sync"
)

// header is the first line of a sorted file. Others cannot be searched.
const header = "# zmap names, sorted by address\n"

// maxUnsorted is how long a file may be that is sorted in memory when it is opened, in bytes.
const maxUnsorted = 64 << 20

// ErrUnsorted says that a file of names is too long to be sorted in memory: [Build] sorts it.
var ErrUnsorted = errors.New("names are not sorted, and too many to be sorted in memory: zmap names build sorts them")

// A Map knows names of addresses. It may be used by any number of goroutines.
type Map struct {
	data  []byte // lines, sorted, the header left out
	unmap func() error
	mu    sync.Mutex
	fault error // the first one
}

// Open opens a file of names: of any length if it is sorted, else of 64 MB at most. A sorted one is not read but mapped into
// memory, so that a hundred million names cost nothing until they are looked up.
func Open(file string) (*Map, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("open names: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("open names: %w", err)
	}
	first := make([]byte, len(header))
	if n, _ := f.ReadAt(first, 0); n == len(header) && string(first) == header && st.Mode().IsRegular() {
		data, unmap, err := mapFile(f, st.Size())
		if err != nil {
			return nil, fmt.Errorf("map names %s: %w", file, err)
		}
		return &Map{data: data[len(header):], unmap: unmap}, nil
	}
	if st.Size() > maxUnsorted {
		return nil, fmt.Errorf("open names %s: %w", file, ErrUnsorted)
	}
	m, err := readMap(f)
	if err != nil {
		return nil, fmt.Errorf("read names %s: %w", file, err)
	}
	return m, nil
}

// Lookup returns the names of an address, at most 256.
func (m *Map) Lookup(a netip.Addr) (all []Entry) {
	a = a.Unmap().WithZone("")
	// A file that somebody cuts while it is mapped faults where it was.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			if _, is := r.(interface{ Addr() uintptr }); !is {
				panic(r)
			}
			m.fail(errors.New("file was cut while it was in use"))
			all = nil
		}
	}()
	at, err := m.search(a)
	for err == nil && at < len(m.data) && len(all) < maxCandidates {
		var e Entry
		line := m.line(at)
		if e, err = parseLine(line); err != nil || e.Addr != a {
			break
		}
		all = append(all, e)
		at += len(line) + 1
	}
	if err != nil {
		m.fail(err)
	}
	return all
}

// search returns where the first line stands whose address is not below a.
func (m *Map) search(a netip.Addr) (int, error) {
	lo, hi := 0, len(m.data)
	for lo < hi {
		mid := lo + (hi-lo)/2
		from := max(lo, mid-maxLine)
		start := from
		if i := bytes.LastIndexByte(m.data[from:mid], '\n'); i >= 0 {
			start = from + i + 1
		} else if from > lo {
			return 0, fmt.Errorf("line at byte %d is longer than %d bytes", len(header)+from, maxLine)
		}
		line := m.line(start)
		of, err := parseAddr(line)
		if err != nil {
			return 0, fmt.Errorf("line at byte %d: %w", len(header)+start, err)
		}
		if of.Less(a) {
			lo = min(start+len(line)+1, hi)
		} else {
			hi = start
		}
	}
	return lo, nil
}

// line returns the line that begins at a byte, as far as a line may reach.
func (m *Map) line(at int) []byte {
	rest := m.data[at:min(len(m.data), at+maxLine+1)]
	if i := bytes.IndexByte(rest, '\n'); i >= 0 {
		return rest[:i]
	}
	return rest
}

func (m *Map) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fault == nil {
		m.fault = err
	}
}

// Close gives the memory back; nobody may be looking up names. It returns the first mistake that was found in the file: names may
// have been missed.
func (m *Map) Close() error {
	err := m.fault
	if m.unmap != nil {
		err = errors.Join(err, m.unmap())
	}
	m.data, m.unmap = nil, nil
	return err
}

// sorted returns a map of entries, which it sorts.
func sorted(all []Entry) *Map {
	slices.SortFunc(all, func(a, b Entry) int { return a.compare(&b) })
	m := &Map{}
	for i := range all {
		if i == 0 || all[i].Addr != all[i-1].Addr || all[i].Name != all[i-1].Name {
			m.data = all[i].appendLine(m.data)
		}
	}
	return m
}

package name

import (
	"bufio"
	"container/heap"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// Bounds of [Build].
const (
	defaultMemory = 256 << 20 // bytes of entries sorted at once
	maxRuns       = 128       // sorted files that are merged at once
)

// A Builder sorts names into a file that [Open] maps. However many there are, no more than Memory of them is held: what is beyond
// goes to files in the folder of the output, which are merged at the end. It is used by one goroutine.
type Builder struct {
	Memory  int    // bytes, about; 0 means 256 MB
	Lines   uint64 // read so far, but for empty ones and comments
	Skipped uint64 // lines that are no address and name
	Written uint64 // names of addresses, each once
	Why     error  // what is wrong with the first line skipped

	out  string
	held []Entry
	size int
	runs []string
}

// NewBuilder returns a builder that will write to a file.
func NewBuilder(out string) *Builder { return &Builder{out: out} }

// Read adds the lines of a text, whose name is for Why. Lines that are wrong are counted and left out.
func (b *Builder) Read(in io.Reader, name string) error {
	r := bufio.NewReaderSize(in, 1<<20)
	for n := 1; ; n++ {
		line, err := readLine(r)
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read %s: %w", name, err)
		}
		if !blank(line) {
			b.Lines++
			e, why := parseLine(line)
			if why != nil {
				b.skip(fmt.Errorf("%s:%d: %w", name, n, why))
			} else if err := b.Add(e); err != nil {
				return err
			}
		}
		if err != nil {
			return nil
		}
	}
}

func (b *Builder) skip(why error) {
	if b.Skipped++; b.Why == nil {
		b.Why = why
	}
}

// readLine reads a line, its end left out; of one that is too long it returns as much as shows that.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	long := line
	for errors.Is(err, bufio.ErrBufferFull) {
		long = slices.Clone(long[:maxLine+1])
		_, err = r.ReadSlice('\n')
	}
	if n := len(long); n > 0 && long[n-1] == '\n' {
		long = long[:n-1]
	}
	return long, err
}

// entrySize is about what an entry takes in memory beside its name.
const entrySize = 64

// Add adds one entry.
func (b *Builder) Add(e Entry) error {
	b.held = append(b.held, e)
	b.size += entrySize + len(e.Name)
	memory := b.Memory
	if memory <= 0 {
		memory = defaultMemory
	}
	if b.size < memory {
		return nil
	}
	return b.spill()
}

// spill writes what is held to a file of its own.
func (b *Builder) spill() error {
	if len(b.held) == 0 {
		return nil
	}
	m := sorted(b.held)
	clear(b.held)
	b.held, b.size = b.held[:0], 0
	name, err := b.write(func(w *bufio.Writer) error {
		_, err := w.Write(m.data)
		return err
	})
	if err != nil {
		return err
	}
	if b.runs = append(b.runs, name); len(b.runs) < maxRuns {
		return nil
	}
	name, err = b.write(func(w *bufio.Writer) error {
		_, err := merge(w, b.runs)
		return err
	})
	if err != nil {
		return err
	}
	b.drop()
	b.runs = []string{name}
	return nil
}

// write makes a file beside the output and has fill write to it.
func (b *Builder) write(fill func(*bufio.Writer) error) (name string, err error) {
	f, err := os.CreateTemp(filepath.Dir(b.out), "."+filepath.Base(b.out)+".*")
	if err != nil {
		return "", fmt.Errorf("sort names: %w", err)
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			_ = os.Remove(f.Name())
			err = fmt.Errorf("write sorted names: %w", err)
		}
	}()
	w := bufio.NewWriterSize(f, 1<<20)
	if err := fill(w); err != nil {
		return "", err
	}
	return f.Name(), w.Flush()
}

// Close writes the output, which takes its name when it is complete, and removes all else.
func (b *Builder) Close() error {
	defer b.drop()
	if err := b.spill(); err != nil {
		return err
	}
	name, err := b.write(func(w *bufio.Writer) error {
		if _, err := w.WriteString(header); err != nil {
			return err
		}
		n, err := merge(w, b.runs)
		b.Written = n
		return err
	})
	if err != nil {
		return err
	}
	if err := os.Rename(name, b.out); err != nil {
		_ = os.Remove(name)
		return fmt.Errorf("write sorted names: %w", err)
	}
	return nil
}

// Abort removes what was written so far.
func (b *Builder) Abort() { b.drop() }

func (b *Builder) drop() {
	for _, r := range b.runs {
		_ = os.Remove(r)
	}
	b.runs = nil
}

// A run is a sorted file that is being read.
type run struct {
	f    *os.File
	r    *bufio.Reader
	next Entry
}

// advance reads the next entry.
func (r *run) advance() error {
	line, err := readLine(r.r)
	if len(line) == 0 && err != nil {
		return err
	}
	r.next, err = parseLine(line)
	return err
}

// merge writes the entries of sorted files in order, each name of an address once, and says how many.
func merge(w *bufio.Writer, files []string) (written uint64, err error) {
	var h runs
	defer func() {
		for _, r := range h {
			_ = r.f.Close()
		}
	}()
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return 0, fmt.Errorf("merge names: %w", err)
		}
		r := &run{f: f, r: bufio.NewReaderSize(f, 64<<10)}
		if err := r.advance(); err != nil {
			_ = f.Close()
			return 0, fmt.Errorf("merge names: %w", err)
		}
		h = append(h, r)
	}
	heap.Init(&h)
	var last Entry
	var line []byte
	for len(h) > 0 {
		if e := h[0].next; e.Addr != last.Addr || e.Name != last.Name {
			last = e
			line = e.appendLine(line[:0])
			if _, err := w.Write(line); err != nil {
				return written, err
			}
			written++
		}
		switch err := h[0].advance(); {
		case err == nil:
			heap.Fix(&h, 0)
		case errors.Is(err, io.EOF):
			_ = heap.Pop(&h).(*run).f.Close()
		default:
			return written, fmt.Errorf("merge names: %w", err)
		}
	}
	return written, nil
}

// runs is a heap of runs, the one whose entry comes first on top.
type runs []*run

func (h runs) Len() int           { return len(h) }
func (h runs) Less(i, j int) bool { return h[i].next.compare(&h[j].next) < 0 }
func (h runs) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push and Pop are for package heap.
func (h *runs) Push(x any) { *h = append(*h, x.(*run)) }

// Pop takes the last one off.
func (h *runs) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// readMap sorts a text of names in memory.
func readMap(in io.Reader) (*Map, error) {
	r := bufio.NewReader(in)
	var all []Entry
	for n, size := 1, 0; ; n++ {
		line, err := readLine(r)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if size += len(line); size > maxUnsorted {
			return nil, ErrUnsorted // what is no file, and has no size, may be endless
		}
		if !blank(line) {
			e, why := parseLine(line)
			if why != nil {
				return nil, fmt.Errorf("line %d: %w", n, why)
			}
			all = append(all, e)
		}
		if err != nil {
			return sorted(all), nil
		}
	}
}

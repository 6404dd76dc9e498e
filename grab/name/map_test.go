package name

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// randomEntries returns entries of few addresses and names, so that many stand twice.
func randomEntries(rng *rand.Rand, n int) []Entry {
	all := make([]Entry, n)
	for i := range all {
		a := netip.AddrFrom4([4]byte{192, 0, byte(rng.IntN(3)), byte(rng.IntN(200))})
		if rng.IntN(3) == 0 {
			a = netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: byte(rng.IntN(50))})
		}
		all[i] = Entry{a, fmt.Sprintf("n%d.example%d.org", rng.IntN(5), rng.IntN(3)), []string{SourceMap, SourceEarlier}[rng.IntN(2)]}
	}
	return all
}

// naive is the slow twin of Lookup.
func naive(all []Entry, a netip.Addr) []Entry {
	best := make(map[string]Entry)
	for _, e := range all {
		if old, ok := best[e.Name]; e.Addr == a && (!ok || weights[e.Source] > weights[old.Source]) {
			best[e.Name] = e
		}
	}
	var found []Entry
	for _, e := range best {
		found = append(found, e)
	}
	slices.SortFunc(found, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return found
}

func text(all []Entry) string {
	var b []byte
	for i := range all {
		b = all[i].appendLine(b)
	}
	return string(b)
}

func compareAddr(a, b netip.Addr) bool { return a == b }

// TestMapKnowsWhatWasBuilt builds maps in memory, and in files with so little memory that runs are merged more than once, and
// compares every look-up with a linear search.
func TestMapKnowsWhatWasBuilt(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 2, 10, 300, 3000} {
		all := randomEntries(rng, n)
		plain := filepath.Join(t.TempDir(), "plain")
		if err := os.WriteFile(plain, []byte("# comment\n\n"+text(all)), 0o600); err != nil {
			t.Fatal(err)
		}
		files := []string{plain}
		for _, memory := range []int{0, 1, 1000} {
			out := filepath.Join(t.TempDir(), "out")
			b := NewBuilder(out)
			b.Memory = memory
			half := len(all) / 2
			for i, part := range [][]Entry{all[:half], all[half:]} {
				if err := b.Read(strings.NewReader(text(part)), fmt.Sprint(i)); err != nil {
					t.Fatal(err)
				}
			}
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			if left, _ := os.ReadDir(filepath.Dir(out)); len(left) != 1 {
				t.Errorf("got %d files in the folder, want the output alone", len(left))
			}
			if b.Lines != uint64(n) || b.Skipped != 0 {
				t.Errorf("got %d lines and %d skipped, want %d and 0", b.Lines, b.Skipped, n)
			}
			files = append(files, out)
		}
		for _, file := range files {
			m, err := Open(file)
			if err != nil {
				t.Fatal(err)
			}
			for i := range 256 {
				for _, a := range []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 1, byte(i)}), netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: byte(i)})} {
					if diff := cmp.Diff(naive(all, a), m.Lookup(a), cmp.Comparer(compareAddr)); diff != "" {
						t.Fatalf("%d entries, %s: (-want +got)\n%s", n, a, diff)
					}
				}
			}
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestBuilderLeavesOutWhatIsWrong(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	b := NewBuilder(out)
	const in = "192.0.2.1 A.Example.ORG.\r\n192.0.2.1,a.example.org,san\nnonsense\n192.0.2.256,x.org\n::ffff:192.0.2.1,*.b.example\n2001:db8::1\tx.example\n192.0.2.2,localhost\n"
	if err := b.Read(strings.NewReader(in+"192.0.2.1,"+strings.Repeat("x", 100_000)), "in"); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if b.Lines != 8 || b.Skipped != 4 || b.Written != 3 || b.Why == nil || !strings.HasPrefix(b.Why.Error(), "in:3: ") {
		t.Errorf("got %d lines, %d skipped, %d written, %v; want 8, 4, 3, in:3", b.Lines, b.Skipped, b.Written, b.Why)
	}
	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if want := header + "192.0.2.1,*.b.example\n192.0.2.1,a.example.org\n2001:db8::1,x.example\n"; string(got) != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestBadMaps(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	write := func(s string) {
		if err := os.WriteFile(file, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Open(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: got %v", err)
	}
	write("nonsense\n")
	if _, err := Open(file); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("nonsense: got %v, want its line", err)
	}
	write("192.0.2.1,a.example\n")
	if err := os.Truncate(file, maxUnsorted+1); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(file); !errors.Is(err, ErrUnsorted) {
		t.Errorf("long: got %v, want ErrUnsorted", err)
	}
	for _, bad := range []string{"nonsense\n", strings.Repeat("x", 5*maxLine)} {
		write(header + bad)
		m, err := Open(file)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Lookup(netip.MustParseAddr("192.0.2.1")); got != nil {
			t.Errorf("got %v of a file that is wrong", got)
		}
		if err := m.Close(); err == nil {
			t.Error("Close does not say that the file is wrong")
		}
	}
}

// TestMapIsCutWhileInUse: a fault in mapped memory is a mistake of the file, not the end of the program.
func TestMapIsCutWhileInUse(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	var b strings.Builder
	b.WriteString(header)
	for i := range 20_000 {
		fmt.Fprintf(&b, "10.0.%d.%d,a.example.org\n", i>>8, i&255)
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := Open(file)
	if err != nil {
		t.Fatal(err)
	}
	a := netip.MustParseAddr("10.0.70.1")
	if got := m.Lookup(a); len(got) != 1 {
		t.Fatalf("got %v", got)
	}
	if err := os.Truncate(file, 4096); err != nil {
		t.Fatal(err)
	}
	if got := m.Lookup(a); got != nil {
		t.Errorf("got %v of a file that is cut", got)
	}
	if err := m.Close(); err == nil {
		t.Error("Close does not say that the file was cut")
	}
}

// FuzzMap looks up names in files with any content.
func FuzzMap(f *testing.F) {
	f.Add([]byte("192.0.2.1,a.example\n192.0.2.2,b.example,san\n"), "192.0.2.2")
	f.Add([]byte("\n\n\n,"), "::1")
	f.Fuzz(func(t *testing.T, data []byte, addr string) {
		a, err := netip.ParseAddr(addr)
		if err != nil {
			return
		}
		m := &Map{data: data}
		for _, e := range m.Lookup(a) {
			if e.Addr != a.Unmap().WithZone("") {
				t.Errorf("got %v for %s", e, a)
			}
		}
		if m, err := readMap(strings.NewReader(string(data))); err == nil {
			m.Lookup(a)
			if err := m.Close(); err != nil {
				t.Errorf("what was sorted cannot be searched: %v", err)
			}
		}
		b := NewBuilder(filepath.Join(t.TempDir(), "x"))
		if err := b.Read(strings.NewReader(string(data)), "x"); err != nil {
			t.Error(err)
		}
	})
}

// FuzzLine holds that what is read is written as it is read.
func FuzzLine(f *testing.F) {
	f.Add([]byte("192.0.2.1,a.example"))
	f.Add([]byte("2001:db8::1 *.xn--bcher-kva.example san"))
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := parseLine(line)
		if err != nil {
			return
		}
		again, err := parseLine(e.appendLine(nil)[:len(e.appendLine(nil))-1])
		if err != nil || again != e {
			t.Errorf("%q: got %v, then %v and %v", line, e, again, err)
		}
	})
}

func BenchmarkLookup(b *testing.B) {
	out := filepath.Join(b.TempDir(), "out")
	builder := NewBuilder(out)
	const n = 2_000_000
	for i := range n {
		a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		if err := builder.Add(Entry{a, "www.example.org", SourceMap}); err != nil {
			b.Fatal(err)
		}
	}
	if err := builder.Close(); err != nil {
		b.Fatal(err)
	}
	m, err := Open(out)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		k := uint32(i) * 2654435761 % n
		if got := m.Lookup(netip.AddrFrom4([4]byte{10, byte(k >> 16), byte(k >> 8), byte(k)})); len(got) != 1 {
			b.Fatal(got)
		}
	}
}

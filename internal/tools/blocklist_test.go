package tools

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/zmap-go/zmap/target"
)

// slowBlocklist is Blocklist with whole strings, a list of networks and a map.
type slowBlocklist struct {
	cfg          BlockConfig
	allow, block []netip.Prefix
}

func (s slowBlocklist) filter(text string) string {
	var out strings.Builder
	seen := make(map[netip.Addr]bool)
	for line := range strings.Lines(text) {
		word := line
		if i := strings.IndexAny(line, "\n,\t #\v\f\r\x00"); i >= 0 {
			word = line[:i]
		}
		addr, err := target.ParseAddr(word)
		if err != nil && strings.Count(word, ":") > 1 {
			addr, err = netip.ParseAddr(word)
		}
		if err != nil {
			if !s.cfg.IgnoreInputErrors {
				out.WriteString(line)
			}
			continue
		}
		if !s.allowed(addr) || seen[addr] && !s.cfg.NoDuplicateChecking {
			continue
		}
		seen[addr] = true
		out.WriteString(line)
	}
	return out.String()
}

func (s slowBlocklist) allowed(addr netip.Addr) bool {
	in := func(list []netip.Prefix) bool {
		for _, p := range list {
			if p.Contains(addr) {
				return true
			}
		}
		return false
	}
	return !addr.IsUnspecified() && !in(s.block) && (s.cfg.Allowlist == "" || in(s.allow))
}

// randomNetworks returns networks of 10.0.0.0/8, so that they overlap and lines hit them.
func randomNetworks(r *rand.Rand, n int) (list []netip.Prefix, lines []string) {
	for range n {
		p := netip.PrefixFrom(addr4(10<<24|r.Uint32()>>8), 9+r.IntN(24)).Masked()
		if r.IntN(4) == 0 {
			p = netip.MustParsePrefix(fmt.Sprintf("2001:db8:%x::/%d", r.IntN(8), 45+r.IntN(84)))
		}
		list, lines = append(list, p), append(lines, p.String())
	}
	return list, lines
}

// randomLine returns a line: mostly an address in some form with something behind it, or garbage.
func randomLine(r *rand.Rand) string {
	a := 10<<24 | r.Uint32()>>8
	if r.IntN(3) == 0 {
		a = 10<<24 | r.Uint32()>>24 // a small set, for duplicates
	}
	addr := addr4(a).String()
	forms := []string{
		addr, addr, addr, addr, addr, fmt.Sprint(a), fmt.Sprintf("%#x", a), fmt.Sprintf("012.%d", a&0xffffff), fmt.Sprintf("10.%#o", a&0xffffff),
		"0.0.0.0", "", " " + addr, "www.example.com", "10.0.0.256", "10.0.0.0.1", "#" + addr, "\x00", "\xff\xfe", "::1", "2001:db8:" + fmt.Sprintf("%x", a&7) + "::" + fmt.Sprintf("%x", a>>8&3), "2001:db8:::", addr + "/32", "," + addr,
	}
	tails := []string{"", "", "", "", "\r", ",80", " # comment", "#x", "\tx", "," + strings.Repeat("long ", r.IntN(300)), " " + addr}
	return forms[r.IntN(len(forms))] + tails[r.IntN(len(tails))]
}

func TestBlocklistMatchesSlowTwin(t *testing.T) {
	for seed := range uint64(24) {
		r := rand.New(rand.NewPCG(seed, 1))
		var twin slowBlocklist
		var lines []string
		twin.cfg = BlockConfig{NoDuplicateChecking: seed%3 == 0, IgnoreInputErrors: seed%2 == 0}
		if seed%4 != 1 {
			twin.block, lines = randomNetworks(r, r.IntN(20))
			twin.cfg.Blocklist = writeList(t, lines...)
		}
		if seed%4 != 2 {
			twin.allow, lines = randomNetworks(r, 1+r.IntN(20))
			twin.cfg.Allowlist = writeList(t, lines...)
		}
		var text strings.Builder
		for range r.IntN(3000) {
			text.WriteString(randomLine(r) + "\n")
		}
		if seed%5 == 0 {
			text.WriteString(randomLine(r)) // no end
		}
		var out bytes.Buffer
		err := Blocklist(t.Context(), twin.cfg, iotest.HalfReader(strings.NewReader(text.String())), &out)
		if errors.Is(err, target.ErrEmpty) {
			continue
		}
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if want := twin.filter(text.String()); out.String() != want {
			t.Errorf("seed %d: %s", seed, firstDifference(out.String(), want))
		}
	}
}

// firstDifference says in which line two texts begin to differ.
func firstDifference(got, want string) string {
	g, w := strings.SplitAfter(got, "\n"), strings.SplitAfter(want, "\n")
	for i := range g {
		if i >= len(w) || g[i] != w[i] {
			return fmt.Sprintf("line %d is %q, want %q", i+1, g[i], append(w, "(the end)")[min(i, len(w))])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(g), len(w))
}

// filterText runs Blocklist over a text.
func filterText(t testing.TB, cfg BlockConfig, text string) string {
	t.Helper()
	var out bytes.Buffer
	if err := Blocklist(t.Context(), cfg, strings.NewReader(text), &out); err != nil {
		t.Fatalf("Blocklist of %.80q = %v", text, err)
	}
	return out.String()
}

func TestBlocklistExamples(t *testing.T) {
	block := BlockConfig{Blocklist: writeList(t, "10.0.0.0/24")}
	drop := block
	drop.IgnoreInputErrors = true
	again := block
	again.NoDuplicateChecking = true
	allow := BlockConfig{Allowlist: writeList(t, "10.0.0.0/24"), Blocklist: writeList(t, "10.0.0.7")}
	for _, c := range []struct {
		name, in, want string
		cfg            BlockConfig
	}{
		{"nothing", "", "", block},
		{"a comment stays with its line", "1.2.3.4 # mine\n", "1.2.3.4 # mine\n", block},
		{"blocked", "10.0.0.9\n10.0.1.9\n", "10.0.1.9\n", block},
		{"blocked in another form", "10.9\n012.0.0.9\n0x0a000009,x\n", "", block},
		{"a short form", "1.2\n", "1.2\n", block},
		{"no end of line", "1.2.3.4", "1.2.3.4", block},
		{"duplicates", "1.2.3.4\n1.2.3.4,80\n1.131844\n", "1.2.3.4\n", block},
		{"duplicates kept", "1.2.3.4\n1.2.3.4,80\n", "1.2.3.4\n1.2.3.4,80\n", again},
		{"duplicates of blocked lines", "10.0.0.9\n10.0.0.9\n", "", block},
		{"garbage stays", "saddr\n\n# c\n 10.0.0.9\nsaddr\n", "saddr\n\n# c\n 10.0.0.9\nsaddr\n", block},
		{"garbage goes", "saddr\n\n# c\n 10.0.0.9\n1.2.3.4\n", "1.2.3.4\n", drop},
		{"the address of nobody", "0.0.0.0\n0\n", "", block},
		{"CRLF", "1.2.3.4\r\n10.0.0.9\r\n", "1.2.3.4\r\n", block},
		{"allowlist", "10.0.0.7\n10.0.0.9\n10.0.1.9\n", "10.0.0.9\n", allow},
	} {
		if got := filterText(t, c.cfg, c.in); got != c.want {
			t.Errorf("%s: Blocklist of %q = %q, want %q", c.name, c.in, got, c.want)
		}
	}
}

func TestBlocklistLongLines(t *testing.T) {
	cfg := BlockConfig{Blocklist: writeList(t, "10.0.0.0/24")}
	fits := "1.2.3.4 " + strings.Repeat("x", maxLine-9) + "\n"
	if got := filterText(t, cfg, fits+"1.2.3.5\n"); got != fits+"1.2.3.5\n" {
		t.Errorf("a line of %d bytes gives %d bytes, want it and the next", len(fits), len(got))
	}
	for name, in := range map[string]io.Reader{
		"too long":     strings.NewReader("1.2.3.4\n1.2.3.5\n1.2.3.6 " + strings.Repeat("x", maxLine-8) + "\n1.2.3.7\n"),
		"without end":  io.MultiReader(strings.NewReader("1.2.3.4\n1.2.3.5\n"), endless{}),
		"nothing else": io.MultiReader(strings.NewReader("1.2.3.4\n1.2.3.5\n"), strings.NewReader(strings.Repeat("x", maxLine+1))),
	} {
		var out bytes.Buffer
		err := Blocklist(t.Context(), cfg, in, &out)
		if err == nil || err.Error() != "line 3 of the input is longer than 1048576 bytes" {
			t.Errorf("%s: Blocklist = %v, want it to name line 3", name, err)
		}
		if out.String() != "1.2.3.4\n1.2.3.5\n" {
			t.Errorf("%s: Blocklist wrote %.80q, want the lines before", name, out.String())
		}
	}
}

// endless is an input without lines and without end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestBlocklistErrors(t *testing.T) {
	var out bytes.Buffer
	list := writeList(t, "10.0.0.0/24")
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		cfg  BlockConfig
		in   io.Reader
		want string
	}{
		"no list":     {BlockConfig{}, nil, "--blocklist-file"},
		"no file":     {BlockConfig{Allowlist: list + "x"}, nil, list + "x"},
		"bad list":    {BlockConfig{Blocklist: writeList(t, "10.0.0.0/24", "10.0.0.0/x")}, nil, "list:2"},
		"empty space": {BlockConfig{Blocklist: writeList(t, "0.0.0.0/0")}, nil, target.ErrEmpty.Error()},
		"read error":  {BlockConfig{Blocklist: list}, iotest.ErrReader(broken), "read input: broken"},
	} {
		if err := Blocklist(t.Context(), c.cfg, c.in, &out); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: Blocklist = %v, want an error with %q", name, err, c.want)
		}
	}
	in := io.MultiReader(strings.NewReader("1.2.3.4\n"), iotest.ErrReader(broken))
	if err := Blocklist(t.Context(), BlockConfig{Blocklist: list}, in, &out); !errors.Is(err, broken) || out.String() != "1.2.3.4\n" {
		t.Errorf("Blocklist = %v and wrote %q, want %v and the line before", err, out.String(), broken)
	}
	err := Blocklist(t.Context(), BlockConfig{Blocklist: list}, strings.NewReader("1.2.3.4\n"), closedPipe(t))
	if !errors.Is(err, syscall.EPIPE) || strings.Count(err.Error(), "broken pipe") != 1 {
		t.Errorf("Blocklist into a pipe that nobody reads = %v, want EPIPE once", err)
	}
}

func TestBlocklistWarnsOfTenLines(t *testing.T) {
	var text bytes.Buffer
	cfg := BlockConfig{Blocklist: writeList(t, "10.0.0.0/24"), Log: slog.New(slog.NewTextHandler(&text, nil))}
	filterText(t, cfg, "1.2.3.4\n"+strings.Repeat("x", 500)+"\n"+strings.Repeat("garbage\n", 40))
	for _, part := range []string{"line 2 of the input", "line 11 of the input", `\"garbage\"`, "31 more"} {
		if !strings.Contains(text.String(), part) {
			t.Errorf("the log is %q, want it to say %q", text.String(), part)
		}
	}
	if n := strings.Count(text.String(), "\n"); n != 11 || text.Len() > 3000 {
		t.Errorf("the log has %d lines and %d bytes, want 11 short lines", n, text.Len())
	}
}

// TestBlocklistDoesNotHoldBack types a line at a time.
func TestBlocklistDoesNotHoldBack(t *testing.T) {
	cfg := BlockConfig{Blocklist: writeList(t, "10.0.0.0/24")}
	synctest.Test(t, func(t *testing.T) {
		in, typist := io.Pipe()
		screen, out := io.Pipe()
		done := make(chan error, 1)
		go func() { done <- Blocklist(t.Context(), cfg, in, out) }()
		for i := range 5 {
			want := fmt.Sprintf("1.2.3.%d\n", i)
			io.WriteString(typist, want)
			got := make([]byte, len(want))
			if _, err := io.ReadFull(screen, got); err != nil || string(got) != want {
				t.Fatalf("after typing %q the screen shows %q, %v", want, got, err)
			}
		}
		typist.Close()
		if err := <-done; err != nil {
			t.Errorf("Blocklist = %v", err)
		}
	})
}

func TestBlocklistEndsWithContext(t *testing.T) {
	cfg := BlockConfig{Blocklist: writeList(t, "10.0.0.0/24")}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		cause := errors.New("enough")
		in, typist := io.Pipe()
		done := make(chan error, 1)
		go func() { done <- Blocklist(ctx, cfg, in, io.Discard) }()
		synctest.Wait()
		cancel(cause)
		if err := <-done; !errors.Is(err, cause) {
			t.Errorf("Blocklist = %v, want %v", err, cause)
		}
		typist.Close() // ends the read that was left behind
	})
}

func FuzzBlocklist(f *testing.F) {
	for _, s := range addressSeeds {
		f.Add(s+"\n1.2.3.4", byte(1))
	}
	f.Add("10.0.0.1\n10.0.0.1\r\n10.128.0.1 # x\n\n", byte(0))
	path := f.TempDir() + "/list"
	if err := os.WriteFile(path, []byte("10.0.0.0/9\n1.2.3.4\n"), 0o600); err != nil {
		f.Fatal(err)
	}
	twin := slowBlocklist{block: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/9"), netip.MustParsePrefix("1.2.3.4/32")}}
	f.Fuzz(func(t *testing.T, text string, flags byte) {
		twin := twin
		twin.cfg = BlockConfig{Blocklist: path, NoDuplicateChecking: flags&1 != 0, IgnoreInputErrors: flags&2 != 0}
		if got, want := filterText(t, twin.cfg, text), twin.filter(text); got != want {
			t.Errorf("Blocklist of %q = %q, want %q", text, got, want)
		}
	})
}

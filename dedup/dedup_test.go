package dedup

import (
	"reflect"
	"strings"
	"testing"
)

func TestParseMethod(t *testing.T) {
	for _, want := range []Method{MethodAuto, MethodNone, MethodFull, MethodWindow} {
		if got, err := ParseMethod(want.String()); got != want || err != nil {
			t.Errorf("ParseMethod(%q): got %v, %v, want %v", want, got, err, want)
		}
	}
	if got, err := ParseMethod("Full"); err == nil || !strings.Contains(err.Error(), `"Full": expected default, none, full or window`) {
		t.Errorf(`ParseMethod("Full"): got %v, %v, want an error that lists the methods`, got, err)
	}
	if got := Method(9).String(); got != "Method(9)" {
		t.Errorf("Method(9): got %q", got)
	}
}

func FuzzParseMethod(f *testing.F) {
	for _, seed := range []string{"default", "none", "full", "window", "", "FULL"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if m, err := ParseMethod(name); err == nil && m.String() != name {
			t.Errorf("ParseMethod(%q): got %v", name, m)
		}
	})
}

func TestMethodFor(t *testing.T) {
	tests := []struct {
		m     Method
		ports int
		want  Method
	}{
		{MethodAuto, 0, MethodFull},
		{MethodAuto, 1, MethodFull},
		{MethodAuto, 2, MethodWindow},
		{MethodNone, 2, MethodNone},
		{MethodFull, 2, MethodFull},
		{MethodWindow, 1, MethodWindow},
	}
	for _, tt := range tests {
		if got := tt.m.For(tt.ports); got != tt.want {
			t.Errorf("%v.For(%d): got %v, want %v", tt.m, tt.ports, got, tt.want)
		}
	}
}

func TestNewErrors(t *testing.T) {
	tests := []struct {
		c    Config
		want string
	}{
		{Config{Method: MethodWindow, Targets: 1}, "dedup window of 0 targets: expected 1 to"},
		{Config{Method: MethodWindow, Targets: 1, Window: -1}, "--dedup-window-size"},
		{Config{Method: MethodWindow, Targets: 1, Window: MaxWindow + 1}, "dedup window of 1073741825"},
		{Config{Method: MethodFull, Targets: MaxTargets + 1}, "use --dedup-method window"},
		{Config{Targets: 1}, "dedup method default is not decided"},
	}
	for _, tt := range tests {
		if s, err := New(tt.c); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("New(%+v): got %v, %v, want error with %q", tt.c, s, err, tt.want)
		}
	}
}

// TestSequences plays answers of a few targets to every method. An answer is the target's letter, upper case for a
// success; a repeat is "R", what is new is ".".
func TestSequences(t *testing.T) {
	tests := []struct {
		name, answers      string
		none, full, window string
	}{
		{"success twice", "AAA", "...", ".RR", ".RR"},
		{"refusal twice", "aaa", "...", "...", ".RR"},
		{"a refusal never hides a success", "aAA", "...", "..R", "..R"},
		{"refusal after success", "Aaa", "...", ".RR", ".RR"},
		{"between refusals", "aaAaA", ".....", "...RR", ".R.RR"},
		{"targets are apart", "AbBaB", ".....", "...RR", "...RR"},
	}
	for _, tt := range tests {
		for method, want := range map[Method]string{MethodNone: tt.none, MethodFull: tt.full, MethodWindow: tt.window} {
			seen, err := New(Config{Method: method, Targets: 26, Window: 10})
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, c := range tt.answers {
				index, o := uint64(c-'A'), Success
				if c >= 'a' {
					index, o = uint64(c-'a'), Failure
				}
				if seen.See(index, o) {
					got += "R"
				} else {
					got += "."
				}
			}
			if got != want {
				t.Errorf("%s, %v, answers %s: got %s, want %s", tt.name, method, tt.answers, got, want)
			}
		}
	}
}

func TestSeeAllocs(t *testing.T) {
	for _, m := range []Method{MethodNone, MethodFull, MethodWindow} {
		seen, err := New(Config{Method: m, Targets: 1 << 20, Window: 1000})
		if err != nil {
			t.Fatal(err)
		}
		for i := range uint64(1 << 20) {
			seen.See(i, Success)
		}
		index := uint64(0)
		n := testing.AllocsPerRun(1000, func() {
			seen.See(index*7919%(1<<20), Outcome(index%2))
			index++
		})
		if n != 0 {
			t.Errorf("%v: got %v allocations per answer, want 0", m, n)
		}
	}
}

// TestConfigMemory compares what a configuration says with what comes of it.
func TestConfigMemory(t *testing.T) {
	for _, targets := range []uint64{0, 1, 1<<16 - 1, 1 << 16, 1<<16 + 1, 1_000_000} {
		first, most := Config{Method: MethodFull, Targets: targets}.Memory()
		b := NewBitmap(targets)
		before := b.Memory()
		for i := uint64(0); i < targets; i += 1 << pageShift {
			b.See(i, Success)
		}
		if first != before || most != b.Memory() {
			t.Errorf("full, %d targets: got %d and %d bytes, want %d and %d", targets, first, most, before, b.Memory())
		}
		for _, window := range []int{1, 2, 3, 1000, 1024, 2_000_000} {
			c := Config{Method: MethodWindow, Targets: targets, Window: window, Receivers: 1}
			first, most := c.Memory()
			s, err := New(c)
			if err != nil {
				t.Fatal(err)
			}
			w := s.(*Window)
			want := uint64(len(w.entries))*uint64(reflect.TypeFor[entry]().Size()) + 4*uint64(len(w.table))
			if first != 0 || most != want {
				t.Errorf("window of %d, %d targets: got %d and %d bytes, want 0 and %d", window, targets, first, most, want)
			}
		}
	}
	for _, c := range []Config{{Method: MethodNone, Targets: 9}, {Method: MethodFull, Targets: MaxTargets + 1}, {Method: MethodWindow, Window: -1}, {}} {
		if first, most := c.Memory(); first != 0 || most != 0 {
			t.Errorf("%+v: got %d and %d bytes, want none", c, first, most)
		}
	}
}

package filter

import (
	"errors"
	"math/rand/v2"
	"testing"
)

// FuzzCompile demands of any text: no panic, an *Error inside the text, a plain form that compiles to itself, and the
// verdicts of the tree.
func FuzzCompile(f *testing.F) {
	for _, seed := range []string{
		"",
		" ",
		"success = 1 && repeat = 0",
		"success=1&&repeat=0||!(sport>=80and sport<=90)",
		"classification = \"syn\\x41ck\" or server != 'it\\'s'",
		"saddr in 10.0.0.0/8 and not saddr = 10.1.2.3 or saddr < 2001:db8::1",
		"acknum > 3000000000 && delta > -5",
		"sprot = 1",
		"success=-1",
		"saddr=1.2.3.4/40",
		"classification = or or classification = in",
		"((((",
		"!!!!",
		"\"",
		"a&b",
	} {
		f.Add(seed)
	}
	s := testSchema()
	rng := rand.New(rand.NewPCG(5, 6))
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Compile(text, s)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Pos < 0 || e.Pos > len(text) || e.Msg == "" || e.Error() == "" {
				t.Fatalf("Compile(%q): got %#v, want an *Error inside the text", text, err)
			}
			return
		}
		again, err := Compile(p.String(), s)
		if err != nil {
			t.Fatalf("Compile(%q), the plain form of %q: %v", p.String(), text, err)
		}
		if again.String() != p.String() {
			t.Fatalf("the plain form of %q is %q, whose plain form is %q", text, p.String(), again.String())
		}
		for range 4 {
			r := randomRow(rng, s)
			want := p.root == nil || slowMatch(p.root, r)
			if p.Match(r) != want || again.Match(r) != want {
				t.Fatalf("%q on %+v: got %v and %v, want %v", text, r.Values, p.Match(r), again.Match(r), want)
			}
		}
	})
}

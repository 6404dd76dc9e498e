package citizen

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseClasses(t *testing.T) {
	for _, c := range []struct {
		text string
		want []Class
	}{
		{"private", []Class{Private}},
		{"private,shared", []Class{Private, Shared}},
		{"shared,private", []Class{Private, Shared}},
		{" Private ,\tLOOPBACK,private", []Class{Private, Loopback}},
		{"6to4", []Class{SixToFour}},
		{JoinClasses(Classes()), Classes()},
	} {
		got, err := ParseClasses(c.text)
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("ParseClasses(%q): error %v, classes differ (-want +got):\n%s", c.text, err, diff)
		}
	}
}

func TestParseClassesErrors(t *testing.T) {
	all := JoinClasses(Classes())
	for text, want := range map[string]string{
		"":                        "no class of networks named: write one or more of " + all,
		" ":                       "no class of networks named: write one or more of " + all,
		"privat":                  `no class of networks is called "privat": write one or more of ` + all,
		"private shared":          `no class of networks is called "private shared": write one or more of ` + all,
		"10.0.0.0/8":              `no class of networks is called "10.0.0.0/8": write one or more of ` + all,
		"none":                    `no class of networks is called "none": write one or more of ` + all,
		"private,":                "empty name of a class of networks: write names with one comma between them, such as private,shared",
		"private,,shared":         "empty name of a class of networks: write names with one comma between them, such as private,shared",
		strings.Repeat("x", 1000): `no class of networks is called "` + strings.Repeat("x", 40) + `": write one or more of ` + all,
	} {
		got, err := ParseClasses(text)
		if err == nil || err.Error() != want || got != nil {
			t.Errorf("ParseClasses(%.50q) = %v, error %v, want %s", text, got, err, want)
		}
	}
}

func TestClassesAreTheCallersOwn(t *testing.T) {
	Classes()[0] = "changed"
	if Classes()[0] != ThisNetwork {
		t.Errorf("Classes()[0] = %s after a caller changed its copy", Classes()[0])
	}
}

// FuzzParseClasses compares ParseClasses with a twin that goes the other way, from the classes to the text, and reads
// back what it returns.
func FuzzParseClasses(f *testing.F) {
	for _, s := range []string{"", "private", "private,shared", ",", " 6to4 , IETF", "privat", "private\x00", "a,b,private", "İetf", "loopback\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParseClasses(text)
		names := strings.Split(text, ",")
		for i := range names {
			names[i] = strings.ToLower(strings.TrimSpace(names[i]))
		}
		var want []Class
		for _, c := range Classes() {
			n := len(names)
			names = slices.DeleteFunc(names, func(s string) bool { return s == string(c) })
			if len(names) < n {
				want = append(want, c)
			}
		}
		if len(names) > 0 {
			if err == nil {
				t.Fatalf("ParseClasses(%q) = %v, want an error about %q", text, got, names)
			}
			if got != nil || len(err.Error()) > 400 {
				t.Fatalf("ParseClasses(%q) = %v, error of %d bytes, want nothing and a short error", text, got, len(err.Error()))
			}
			return
		}
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("ParseClasses(%q) = %v, error %v, want %v", text, got, err, want)
		}
		again, err := ParseClasses(JoinClasses(got))
		if err != nil || !slices.Equal(again, got) {
			t.Fatalf("ParseClasses(%q) = %v, error %v, want %v again", JoinClasses(got), again, err, got)
		}
	})
}

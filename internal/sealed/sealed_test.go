package sealed

import (
	"bytes"
	"strings"
	"testing"
)

type body struct {
	A string
	B []int
}

func kind() Kind { return Kind{Magic: "zmap-test", Name: "test", Version: 3, MaxBytes: 1 << 20} }

// TestDecode reads back what was written, and says of everything else what it is.
func TestDecode(t *testing.T) {
	text, err := kind().Encode(body{"x", []int{1, 2}})
	if err != nil {
		t.Fatal(err)
	}
	var got body
	if err := kind().Decode(bytes.NewReader(text), &got); err != nil || got.A != "x" || len(got.B) != 2 {
		t.Errorf("%+v, %v", got, err)
	}
	other := kind()
	other.Magic = "zmap-other"
	foreign, _ := other.Encode(body{})
	other = kind()
	other.Version = 4
	newer, _ := other.Encode(body{})
	list, _ := kind().Encode([]string{"x"})
	for bad, want := range map[string]string{
		"":                         "is no test: line 1 is \"\", and should begin with \"zmap-test \"",
		string(foreign):            "is no test: line 1 is \"zmap-other 3 ",
		string(newer):              "is a test of version \"4\": this program reads version 3",
		string(text[:len(text)-1]): "is damaged or cut",
		string(text) + "x":         "is damaged or cut",
		string(list):               "is no test: json: cannot unmarshal array",
		"zmap-test 3 0\n" + strings.Repeat("x", 1<<20+1): "is no test: it has more than 1 MB",
		strings.Repeat("x", 1<<20+1):                     "is no test: line 1 is ",
		"zmap-test 3 " + strings.Repeat("x", 1<<20+1):    "is damaged or cut",
	} {
		if err := kind().Decode(strings.NewReader(bad), &got); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.30q: %v, want %q", bad, err, want)
		}
	}
}

// FuzzDecode reads anything; what has the right sum is read the same again.
func FuzzDecode(f *testing.F) {
	text, _ := kind().Encode(body{"x", []int{1}})
	f.Add(text)
	f.Fuzz(func(t *testing.T, text []byte) {
		var b, again body
		if err := kind().Decode(bytes.NewReader(text), &b); err != nil {
			return
		}
		text, err := kind().Encode(b)
		if err == nil {
			err = kind().Decode(bytes.NewReader(text), &again)
		}
		if err != nil || again.A != b.A || len(again.B) != len(b.B) {
			t.Errorf("%+v is read as %+v, %v", b, again, err)
		}
	})
}

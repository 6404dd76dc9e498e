package record

import (
	"bytes"
	"math"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// contents is what a value's readers say, all of them.
type contents struct {
	Kind   Kind
	Null   bool
	Uint   uint64
	Int    int64
	Bool   bool
	Text   string
	Bytes  []byte
	List   int // number of objects
	Addr   string
	Time   bool // whether there is one
	AtNano int64
}

func read(v Value) contents {
	return contents{
		v.Kind(), v.IsNull(), v.Uint(), v.Int(), v.Bool(), v.Text(), v.Bytes(), len(v.List()), v.Addr().String(), !v.Time().IsZero(),
		v.UnixNano(),
	}
}

// TestValueReaders: every reader of every kind of value, so that a filter or a sink that asks for the wrong one gets a
// zero and never another kind's bits.
func TestValueReaders(t *testing.T) {
	const none = "invalid IP"
	tests := []struct {
		name string
		v    Value
		want contents
	}{
		{"zero", Value{}, contents{Null: true, Addr: none}},
		{"uint", Uint(math.MaxUint64), contents{Kind: KindUint, Uint: math.MaxUint64, Int: -1, Bool: true, Addr: none}},
		{"uint 0", Uint(0), contents{Kind: KindUint, Addr: none}},
		{"signed", Signed(-2), contents{Kind: KindInt, Uint: math.MaxUint64 - 1, Int: -2, Bool: true, Addr: none}},
		{"true", Boolean(true), contents{Kind: KindBool, Uint: 1, Int: 1, Bool: true, Addr: none}},
		{"false", Boolean(false), contents{Kind: KindBool, Addr: none}},
		{"text", Text("x"), contents{Kind: KindString, Text: "x", Addr: none}},
		{"empty text", Text(""), contents{Kind: KindString, Addr: none}},
		{"bytes", Bytes([]byte{1}), contents{Kind: KindBytes, Bytes: []byte{1}, Addr: none}},
		{"list", List([]Object{{}, {}}), contents{Kind: KindList, List: 2, Addr: none}},
		{"empty list", List(nil), contents{Kind: KindList, Addr: none}},
		{"IPv4", Address(netip.MustParseAddr("1.2.3.4")), contents{Kind: KindAddr, Addr: "1.2.3.4"}},
		{"IPv6", Address(netip.MustParseAddr("2001:db8::1")), contents{Kind: KindAddr, Addr: "2001:db8::1"}},
		{"IPv4 in IPv6", Address(netip.MustParseAddr("::ffff:1.2.3.4")), contents{Kind: KindAddr, Addr: "::ffff:1.2.3.4"}},
		{"no address", Address(netip.Addr{}), contents{Null: true, Addr: none}},
		{"time", Moment(-5), contents{Kind: KindTime, Time: true, AtNano: -5, Addr: none}},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, read(tt.v)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestAddressRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 10000 {
		var b [16]byte
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		for _, want := range []netip.Addr{netip.AddrFrom16(b), netip.AddrFrom4([4]byte(b[:4]))} {
			v := Address(want)
			if got := v.Addr(); got != want {
				t.Fatalf("got %v, want %v", got, want)
			}
		}
	}
}

func TestTimeRoundTrip(t *testing.T) {
	for _, nano := range []int64{0, 1, -1, 1795360939973386123, math.MaxInt64, math.MinInt64} {
		v := Moment(nano)
		if got := v.Time(); !got.Equal(time.Unix(0, nano)) || got.Location() != time.Local {
			t.Errorf("%d: got %v, want %v in local time", nano, got, time.Unix(0, nano))
		}
	}
}

// TestByReference: values refer to the caller's memory and never copy it.
func TestByReference(t *testing.T) {
	b := []byte("abc")
	v := Bytes(b)
	b[0] = 'x'
	if got := v.Bytes(); !bytes.Equal(got, []byte("xbc")) {
		t.Errorf("bytes: got %q, want the caller's %q", got, b)
	}
	l := []Object{{{Name: "a", Value: Uint(1)}}}
	v = List(l)
	l[0][0].Value = Uint(2)
	if got := v.List()[0][0].Value.Uint(); got != 2 {
		t.Errorf("list: got %d, want the caller's 2", got)
	}
}

package record

import (
	"net/netip"
	"testing"
)

// TestSetters gives a value every content after every other: what it had before must not show.
func TestSetters(t *testing.T) {
	v4, v6 := netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("2001:db8::7")
	contents := []struct {
		name string
		set  func(*Value)
		want Value
	}{
		{"null", func(v *Value) { *v = Value{} }, Value{}},
		{"integer", func(v *Value) { v.SetUint(1 << 63) }, Uint(1 << 63)},
		{"true", func(v *Value) { v.SetBool(true) }, Boolean(true)},
		{"false", func(v *Value) { v.SetBool(false) }, Boolean(false)},
		{"text", func(v *Value) { v.SetText("text") }, Text("text")},
		{"no text", func(v *Value) { v.SetText("") }, Text("")},
		{"IPv4", func(v *Value) { v.SetAddr(v4) }, Address(v4)},
		{"IPv6", func(v *Value) { v.SetAddr(v6) }, Address(v6)},
		{"no address", func(v *Value) { v.SetAddr(netip.Addr{}) }, Value{}},
		{"time", func(v *Value) { v.SetTime(1_795_360_982_480_608_000) }, Moment(1_795_360_982_480_608_000)},
		{"bytes", func(v *Value) { *v = Bytes([]byte("bytes")) }, Bytes([]byte("bytes"))},
		{"list", func(v *Value) { *v = List([]Object{{{"name", Uint(1)}}}) }, List([]Object{{{"name", Uint(1)}}})},
	}
	for _, first := range contents {
		for _, then := range contents {
			var v Value
			first.set(&v)
			then.set(&v)
			w := &then.want
			if v.Kind() != w.Kind() || v.Uint() != w.Uint() || v.Text() != w.Text() || string(v.Bytes()) != string(w.Bytes()) ||
				v.Addr() != w.Addr() || v.UnixNano() != w.UnixNano() || len(v.List()) != len(w.List()) {
				t.Errorf("%s after %s: got %+v, want %+v", then.name, first.name, v, *w)
			}
		}
	}
}

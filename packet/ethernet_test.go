package packet

import (
	"net"
	"strings"
	"testing"
)

func TestParseMAC(t *testing.T) {
	tests := []struct {
		text string
		want MAC
		ok   bool
	}{
		{"00:11:22:33:44:55", MAC{0, 0x11, 0x22, 0x33, 0x44, 0x55}, true},
		{"aB:Cd:eF:00:ff:9A", MAC{0xab, 0xcd, 0xef, 0, 0xff, 0x9a}, true},
		{"", MAC{}, false},
		{"00:11:22:33:44", MAC{}, false},
		{"00:11:22:33:44:55:66", MAC{}, false},
		{"0:11:22:33:44:55", MAC{}, false},
		{"00-11-22-33-44-55", MAC{}, false},
		{"0011.2233.4455", MAC{}, false},
		{"00:11:22:33:44:5g", MAC{}, false},
		{"00:11:22:33:44:5", MAC{}, false},
		{" 0:11:22:33:44:55", MAC{}, false},
		{"00:11:22:33:44:55\n", MAC{}, false},
		{"00:11:22:33:4455:", MAC{}, false},
	}
	for _, tt := range tests {
		got, err := ParseMAC(tt.text)
		if got != tt.want || (err == nil) != tt.ok {
			t.Errorf("ParseMAC(%q): got %v, %v; want %v, ok %v", tt.text, got, err, tt.want, tt.ok)
		}
		if err != nil && !strings.Contains(err.Error(), "00:1b:21:3c:4d:5e") {
			t.Errorf("ParseMAC(%q): error %q shows no example", tt.text, err)
		}
	}
}

func FuzzParseMAC(f *testing.F) {
	for _, s := range []string{"00:11:22:33:44:55", "ff:ff:ff:ff:ff:FF", "00-11-22-33-44-55", "0011.2233.4455", "1:2:3:4:5:6", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParseMAC(text)
		ref, refErr := net.ParseMAC(text)
		want := refErr == nil && len(text) == 17 && strings.Count(text, ":") == 5
		if (err == nil) != want {
			t.Fatalf("ParseMAC(%q): got error %v, want accepted %v", text, err, want)
		}
		if !want {
			return
		}
		if got != MAC(ref) || got.String() != strings.ToLower(text) {
			t.Fatalf("ParseMAC(%q): got %v, want %v", text, got, ref)
		}
	})
}

func TestMACPredicates(t *testing.T) {
	if b := BroadcastMAC(); b.String() != "ff:ff:ff:ff:ff:ff" || !b.IsMulticast() || b.IsZero() {
		t.Errorf("broadcast: got %v, multicast %v, zero %v", b, b.IsMulticast(), b.IsZero())
	}
	if m := (MAC{}); !m.IsZero() || m.IsMulticast() {
		t.Errorf("zero MAC: zero %v, multicast %v", m.IsZero(), m.IsMulticast())
	}
	if m := (MAC{0x01, 0x00, 0x5e, 0, 0, 1}); !m.IsMulticast() {
		t.Errorf("%v: not multicast", m)
	}
}

func TestEthernetSetters(t *testing.T) {
	b := EthernetFields{Dst: MAC{1}, Src: MAC{2}, Type: EtherTypeARP}.Encode(make([]byte, 20))
	b.SetDst(MAC{3, 4, 5, 6, 7, 8})
	b.SetSrc(MAC{9, 10, 11, 12, 13, 14})
	b.SetType(EtherTypeIPv6)
	got := EthernetFields{Dst: b.Dst(), Src: b.Src(), Type: b.Type()}
	want := EthernetFields{Dst: MAC{3, 4, 5, 6, 7, 8}, Src: MAC{9, 10, 11, 12, 13, 14}, Type: EtherTypeIPv6}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if [6]byte(b[14:]) != [6]byte{} {
		t.Errorf("setters wrote beyond the header: %x", []byte(b))
	}
}

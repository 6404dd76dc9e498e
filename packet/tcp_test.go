package packet

import (
	"encoding/binary"
	"encoding/hex"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTCPFlags(t *testing.T) {
	tests := []struct {
		flags TCPFlags
		want  string
	}{
		{0, "none"},
		{SYN, "SYN"},
		{SYN | ACK, "SYN|ACK"},
		{FIN | PSH | URG, "FIN|PSH|URG"},
		{0xff, "FIN|SYN|RST|PSH|ACK|URG|ECE|CWR"},
	}
	for _, tt := range tests {
		if got := tt.flags.String(); got != tt.want {
			t.Errorf("TCPFlags(%#02x): got %q, want %q", uint8(tt.flags), got, tt.want)
		}
	}
	f := SYN | ACK | ECE
	if !f.Has(SYN|ACK) || f.Has(SYN|RST) || !f.Any(RST|ACK) || f.Any(RST|FIN) {
		t.Errorf("%v: Has or Any is wrong", f)
	}
}

func TestParseTCPOptions(t *testing.T) {
	mss := TCPOptions{MSS: 1460, HasMSS: true}
	tests := []struct {
		name, hex string
		want      TCPOptions
	}{
		{"none", "", TCPOptions{}},
		{"mss", "020405b4", mss},
		{"mss 0", "02040000", TCPOptions{HasMSS: true}},
		{"windows", "020405b4 01030308 01010402", TCPOptions{MSS: 1460, HasMSS: true, WScale: 8, HasWScale: true, SACKPermitted: true}},
		{
			"linux", "020405b4 0402 080a 01020304 05060708 01030307",
			TCPOptions{MSS: 1460, HasMSS: true, SACKPermitted: true, TSVal: 0x01020304, TSEcr: 0x05060708, HasTimestamps: true, WScale: 7, HasWScale: true},
		},
		{"end of options is passed over", "00 00 020405b4", mss},
		{"only padding", "01010000", TCPOptions{}},
		{"unknown kinds are passed over", "fd06aabbccdd 2202 020405b4", mss},
		{"last of two counts", "02040001 020405b4", mss},
		{"length 0", "020405b4 0600 04020000", mss},
		{"length 1", "020405b4 0601 04020000", mss},
		{"reaches beyond the header", "020405b4 060a0402", mss},
		{"kind without a length", "020405b4 010101 08", mss},
		{"mss of the wrong length", "02030a 0402 00 030307", TCPOptions{}},
		{"window scale of the wrong length", "020405b4 03040700 0402", mss},
		{"sack permitted of the wrong length", "020405b4 04030000 030307", mss},
		{"timestamps of the wrong length", "020405b4 0809 01020304 050607 030307", mss},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := unhex(t, tt.hex)
			if diff := cmp.Diff(tt.want, ParseTCPOptions(b)); diff != "" {
				t.Errorf("options %x (-want +got):\n%s", b, diff)
			}
		})
	}
}

// slowOptions is the rule in compat 4.1 by index arithmetic over a copy, sharing nothing with the iterator.
func slowOptions(b []byte) TCPOptions {
	var t TCPOptions
	lens := map[byte]int{2: 4, 3: 3, 4: 2, 8: 10}
	for i := 0; i < len(b); {
		if b[i] <= 1 {
			i++
			continue
		}
		if i+1 >= len(b) || b[i+1] < 2 || i+int(b[i+1]) > len(b) {
			break
		}
		n := int(b[i+1])
		if want, ok := lens[b[i]]; ok && want != n {
			break
		}
		o := b[i : i+n]
		switch b[i] {
		case 2:
			t.HasMSS, t.MSS = true, uint16(o[2])<<8|uint16(o[3])
		case 3:
			t.HasWScale, t.WScale = true, o[2]
		case 4:
			t.SACKPermitted = true
		case 8:
			t.HasTimestamps = true
			t.TSVal, t.TSEcr = binary.BigEndian.Uint32(o[2:]), binary.BigEndian.Uint32(o[6:])
		}
		i += n
	}
	return t
}

func FuzzTCPOptions(f *testing.F) {
	for _, s := range synOptions() {
		b, _ := hex.DecodeString(s.options)
		f.Add(b)
	}
	f.Add([]byte{2, 0, 0, 0})
	f.Add([]byte{8, 10, 1, 2, 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		b = b[:len(b):len(b)]
		if diff := cmp.Diff(slowOptions(b), ParseTCPOptions(b)); diff != "" {
			t.Fatalf("options %x (-want +got):\n%s", b, diff)
		}
		for rest, steps := b, 0; ; steps++ {
			o, next, ok := NextTCPOption(rest)
			if !ok {
				break
			}
			if steps > len(b)/2 || !inside(o.Data, b) || !inside(next, b) {
				t.Fatalf("options %x: step %d leaves the options or goes on for ever", b, steps)
			}
			rest = next
		}
		// The same bytes as the options of a segment that is cut anywhere.
		h := TCPFields{Options: b[:min(len(b), 40)]}.Encode(make([]byte, 60))
		for n := TCPLen; n <= len(h); n++ {
			if got := h[:n].OptionBytes(); len(got) > h.HeaderLen()-TCPLen || !inside(got, h[:n]) {
				t.Fatalf("segment %x cut to %d: options are %x", []byte(h), n, got)
			}
		}
	})
}

func TestOptionBytesOfImpossibleHeaders(t *testing.T) {
	for off := range 16 {
		h := TCP(make([]byte, 32))
		h[12] = byte(off) << 4
		want := min(max(0, off*4-TCPLen), 12)
		if got := len(h.OptionBytes()); got != want {
			t.Errorf("data offset %d in 32 bytes: got %d bytes of options, want %d", off, got, want)
		}
	}
}

func TestOptionsDoNotAllocate(t *testing.T) {
	h := TCPFields{Options: []byte{2, 4, 5, 0xb4, 1, 3, 3, 7}}.Encode(make([]byte, 28))
	var o TCPOptions
	if n := testing.AllocsPerRun(100, func() { o = h.Options() }); n != 0 || o.WScale != 7 {
		t.Errorf("reading options allocates %v times and gives %+v", n, o)
	}
}

func BenchmarkTCPOptions(b *testing.B) {
	for name, s := range synOptions() {
		b.Run(name, func(b *testing.B) {
			options, _ := hex.DecodeString(s.options)
			b.ReportAllocs()
			var n int
			for b.Loop() {
				o := ParseTCPOptions(options)
				n += int(o.MSS)
			}
		})
	}
}

package validate

import (
	"net/netip"
	"testing"
)

// AES-128 as FIPS 197 writes it down, byte by byte and without tables, so that the tags are checked by something that
// shares no code with them.

// mul multiplies in GF(2^8) modulo x^8+x^4+x^3+x+1 (FIPS 197 section 4.2).
func mul(a, b byte) byte {
	var p byte
	for ; b != 0; b >>= 1 {
		if b&1 != 0 {
			p ^= a
		}
		high := a & 0x80
		a <<= 1
		if high != 0 {
			a ^= 0x1b
		}
	}
	return p
}

// subByte is SubBytes for one byte (section 5.1.1): the inverse, then an affine map.
func subByte(a byte) byte {
	inverse := byte(0)
	for b := range 256 {
		if mul(a, byte(b)) == 1 {
			inverse = byte(b)
		}
	}
	out := byte(0x63)
	for shift := range 5 {
		out ^= inverse<<shift | inverse>>(8-shift)
	}
	return out
}

// A slowAES holds what SubBytes makes of every byte.
type slowAES struct{ sbox [256]byte }

func newSlowAES() *slowAES {
	var a slowAES
	for i := range a.sbox {
		a.sbox[i] = subByte(byte(i))
	}
	return &a
}

// encrypt is Cipher (section 5.1) with KeyExpansion (section 5.2) inlined.
func (a *slowAES) encrypt(key, in [16]byte) [16]byte {
	sbox, w := &a.sbox, append([]byte(nil), key[:]...)
	for rcon := byte(1); len(w) < 176; {
		t := [4]byte(w[len(w)-4:])
		if len(w)%16 == 0 {
			t = [4]byte{sbox[t[1]] ^ rcon, sbox[t[2]], sbox[t[3]], sbox[t[0]]}
			rcon = mul(rcon, 2)
		}
		for i := range 4 {
			w = append(w, w[len(w)-16]^t[i])
		}
	}
	s := in
	for round := 0; ; round++ {
		if round > 0 {
			var shifted [16]byte
			for i := range s { // SubBytes and ShiftRows: row i%4 moves left by i%4 columns
				shifted[i] = sbox[s[(i+4*(i%4))%16]]
			}
			s = shifted
		}
		if round > 0 && round < 10 { // MixColumns
			for c := 0; c < 16; c += 4 {
				a := [4]byte(s[c : c+4])
				for i := range 4 {
					s[c+i] = mul(a[i], 2) ^ mul(a[(i+1)%4], 3) ^ a[(i+2)%4] ^ a[(i+3)%4]
				}
			}
		}
		for i := range s { // AddRoundKey
			s[i] ^= w[16*round+i]
		}
		if round == 10 {
			return s
		}
	}
}

// tag is the text: one block of addresses and port for IPv4, a chain over source, destination and port for IPv6.
func (a *slowAES) tag(k Key, local, remote netip.Addr, port uint16) Tag {
	var b []byte
	if local.Is4() && remote.Is4() {
		b = append(append(b, local.AsSlice()...), remote.AsSlice()...)
	} else {
		l, r := local.As16(), remote.As16()
		b = append(append(b, l[:]...), r[:]...)
	}
	b = append(b, byte(port>>8), byte(port))
	for len(b)%16 != 0 {
		b = append(b, 0)
	}
	var state [16]byte
	for ; len(b) > 0; b = b[16:] {
		for i := range state {
			state[i] ^= b[i]
		}
		state = a.encrypt(k, state)
	}
	return state
}

func TestSlowAES(t *testing.T) {
	key := [16]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	var in [16]byte
	for i := range in {
		in[i] = byte(i)<<4 | byte(i)
	}
	// FIPS 197 appendix C.1.
	want := [16]byte{0x69, 0xc4, 0xe0, 0xd8, 0x6a, 0x7b, 0x04, 0x30, 0xd8, 0xcd, 0xb7, 0x80, 0x70, 0xb4, 0xc5, 0x5a}
	if got := newSlowAES().encrypt(key, in); got != want {
		t.Fatalf("AES-128 of %x: got %x, want %x", in, got, want)
	}
}

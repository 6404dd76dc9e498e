package permute

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
)

// Words is an endless stream of 64-bit words that a seed fixes: the generator
// and the offset of a Cycle come from it, and so do the random fields of UDP
// payload templates. It encrypts a block of zeros with AES-128 again and again,
// and each block gives two words.
//
// A Words belongs to one goroutine. Make it with NewWords.
type Words struct {
	cipher cipher.Block
	block  [aes.BlockSize]byte
	half   bool // the second half of block has not been given out yet
}

// NewWords returns the stream of seed, at its beginning. The AES key is the
// seed in little-endian order followed by eight zero bytes.
func NewWords(seed uint64) *Words {
	var key [16]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	c, err := aes.NewCipher(key[:])
	if err != nil {
		panic("permute: AES refuses a 16-byte key: " + err.Error()) // its only error is the key's length
	}
	return &Words{cipher: c}
}

// Next returns the next word. It does not allocate.
func (w *Words) Next() uint64 {
	if w.half {
		w.half = false
		return binary.LittleEndian.Uint64(w.block[8:])
	}
	w.cipher.Encrypt(w.block[:], w.block[:])
	w.half = true
	return binary.LittleEndian.Uint64(w.block[:8])
}

package validate

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net/netip"
)

// A Key is the secret of one scan: an AES-128 key. Shards and resumed scans that are to recognise each other's answers
// share it; otherwise every scan draws its own.
type Key [16]byte

// NewKey draws a key from the operating system's random numbers. It does not depend on the scan's seed.
func NewKey() (Key, error) {
	var k Key
	if _, err := rand.Read(k[:]); err != nil {
		return Key{}, fmt.Errorf("draw validation key: %w", err)
	}
	return k, nil
}

// A Source is what the reader of an answer needs to know of our probes. It is owned by one goroutine.
type Source interface {
	// Tag returns the tag of the probe from our address local to a port of remote; probes without ports have port 0.
	Tag(local, remote netip.Addr, port uint16) Tag
	// Ports returns our source ports.
	Ports() Ports
	// Tries returns how many probes each target gets at most: one source port each.
	Tries() int
}

var _ Source = (*Tagger)(nil)

// A Tagger computes tags. It is owned by one goroutine; any number of them over one key give the same tags.
//
// With IPv4 the tag is AES of the one block that C zmap encrypts:
//
//	| source 4 | destination 4 | port 2 | zero 6 |
//
// With IPv6 it is the AES-CBC-MAC of three blocks:
//
//	| source 16 |   | destination 16 |   | port 2 | zero 14 |
//
// Every message of a family has the same length, for which a CBC-MAC is a sound keyed hash. Across the families it is not
// by itself: who knew the tags of chosen IPv4 blocks could extend them to messages that start with such a block. An IPv6
// message starts with our own address, though, which nobody else chooses and which would have to read as our IPv4 address,
// a target's, a port and six zeros; and for the two families to share a tag by chance, an intermediate value that nobody
// sees would have to be such a block, which fixes 80 of its bits: the 4 bytes of our address and the zeros. Even then no
// answer would be taken for another's, since answers are looked up by the addresses that they carry.
type Tagger struct {
	block cipher.Block
	ports Ports
	tries int
	in    Tag // scratch, here so that nothing escapes to the heap
	out   Tag

	local  netip.Addr // the address that first belongs to
	first  Tag        // AES of local, the first step of an IPv6 tag
	hasOne bool       // local and first are set
}

// NewTagger returns a tagger for probes from ports p, of which each target gets at most tries.
func NewTagger(k Key, p Ports, tries int) *Tagger {
	block, err := aes.NewCipher(k[:])
	if err != nil {
		panic("validate: " + err.Error()) // impossible: only the length of a key can be wrong
	}
	return &Tagger{block: block, ports: p, tries: tries}
}

// Ports returns our source ports.
func (t *Tagger) Ports() Ports { return t.ports }

// Tries returns how many probes each target gets at most.
func (t *Tagger) Tries() int { return t.tries }

// Tag returns the tag of the probe from our address local to a port of remote; probes without ports have port 0. Two IPv4
// addresses make an IPv4 tag; everything else is tagged as IPv6, IPv4-mapped addresses and the zero Addr included, so
// that no address can make it fail. Zones do not count. It does not allocate.
//
// A caller that has many targets at hand computes their tags in half the time with a [Batch].
func (t *Tagger) Tag(local, remote netip.Addr, port uint16) Tag {
	if local.Is4() && remote.Is4() {
		putIPv4(&t.in, local, remote, port)
	} else {
		t.startIPv6(&t.in, local, remote)
		t.block.Encrypt(t.in[:], t.in[:])
		addPort(&t.in, port)
	}
	t.block.Encrypt(t.out[:], t.in[:])
	return t.out
}

// putIPv4 writes the block of an IPv4 tag. Both addresses must be IPv4.
func putIPv4(block *Tag, local, remote netip.Addr, port uint16) {
	l, r := local.As4(), remote.As4()
	binary.BigEndian.PutUint64(block[0:8], uint64(binary.BigEndian.Uint32(l[:]))<<32|uint64(binary.BigEndian.Uint32(r[:])))
	binary.BigEndian.PutUint64(block[8:16], uint64(port)<<48)
}

// startIPv6 writes what the second step of an IPv6 tag encrypts. The first step depends on our address alone, which is
// the same for many probes in a row.
func (t *Tagger) startIPv6(block *Tag, local, remote netip.Addr) {
	if !t.hasOne || t.local != local {
		t.in = local.As16()
		t.block.Encrypt(t.first[:], t.in[:])
		t.local, t.hasOne = local, true
	}
	r := remote.As16()
	hi := binary.LittleEndian.Uint64(t.first[0:8]) ^ binary.LittleEndian.Uint64(r[0:8])
	lo := binary.LittleEndian.Uint64(t.first[8:16]) ^ binary.LittleEndian.Uint64(r[8:16])
	binary.LittleEndian.PutUint64(block[0:8], hi)
	binary.LittleEndian.PutUint64(block[8:16], lo)
}

// addPort turns the result of the second step of an IPv6 tag into what the third one encrypts.
func addPort(block *Tag, port uint16) {
	block[0] ^= byte(port >> 8)
	block[1] ^= byte(port)
}

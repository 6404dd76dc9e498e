package tools

import (
	"encoding/binary"
	"strconv"

	"github.com/zmap-go/zmap/target"
)

// maxTargetLine is the length of the longest line about a target, "255.255.255.255,65535" and its end, and what
// appendTargets may write behind it.
const maxTargetLine = 22 + 2

// An octet is a byte in decimal with a dot behind, in the lowest bytes of text first.
type octet struct {
	text uint32
	len  uint8 // with the dot
}

// octets holds all of them: one store of four bytes writes any number and its dot.
var octets = makeOctets()

func makeOctets() (table [256]octet) {
	for i := range table {
		var text [4]byte
		s := append(strconv.AppendUint(text[:0], uint64(i), 10), '.')
		table[i] = octet{binary.LittleEndian.Uint32(text[:]), uint8(len(s))}
	}
	return table
}

// appendTargets appends the lines of the targets with the given indexes. It allocates nothing if dst has room for
// maxTargetLine bytes each.
func appendTargets(dst []byte, space *target.Space, indexes []uint64) []byte {
	var t target.Target
	for _, index := range indexes {
		space.Fill(index, &t)
		if cap(dst)-len(dst) < maxTargetLine {
			dst = append(dst, make([]byte, maxTargetLine)...)[:len(dst)]
		}
		a := t.Addr.As4()
		n := len(dst)
		line := dst[n : n+maxTargetLine]
		at := 0
		for _, b := range a {
			o := octets[b]
			binary.LittleEndian.PutUint32(line[at&15:], o.text)
			at += int(o.len)
		}
		dst = dst[:n+at]
		if t.Port != 0 {
			dst[len(dst)-1] = ','
			dst = append(strconv.AppendUint(dst, uint64(t.Port), 10), '\n')
			continue
		}
		dst[len(dst)-1] = '\n'
	}
	return dst
}

package tools

import (
	"encoding/binary"
	"slices"
	"strconv"

	"github.com/zmap-go/zmap/target"
)

// maxTargetLine is the length of the longest line about a target, "255.255.255.255,65535" and its end, and what
// may be written behind it.
const maxTargetLine = 22 + 2

// An octet is a byte in decimal with a dot behind, in the lowest bytes of text first.
type octet struct {
	text uint32
	len  uint8 // with the dot
}

// A lineWriter writes the lines of targets.
type lineWriter struct {
	space  *target.Space
	octets [256]octet // one store of four bytes writes any number and its dot
}

func newLineWriter(space *target.Space) *lineWriter {
	w := &lineWriter{space: space}
	for i := range w.octets {
		var text [4]byte
		s := append(strconv.AppendUint(text[:0], uint64(i), 10), '.')
		w.octets[i] = octet{binary.LittleEndian.Uint32(text[:]), uint8(len(s))}
	}
	return w
}

// append appends the lines of the targets with the given indexes. It allocates nothing if dst has room for maxTargetLine
// bytes each.
func (w *lineWriter) append(dst []byte, indexes []uint64) []byte {
	var t target.Target
	dst = slices.Grow(dst, len(indexes)*maxTargetLine)
	for _, index := range indexes {
		w.space.Fill(index, &t)
		if t.Addr.Is6() {
			dst = append(t.Addr.AppendTo(dst), '\n')
			if t.Port != 0 {
				dst[len(dst)-1] = ','
				dst = append(strconv.AppendUint(dst, uint64(t.Port), 10), '\n')
			}
			continue
		}
		n := len(dst)
		line := dst[n : n+maxTargetLine]
		at := 0
		for _, b := range t.Addr.As4() {
			o := w.octets[b]
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

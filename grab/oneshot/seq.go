package oneshot

import "slices"

// Sequence numbers wrap round, so that one is before another by at most half of all (RFC 9293 section 3.4).
func before(a, b uint32) bool { return int32(a-b) < 0 }

// A span is a piece of a stream, from a sequence number up to, but not with, another.
type span struct{ from, to uint32 }

// spans are pieces of one window in order, none of which touch.
type spans []span

// maxSpans bounds the gaps in what has arrived: what would make one more is dropped, and comes again.
const maxSpans = 32

// add puts n in and returns the spans. It returns false, and leaves all as it is, if there would be too many.
func (s spans) add(n span) (spans, bool) {
	i := 0
	for i < len(s) && before(s[i].to, n.from) {
		i++
	}
	j := i
	for j < len(s) && !before(n.to, s[j].from) {
		if before(s[j].from, n.from) {
			n.from = s[j].from
		}
		if before(n.to, s[j].to) {
			n.to = s[j].to
		}
		j++
	}
	if i == j && len(s) == maxSpans {
		return s, false
	}
	return slices.Replace(s, i, j, n), true
}

// join returns how far the stream is whole that is whole up to at, and the spans beyond.
func (s spans) join(at uint32) (uint32, spans) {
	i := 0
	for i < len(s) && !before(at, s[i].from) {
		if before(at, s[i].to) {
			at = s[i].to
		}
		i++
	}
	return at, slices.Delete(s, 0, i)
}

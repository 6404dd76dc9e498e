package fingerprint

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Bounds of what is looked at.
const (
	maxDepth  = 100      // of nested values
	maxValues = 64       // at one path
	maxText   = 16 << 10 // bytes of one text: regular expressions see no more of it
)

// A kind is what a value is.
type kind uint8

// The kinds of values. A list is its elements.
const (
	kindNull kind = iota
	kindText
	kindNumber
	kindBool
	kindObject
)

// A value is one that stands where a path leads.
type value struct {
	kind kind
	cut  bool    // text is the beginning of a longer one
	num  float64 // of numbers; 1 for true
	text []byte  // of texts
}

// A walker reads JSON and keeps the values that paths lead to.
//
// It is at several steps of the tree of paths at once, since "*" and "**" fit what others fit as well. They stand on a stack: those
// of a value above those of what it stands in.
type walker struct {
	in     []byte
	pos    int
	values [][]value // by slot
	steps  []*step
	text   []byte // unescaped texts, which values refer to
}

// walk reads in up to its end or its first mistake.
func (w *walker) walk(in []byte, p *paths) {
	w.in, w.pos, w.text, w.steps = in, 0, w.text[:0], w.steps[:0]
	for len(w.values) < len(p.slots) {
		w.values = append(w.values, nil)
	}
	for i := range w.values {
		w.values[i] = w.values[i][:0]
	}
	w.enter(0, p.root)
	w.value(0, 0)
}

// forget lets go of the text.
func (w *walker) forget() {
	w.in = nil
	if cap(w.text) > 1<<20 {
		w.text = nil
	}
}

// enter puts t on the stack, and what is reached together with it, if they do not stand there since lo.
func (w *walker) enter(lo int, t *step) {
	for ; t != nil; t = t.deep {
		if !slices.Contains(w.steps[lo:], t) {
			w.steps = append(w.steps, t)
		}
	}
}

// value reads a value; the steps since lo lead to it. It says whether it is well formed.
func (w *walker) value(lo, depth int) bool {
	w.space()
	if w.pos >= len(w.in) || depth > maxDepth {
		return false
	}
	switch c := w.in[w.pos]; c {
	case '{', '[':
		return w.composite(c, lo, depth)
	case '"':
		raw, ok := w.quoted()
		if ok && w.wanted(lo) {
			text, cut := w.unquote(raw)
			w.keep(lo, value{kind: kindText, text: text, cut: cut})
		}
		return ok
	case 't':
		return w.constant(lo, "true", value{kind: kindBool, num: 1})
	case 'f':
		return w.constant(lo, "false", value{kind: kindBool})
	case 'n':
		return w.constant(lo, "null", value{kind: kindNull})
	}
	return w.number(lo)
}

// composite reads an object or a list.
func (w *walker) composite(open byte, lo, depth int) bool {
	if open == '{' {
		w.keep(lo, value{kind: kindObject})
	}
	if !slices.ContainsFunc(w.steps[lo:], func(t *step) bool { return open == '[' || !t.leaf() }) {
		return w.skip()
	}
	w.pos++
	for first := true; ; first = false {
		w.space()
		if w.pos >= len(w.in) {
			return false
		}
		if c := w.in[w.pos]; c == open+2 { // the bracket that closes
			w.pos++
			return true
		}
		if !first && !w.take(',') {
			return false
		}
		if open == '{' && !w.member(lo, depth+1) || open == '[' && !w.value(lo, depth+1) {
			return false
		}
	}
}

// member reads a key and its value.
func (w *walker) member(lo, depth int) bool {
	w.space()
	if w.pos >= len(w.in) || w.in[w.pos] != '"' {
		return false
	}
	key, ok := w.quoted()
	if !ok {
		return false
	}
	if bytes.IndexByte(key, '\\') >= 0 {
		key, _ = w.unquote(key)
	}
	if w.space(); !w.take(':') {
		return false
	}
	hi := len(w.steps)
	for i := lo; i < hi; i++ {
		t := w.steps[i]
		w.enter(hi, t.next[string(key)])
		w.enter(hi, t.any)
		if t.loop {
			w.enter(hi, t)
		}
	}
	ok = w.value(hi, depth)
	w.steps = w.steps[:hi]
	return ok
}

// skip reads a value that holds nothing of interest.
func (w *walker) skip() bool {
	for depth := 0; w.pos < len(w.in); w.pos++ {
		switch w.in[w.pos] {
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth <= 0 {
				w.pos++
				return depth == 0
			}
		case '"':
			if _, ok := w.quoted(); !ok {
				return false
			}
			w.pos-- // quoted is behind it already
		}
	}
	return false
}

// wanted says that some path ends at one of the steps since lo.
func (w *walker) wanted(lo int) bool {
	return slices.ContainsFunc(w.steps[lo:], func(t *step) bool { return t.slot >= 0 })
}

// keep adds v to the values of all paths that lead to it.
func (w *walker) keep(lo int, v value) {
	for _, t := range w.steps[lo:] {
		if t.slot >= 0 && len(w.values[t.slot]) < maxValues {
			w.values[t.slot] = append(w.values[t.slot], v)
		}
	}
}

func (w *walker) constant(lo int, text string, v value) bool {
	if !bytes.HasPrefix(w.in[w.pos:], []byte(text)) {
		return false
	}
	w.pos += len(text)
	w.keep(lo, v)
	return true
}

func (w *walker) number(lo int) bool {
	start := w.pos
	for w.pos < len(w.in) && strings.IndexByte("+-.0123456789eE", w.in[w.pos]) >= 0 {
		w.pos++
	}
	if w.pos == start {
		return false
	}
	if !w.wanted(lo) {
		return true
	}
	n, err := strconv.ParseFloat(string(w.in[start:w.pos]), 64)
	if err == nil {
		w.keep(lo, value{kind: kindNumber, num: n})
	}
	return err == nil
}

func (w *walker) space() {
	for w.pos < len(w.in) && strings.IndexByte(" \t\r\n", w.in[w.pos]) >= 0 {
		w.pos++
	}
}

func (w *walker) take(c byte) bool {
	if w.pos >= len(w.in) || w.in[w.pos] != c {
		return false
	}
	w.pos++
	return true
}

// quoted reads a string and returns what stands between its quotes.
func (w *walker) quoted() ([]byte, bool) {
	start := w.pos + 1
	for end := start; ; end++ {
		i := bytes.IndexByte(w.in[end:], '"')
		if i < 0 {
			return nil, false
		}
		end += i
		escapes := 0
		for end-1-escapes >= start && w.in[end-1-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			w.pos = end + 1
			return w.in[start:end], true
		}
	}
}

// unquote returns the text of a string, at most maxText bytes of it, and whether there is more. Escapes that are none, and halves
// of surrogate pairs, become U+FFFD as encoding/json has it.
func (w *walker) unquote(raw []byte) (text []byte, cut bool) {
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[:min(len(raw), maxText)], len(raw) > maxText
	}
	start := len(w.text)
	for len(raw) > 0 && len(w.text)-start < maxText {
		plain := raw
		if i := bytes.IndexByte(raw, '\\'); i >= 0 {
			plain = raw[:i]
		}
		if len(plain) > 0 {
			n := min(len(plain), maxText-(len(w.text)-start))
			w.text = append(w.text, plain[:n]...)
			raw = raw[n:]
			continue
		}
		r, n := unescape(raw)
		w.text = utf8.AppendRune(w.text, r)
		raw = raw[n:]
	}
	return w.text[start:len(w.text):len(w.text)], len(raw) > 0
}

// unescape returns the rune that raw begins with, which is an escape, and how long that is.
func unescape(raw []byte) (r rune, n int) {
	if len(raw) < 2 {
		return utf8.RuneError, len(raw)
	}
	if i := strings.IndexByte(`"\/bfnrt`, raw[1]); i >= 0 {
		return rune("\"\\/\b\f\n\r\t"[i]), 2
	}
	first, ok := hex4(raw)
	if !ok {
		return utf8.RuneError, 2
	}
	if utf16.IsSurrogate(first) {
		second, ok := hex4(raw[6:])
		if r = utf16.DecodeRune(first, second); ok && r != utf8.RuneError {
			return r, 12
		}
		return utf8.RuneError, 6
	}
	return first, 6
}

// hex4 reads \uXXXX.
func hex4(raw []byte) (rune, bool) {
	if len(raw) < 6 || raw[0] != '\\' || raw[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(raw[2:6]), 16, 16)
	return rune(n), err == nil
}

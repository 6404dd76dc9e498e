package main

import (
	"bytes"
	"math"
	"testing"
	"testing/iotest"
	"time"
)

// FuzzWatch holds that the pieces counted are those of all the output, whatever parts it comes in.
func FuzzWatch(f *testing.F) {
	for _, text := range []string{"", "\n", "one\ntwo\nthree\n", "------\nip { saddr: 127.0.0.1 }\n------\n"} {
		f.Add([]byte(text), true)
		f.Add([]byte(text), false)
	}
	f.Fuzz(func(t *testing.T, text []byte, slow bool) {
		const parts = 1 << 10 // or the clock is read for too many
		text = text[:min(len(text), parts)]
		out := iotest.DataErrReader(bytes.NewReader(text))
		if slow {
			out = iotest.OneByteReader(bytes.NewReader(text))
		}
		var counted []byte
		var l lap
		start := time.Now()
		err := l.watch(out, start, func(part []byte) float64 {
			counted = append(counted, part...)
			return float64(len(part))
		})
		if err != nil || !bytes.Equal(counted, text) {
			t.Errorf("%q: counted %q, error %v", text, counted, err)
		}
		if (l.first > 0) != (len(text) > 0) || l.first > time.Since(start) {
			t.Errorf("%q: first output after %v", text, l.first)
		}
		if least := float64(len(text)) / time.Since(start).Seconds(); slow && len(text) > 1 && !(l.speed >= least) || math.IsInf(l.speed, -1) {
			t.Errorf("%q: %v a second, want %v at least", text, l.speed, least)
		}
	})
}

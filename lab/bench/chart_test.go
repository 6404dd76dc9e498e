package main

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestChart reads a picture as XML: every name is there, nothing is outside of it, and equal ratios are equally far apart.
func TestChart(t *testing.T) {
	c := chart{
		title: "T & t", about: "<about>", x: "cores", y: "Mpps", places: []string{"1", "2", "4"},
		lines: []line{
			{"fast", []float64{1, 2, 4}},
			{"slow", []float64{0.1, 0.1, 0.1}},
			{"as slow", []float64{0.1, math.NaN(), 0.1}},
			{"never there", []float64{math.NaN(), math.NaN(), math.NaN()}},
		},
	}
	var words []string
	var circles []float64 // heights of the first line's marks, the one at its name last
	inside := func(s string, most float64) float64 {
		v, err := strconv.ParseFloat(s, 64)
		if err != nil || v < 0 || v > most {
			t.Errorf("%q is not from 0 to %v", s, most)
		}
		return v
	}
	for d := xml.NewDecoder(strings.NewReader(c.svg())); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, c.svg())
		}
		switch e := token.(type) {
		case xml.CharData:
			words = append(words, strings.TrimSpace(string(e)))
		case xml.StartElement:
			for _, a := range e.Attr {
				switch a.Name.Local {
				case "x", "cx":
					inside(a.Value, chartWidth)
				case "y":
					inside(a.Value, chartHeight)
				case "cy":
					circles = append(circles, inside(a.Value, chartHeight))
				}
			}
		}
	}
	for _, w := range []string{"T & t", "<about>", "cores", "Mpps", "1", "2", "4", "fast", "slow", "as slow", "0.05", "5"} {
		if !slices.Contains(words, w) {
			t.Errorf("%q is not in the picture", w)
		}
	}
	if len(circles) != 4 {
		t.Fatalf("%d circles, want 3 and that at the name", len(circles))
	}
	if first, second := circles[0]-circles[1], circles[1]-circles[2]; first <= 0 || math.Abs(first-second) > 0.2 {
		t.Errorf("from 1 to 2 are %.1f pixels, from 2 to 4 %.1f: want the same, upwards", first, second)
	}
}

// TestBounds are outside of all values, and near.
func TestBounds(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 1000 {
		a, b := math.Pow(10, 6*r.Float64()-3), math.Pow(10, 6*r.Float64()-3)
		low, high := chart{lines: []line{{"", []float64{a, b}}}}.bounds()
		if low >= min(a, b) || high <= max(a, b) || low < min(a, b)/2.51 || high > max(a, b)*2.51 {
			t.Errorf("%v and %v: bounds %v and %v", a, b, low, high)
		}
	}
	if low, high := (chart{}).bounds(); low >= high {
		t.Errorf("nothing: bounds %v and %v", low, high)
	}
}

// TestSpread keeps names apart, in order, inside, and where they are if there is room.
func TestSpread(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	for range 1000 {
		at := make([]float64, r.IntN(8))
		for i := range at {
			at[i] = 50 + 350*r.Float64()
		}
		out := spread(at, 20, 50, 400)
		for i := range at {
			if out[i] < 49 || out[i] > 401 {
				t.Fatalf("%v becomes %v: outside", at, out)
			}
			for j := range i {
				if math.Abs(out[i]-out[j]) < 19.9 || (at[i] < at[j]) != (out[i] < out[j]) {
					t.Fatalf("%v becomes %v: too near, or in another order", at, out)
				}
			}
		}
	}
	if out := spread([]float64{300, 100, 200}, 20, 50, 400); !slices.Equal(out, []float64{300, 100, 200}) {
		t.Errorf("names that are apart are moved to %v", out)
	}
}

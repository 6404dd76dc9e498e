package main

import (
	"encoding/xml"
	"fmt"
	"math"
	"slices"
	"strings"
)

// A chart is lines over named places, on a logarithmic scale: equal distances are equal ratios. Each line has its name at
// its end, a colour and a mark of its own.
//
//	 title
//	 10 ┤───────────────────────
//	    │     ●─────────●  ● this
//	  1 ┤───────────────────────
//	    │     ■─────────■  ■ that
//	0.1 ┼─────┬─────────┬───────
//	          1         2
//	              x
type chart struct {
	title, about string // about is for those who cannot see it
	x, y         string // with units
	places       []string
	lines        []line
}

// A line has a positive value for each place; NaN where there is none.
type line struct {
	name   string
	values []float64
}

// Geometry, in pixels. The frame is where the lines are; names stand to the right of it.
const (
	chartWidth, chartHeight                         = 830, 460
	frameLeft, frameRight, frameTop, frameBottom    = 84, 560, 64, 386
	fontSize, titleSize, nameGap, nameIndent, place = 15, 18, 21, 34, 46
)

// colours are Okabe and Ito's, which colour-blind people can tell apart (Color Universal Design, 2008), the dark ones first.
func colours() []string {
	return []string{"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9"}
}

// svg draws the chart.
func (c chart) svg() string {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" font-family="Helvetica, Arial, sans-serif" font-size="%d" fill="#222">`+"\n",
		chartWidth, chartHeight, chartWidth, chartHeight, fontSize)
	fmt.Fprintf(&b, "<title>%s</title>\n<desc>%s</desc>\n", escape(c.title), escape(c.about))
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", chartWidth, chartHeight)
	text(&b, frameLeft, 32, "start", titleSize, c.title)
	low, high := c.bounds()
	c.axes(&b, low, high)
	ends := make([]float64, len(c.lines)) // heights of the last points
	for i, l := range c.lines {
		ends[i] = c.draw(&b, l, i, low, high)
	}
	for i, y := range spread(ends, nameGap, frameTop, frameBottom) {
		colour := colours()[i%len(colours())]
		if !math.IsNaN(ends[i]) {
			fmt.Fprintf(&b, `<path d="M%d %.1f L%d %.1f" stroke="%s" stroke-width="1" fill="none"/>`+"\n", frameRight-place+8, ends[i], frameRight+nameIndent-14, y, colour)
		}
		mark(&b, i, frameRight+nameIndent-6, y)
		text(&b, frameRight+nameIndent+6, y+5, "start", fontSize, c.lines[i].name)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// bounds are the ends of the scale: steps of 1, 2 and 5 just outside all values.
func (c chart) bounds() (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, l := range c.lines {
		for _, v := range l.values {
			if v > 0 {
				low, high = min(low, v), max(high, v)
			}
		}
	}
	if low > high {
		return 1, 10
	}
	all := steps(low/10, high*10)
	first := slices.IndexFunc(all, func(v float64) bool { return v >= low }) - 1
	last := slices.IndexFunc(all, func(v float64) bool { return v > high })
	return all[first], all[last]
}

// steps are 1, 2 and 5 times the powers of ten from low to high.
func steps(low, high float64) []float64 {
	var all []float64
	for e := int(math.Floor(math.Log10(low))); ; e++ {
		for _, m := range []float64{1, 2, 5} {
			v := m * math.Pow10(e)
			if v > high*1.0001 {
				return all
			}
			if v >= low*0.9999 {
				all = append(all, v)
			}
		}
	}
}

// height is where a value is.
func height(v, low, high float64) float64 {
	return frameBottom - (frameBottom-frameTop)*math.Log(v/low)/math.Log(high/low)
}

// across is where the i-th place is.
func (c chart) across(i int) float64 {
	const room = frameRight - frameLeft - 2*place
	return frameLeft + place + room*float64(i)/float64(max(len(c.places)-1, 1))
}

// axes draws the grid and what is written on it.
func (c chart) axes(b *strings.Builder, low, high float64) {
	for _, v := range steps(low, high) {
		y := height(v, low, high)
		fmt.Fprintf(b, `<path d="M%d %.1f H%d" stroke="#ddd"/>`+"\n", frameLeft, y, frameRight)
		text(b, frameLeft-10, y+5, "end", fontSize, fmt.Sprintf("%.4g", v))
	}
	for i, p := range c.places {
		fmt.Fprintf(b, `<path d="M%.1f %d v6" stroke="#222"/>`+"\n", c.across(i), frameBottom)
		text(b, c.across(i), frameBottom+24, "middle", fontSize, p)
	}
	fmt.Fprintf(b, `<path d="M%d %d V%d H%d" stroke="#222" fill="none"/>`+"\n", frameLeft, frameTop, frameBottom, frameRight)
	text(b, (frameLeft+frameRight)/2, frameBottom+54, "middle", fontSize, c.x)
	fmt.Fprintf(b, `<text transform="translate(24 %d) rotate(-90)" text-anchor="middle">%s</text>`+"\n", (frameTop+frameBottom)/2, escape(c.y))
}

// draw draws the i-th line, and returns the height of its last point, NaN if it has none.
func (c chart) draw(b *strings.Builder, l line, i int, low, high float64) float64 {
	last := math.NaN()
	var path strings.Builder
	for k, v := range l.values {
		if !(v > 0) {
			continue
		}
		step := "L"
		if math.IsNaN(last) {
			step = "M"
		}
		last = height(v, low, high)
		fmt.Fprintf(&path, "%s%.1f %.1f ", step, c.across(k), last)
	}
	if math.IsNaN(last) {
		return last
	}
	fmt.Fprintf(b, `<path d="%s" stroke="%s" stroke-width="2.5" fill="none"/>`+"\n", strings.TrimSpace(path.String()), colours()[i%len(colours())])
	for k, v := range l.values {
		if v > 0 {
			mark(b, i, c.across(k), height(v, low, high))
		}
	}
	return last
}

// mark draws the mark of the i-th line: a circle, a square, a triangle or a diamond.
func mark(b *strings.Builder, i int, x, y float64) {
	shape := ""
	switch i % 4 {
	case 0:
		shape = fmt.Sprintf(`<circle cx="%.1f" cy="%.1f" r="5"`, x, y)
	case 1:
		shape = fmt.Sprintf(`<rect x="%.1f" y="%.1f" width="9" height="9"`, x-4.5, y-4.5)
	case 2:
		shape = fmt.Sprintf(`<path d="M%.1f %.1f l6 10 h-12 z"`, x, y-6)
	case 3:
		shape = fmt.Sprintf(`<path d="M%.1f %.1f l6 6 l-6 6 l-6 -6 z"`, x, y-6)
	}
	fmt.Fprintf(b, "%s fill=\"%s\" stroke=\"#fff\"/>\n", shape, colours()[i%len(colours())])
}

// spread moves heights apart until any two differ by gap, in the same order, as little as can be, between top and bottom.
// Those that are NaN get a place at the bottom.
func spread(at []float64, gap, top, bottom float64) []float64 {
	order := make([]int, len(at))
	out := slices.Clone(at)
	for i := range order {
		order[i] = i
		if math.IsNaN(out[i]) {
			out[i] = bottom
		}
	}
	slices.SortStableFunc(order, func(i, j int) int { return int(math.Copysign(1, out[i]-out[j])) })
	for range 1000 {
		moved := false
		for k := 1; k < len(order); k++ {
			above, below := order[k-1], order[k]
			if lack := gap - (out[below] - out[above]); lack > 0.01 {
				out[above], out[below], moved = out[above]-lack/2, out[below]+lack/2, true
			}
		}
		if n := len(order); n > 0 {
			out[order[0]] = max(out[order[0]], top)
			out[order[n-1]] = min(out[order[n-1]], bottom)
		}
		if !moved {
			break
		}
	}
	return out
}

func text(b *strings.Builder, x, y float64, anchor string, size int, s string) {
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="%s" font-size="%d">%s</text>`+"\n", x, y, anchor, size, escape(s))
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder takes all
	return b.String()
}

package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
)

// A table is figures as text, for the terminal and for the page.
type table struct {
	title string
	head  []string
	rows  [][]string
	notes []string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// print writes t for a terminal.
func (t *table) print(w io.Writer) {
	fmt.Fprintf(w, "\n%s\n", t.title)
	columns := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{t.head}, t.rows...) {
		fmt.Fprintln(columns, "  "+strings.Join(row, "\t"))
	}
	_ = columns.Flush() // an error of w is seen by who made w
	for _, n := range t.notes {
		fmt.Fprintf(w, "  %s\n", n)
	}
}

// markdown writes t for the page, columns of figures to the right. The first one says what they are of.
func (t *table) markdown(w io.Writer) {
	fmt.Fprintf(w, "**%s**\n\n", t.title)
	rule := make([]string, len(t.head))
	for i := range rule {
		rule[i] = "---"
		if i > 0 && !slices.ContainsFunc(t.rows, func(row []string) bool { return !isFigure(row[i]) }) {
			rule[i] = "--:"
		}
	}
	for _, row := range append([][]string{t.head, rule}, t.rows...) {
		fmt.Fprintf(w, "| %s |\n", strings.Join(row, " | "))
	}
	for _, n := range t.notes {
		fmt.Fprintf(w, "\n%s\n", n)
	}
	fmt.Fprintln(w)
}

// isFigure says whether a cell begins like a number, or has none.
func isFigure(s string) bool { return s != "" && strings.IndexByte("0123456789-", s[0]) >= 0 }

// A bar is a figure that this project holds itself to.
type bar struct {
	what    string
	got     float64 // NaN if it could not be measured
	want    float64
	atLeast bool // else at most
	unit    string
	why     string // why it could not be measured
}

func (b bar) met() bool {
	if b.atLeast {
		return b.got >= b.want
	}
	return b.got <= b.want
}

// verdict says whether the bar is met.
func (b bar) verdict() string {
	switch {
	case math.IsNaN(b.got):
		return "not measured: " + b.why
	case b.met():
		return "met"
	}
	return "missed"
}

// barTable lists the bars, and remarks below them.
func barTable(bars []bar, remarks []string) table {
	t := table{title: "What this project holds itself to", head: []string{"what", "measured", "bar", "verdict"}, notes: remarks}
	for _, b := range bars {
		sign, got := "at most ", "-"
		if b.atLeast {
			sign = "at least "
		}
		if !math.IsNaN(b.got) {
			got = figures(b.got) + b.unit
		}
		t.add(b.what, got, fmt.Sprintf("%s%g%s", sign, b.want, b.unit), b.verdict())
	}
	return t
}

// figures writes a number with three significant figures, whole ones as they are.
func figures(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1e15 {
		return fmt.Sprintf("%.0f", v)
	}
	digits := max(0, 2-int(math.Floor(math.Log10(math.Abs(v)))))
	return fmt.Sprintf("%.*f", digits, v)
}
